import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { noise } from '@libp2p/noise'
import { webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { forBrowsers } from '../src/browsers.ts'
import { asksForWebRtc, checkListening, listenOn } from '../src/listening.ts'
import { underNames } from '../src/point-node.ts'
import { readCertificate } from '../src/tls.ts'
import { first, replace, second } from './fixtures/certificates.ts'
import { build, endPrograms, PATIENCE, Program, run } from './program.ts'
import type { Libp2p } from '@libp2p/interface'

const TCP = '/ip4/127.0.0.1/tcp/0'
const SECURE = '/ip4/127.0.0.1/tcp/0/tls/ws'
const DIRECT = '/ip4/127.0.0.1/udp/0/webrtc-direct'
const ID = '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'

const nodes: Libp2p[] = []
let directory: string

beforeAll(async () => {
  build()
  // as those who vouch for themselves
  setDefaultCACertificates([...getCACertificates(), ...await Promise.all([first, second].map(async ({ cert }) => readFile(cert, 'utf8')))])
}, 60_000)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rendezvous-browsers-'))
})

afterEach(async () => {
  await endPrograms()
  await Promise.all(nodes.splice(0).map(async node => node.stop()))
  await rm(directory, { recursive: true, force: true })
})

async function client (): Promise<Libp2p> {
  const node = await createLibp2p({
    transports: [webSockets(), webRTCDirect({ rtcConfiguration: { iceServers: [] } })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false }
  })
  nodes.push(node)

  return node
}

/** The name in the certificate that is served at a port. */
async function served (port: number): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost' })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()

  return String(subject.CN)
}

async function start (...args: string[]): Promise<{ program: Program, ready: any }> {
  const program = new Program(['point', '--json', ...args])

  return { program, ready: await program.event() }
}

function portOf (address: string): number {
  return Number(/(?:tcp|udp)\/(\d+)/.exec(address)?.[1])
}

describe('a point with a certificate', () => {
  it('is reached over secure WebSockets, under the names in it', async () => {
    const { ready } = await start('--memory', '--listen', TCP, '--listen', SECURE, '--tls-cert', first.cert, '--tls-key', first.key)
    const [address = '', ...others] = ready.browsers.addresses

    expect(others).to.deep.equal([])
    expect(address).to.match(/^\/dns\/localhost\/tcp\/[1-9]\d*\/tls\/ws\/p2p\/12D3\w+$/)
    expect(ready.addresses).to.have.lengthOf(2).and.to.include(address)
    expect((await (await client()).dial(multiaddr(address))).remotePeer.toString()).to.equal(ready.peerId)
  })

  it('serves another from when its files change, and keeps the connections that there are', async () => {
    const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
    await replace(files, first)
    const { program, ready } = await start('--memory', '--listen', TCP, '--listen', SECURE, '--listen', '/ip4/127.0.0.1/tcp/0/ws', '--tls-cert', files.cert, '--tls-key', files.key)
    const [address] = ready.browsers.addresses
    const connection = await (await client()).dial(multiaddr(address))
    expect(await served(portOf(address))).to.equal('first')

    await writeFile(files.key, 'nonsense')
    await vi.waitFor(() => { expect(program.stderr).to.include(`The certificate was not read again, and is as it was: there is no private key in ${files.key} that can be used`) }, PATIENCE)
    expect(await served(portOf(address))).to.equal('first')

    await replace(files, second)
    await vi.waitFor(() => { expect(program.stderr).to.include(`The certificate was read again, because it has changed: ${files.cert}\n`) }, PATIENCE)
    expect(await served(portOf(address))).to.equal('second')
    expect(connection.status).to.equal('open')
    await (await client()).dial(multiaddr(address))
    // plain WebSockets stay plain
    await expect(served(portOf(ready.addresses.find((other: string) => /\d\/ws\//.test(other))))).rejects.toThrow()
  }, 60_000)

  it('does not start with what it cannot serve, and says so in one line', async () => {
    const plain = join(directory, 'plain.pem')
    await writeFile(plain, 'nonsense')
    const both = (cert: string, key: string): string[] => ['point', '--memory', '--listen', SECURE, '--tls-cert', cert, '--tls-key', key]
    const results = await Promise.all([both(first.cert, second.key), both(plain, first.key), both(first.cert, plain), both(join(directory, 'none'), first.key)].map(async args => run(...args)))

    expect(results.map(({ stderr }) => stderr)).to.deep.equal([
      [`libp2p-rendezvous: the private key in ${second.key} is not that of the certificate in ${first.cert}: give two that belong together with --tls-cert and --tls-key`],
      [`libp2p-rendezvous: there is no certificate in ${plain} that can be used: it takes one in PEM, without a password`],
      [`libp2p-rendezvous: there is no private key in ${plain} that can be used: it takes one in PEM, without a password`],
      [`libp2p-rendezvous: ${join(directory, 'none')} cannot be read (no such file or directory): name the files of a certificate with --tls-cert and --tls-key`]
    ])
    expect(results.map(({ code }) => code)).to.deep.equal([1, 1, 1, 1])
  }, 60_000)
})

describe('a certificate', () => {
  it('has the hosts that it names, and not those that it only allows', async () => {
    const { hosts, isFor, notes } = await readCertificate(first)

    expect(hosts).to.deep.equal(['localhost'])
    expect(isFor('127.0.0.1')).to.equal(false)
    expect(notes).to.deep.equal([])
  })

  it('that has ended is told of', async () => {
    vi.useFakeTimers({ now: new Date('2200-01-01') })

    try {
      const { notes } = await readCertificate(first)
      expect(notes).to.have.lengthOf(1)
      expect(notes[0]).to.match(/^The certificate in \S+ has ended \(.*\): browsers refuse it$/)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('addresses of secure WebSockets', () => {
  const all = ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.1/tcp/2/ws', '/ip4/192.0.2.1/tcp/3/tls/ws', '/ip4/127.0.0.1/tcp/3/tls/ws'].map(address => multiaddr(address))

  it('have the hosts of the certificate in them, and the addresses that it is for', () => {
    expect(underNames(all, { hosts: ['a.example.com', 'b.example.com'], isFor: ip => ip === '192.0.2.1' }).map(String)).to.deep.equal([
      '/ip4/192.0.2.1/tcp/1',
      '/ip4/192.0.2.1/tcp/2/ws',
      '/dns/a.example.com/tcp/3/tls/ws',
      '/dns/b.example.com/tcp/3/tls/ws',
      '/ip4/192.0.2.1/tcp/3/tls/ws'
    ])
  })

  it('are none where it is for nobody', () => {
    expect(underNames(all, { hosts: [], isFor: () => false }).map(String)).to.deep.equal(['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.1/tcp/2/ws'])
  })
})

/** Has the program find no such package. */
async function without (name: string): Promise<string[]> {
  const hook = join(directory, 'without.mjs')
  await writeFile(hook, `import { registerHooks } from 'node:module'
registerHooks({ resolve (specifier, context, next) {
  if (specifier === '${name}') {
    throw Object.assign(new Error("Cannot find package '" + specifier + "' imported from " + context.parentURL), { code: 'ERR_MODULE_NOT_FOUND' })
  }
  return next(specifier, context)
} })`)

  return ['--import', pathToFileURL(hook).href]
}

describe('a point beside @libp2p/webrtc', () => {
  it('is reached over WebRTC-direct, at the same address after a restart', async () => {
    const data = join(directory, 'point')
    const before = await start('--data', data, '--listen', TCP, '--listen', DIRECT)
    const [address = '', ...others] = before.ready.browsers.addresses
    const { code } = await before.program.end('SIGTERM')

    expect(others).to.deep.equal([])
    expect(address).to.match(/^\/ip4\/127\.0\.0\.1\/udp\/[1-9]\d*\/webrtc-direct\/certhash\/uEi[\w-]+\/p2p\/12D3\w+$/)
    expect(code).to.equal(0)

    const after = await start('--data', data, '--listen', TCP, '--listen', `/ip4/127.0.0.1/udp/${portOf(address)}/webrtc-direct`)
    expect(after.ready.browsers.addresses).to.deep.equal([address])
    expect((await (await client()).dial(multiaddr(address))).remotePeer.toString()).to.equal(after.ready.peerId)
    expect((await after.program.end('SIGTERM')).code).to.equal(0)
  }, 60_000)

  it('keeps a certificate for ten years, which nobody else may read', async () => {
    await start('--data', directory, '--listen', DIRECT)
    const file = join(directory, 'webrtc-direct.pem')
    const { validFromDate, validToDate, publicKey } = new X509Certificate(await readFile(file))

    expect((validToDate.getTime() - validFromDate.getTime()) / 86_400_000).to.be.closeTo(3_650, 1)
    expect(Math.abs(validFromDate.getTime() - Date.now())).to.be.below(600_000)
    expect(publicKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1')
    expect((await stat(file)).mode & 0o777).to.equal(0o600)
  })

  it('listens on it without being told, and otherwise where it is told', async () => {
    expect(listenOn({}, true).map(String)).to.deep.equal(['/ip4/0.0.0.0/tcp/62649', '/ip4/0.0.0.0/tcp/62650/ws', '/ip4/0.0.0.0/udp/62651/webrtc-direct'])
    expect(listenOn({ tlsCert: 'cert.pem' }, false).map(String)).to.deep.equal(['/ip4/0.0.0.0/tcp/62649', '/ip4/0.0.0.0/tcp/62650/ws', '/ip4/0.0.0.0/tcp/62651/tls/ws'])
    expect(listenOn({ listen: [multiaddr(TCP)] }, true).map(String)).to.deep.equal([TCP])
    expect([asksForWebRtc({}), asksForWebRtc({ workers: 2 }), asksForWebRtc({ listen: [multiaddr(TCP)] }), asksForWebRtc({ listen: [multiaddr(TCP), multiaddr(DIRECT)] })])
      .to.deep.equal(['if it is there', 'no', 'no', 'yes'])
  })

  it('says in one line what is in the way', async () => {
    const damaged = join(directory, 'damaged')
    await (await start('--data', damaged, '--listen', DIRECT)).program.end('SIGTERM')
    await writeFile(join(damaged, 'webrtc-direct.pem'), 'nonsense')
    const { program, ready } = await start('--memory', '--listen', DIRECT)
    const port = portOf(ready.browsers.addresses[0])
    const missing = new Program(['point', '--memory', '--listen', DIRECT], await without('@libp2p/webrtc'))

    expect((await run('point', '--data', damaged, '--listen', DIRECT)).stderr).to.deep.equal([
      `libp2p-rendezvous: ${join(damaged, 'webrtc-direct.pem')} is not the certificate for browsers with its key: restore it from a backup, or move it away to get a new one, and with it a new address`
    ])
    expect((await run('point', '--memory', '--listen', `/ip4/127.0.0.1/udp/${port}/webrtc-direct`)).stderr).to.deep.equal([
      `libp2p-rendezvous: port ${port} is taken by another program: stop that one, or choose another port with --listen MULTIADDR`
    ])
    expect(await missing.ended()).to.equal(1)
    expect(missing.stderr).to.equal('libp2p-rendezvous: to listen on WebRTC-direct takes @libp2p/webrtc, which is not installed: npm install --omit=peer @libp2p/webrtc, beside this program\n')
    await program.end('SIGTERM')
  }, 60_000)

  it('goes without it where nobody asked for it, and says what that means', async () => {
    // the usual ports may be somebody else's here
    const program = new Program(['point', '--memory', '--json', '--listen', TCP], await without('@libp2p/webrtc'))
    const { browsers } = await program.event()

    expect(browsers.addresses).to.deep.equal([])
    expect(browsers.problems[0]).to.match(/^Browsers on https pages will not reach it: that takes --tls-cert and --tls-key, .* or @libp2p\/webrtc installed beside this program\.$/)
    expect(program.stderr).to.equal('')
  })
})

describe('what a point is for browsers', () => {
  const secure = `/dns4/point.example.com/tcp/443/wss/p2p/${ID}`
  const direct = `/ip4/192.0.2.1/udp/62651/webrtc-direct/certhash/uEiAKdhpCHnnu6w6yyNCpRpQKxMy5fnIQ7MD_ui5Gopgf4w/p2p/${ID}`
  const plain = [`/ip4/192.0.2.1/tcp/62649/p2p/${ID}`, `/ip4/192.0.2.1/tcp/62650/ws/p2p/${ID}`]
  const of = (...addresses: string[]): ReturnType<typeof multiaddr>[] => addresses.map(address => multiaddr(address))

  it('has the addresses that pages reach wherever they were loaded from', () => {
    expect(forBrowsers(of(...plain, secure, direct), { hasCertificate: true, hasRelay: true })).to.deep.equal({ addresses: [secure, direct], problems: [] })
  })

  it('says what they cannot do', () => {
    expect(forBrowsers(of(...plain), { hasCertificate: false, hasRelay: false })).to.deep.equal({
      addresses: [],
      problems: [
        'Browsers on https pages will not reach it: that takes --tls-cert and --tls-key, a proxy with a certificate and --announce, or @libp2p/webrtc installed beside this program.',
        'Pages find others here, and cannot be reached by them: that takes --relay.'
      ]
    })
    expect(forBrowsers(of(...plain), { hasCertificate: true, hasRelay: true }).problems).to.deep.equal([
      'Browsers will not reach it, for the certificate names no host: say which it is for with --announce /dns4/HOST/tcp/PORT/tls/ws.'
    ])
  })

  it('is shown apart, ready to paste', async () => {
    const program = new Program(['point', '--memory', '--listen', TCP, '--listen', DIRECT])
    let text = ''

    while (!text.includes('Ctrl-C ends it')) {
      text += `${await program.line()}\n`
    }

    expect(text).to.match(/clients:\n\n {2}\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\w+\n\nAnd for browsers:\n\n {2}\/ip4\/127\.0\.0\.1\/udp\/\d+\/webrtc-direct\/\S+\n\nPages find others here, and cannot be reached by them: that takes --relay\.\n\nTry it/)
  })
})

describe('flags for browsers', () => {
  it.each([
    [{ tlsCert: 'cert.pem' }, '--tls-cert is one half of a pair: give --tls-key, too'],
    [{ tlsKey: 'key.pem' }, '--tls-key is one half of a pair: give --tls-cert, too'],
    [{ listen: [multiaddr(SECURE)] }, `--listen ${SECURE} needs a certificate: give --tls-cert and --tls-key, too`],
    [{ listen: [multiaddr(TCP)], tlsCert: 'cert.pem', tlsKey: 'key.pem' }, '--tls-cert is for addresses that end in /tls/ws, and there is none: give --listen /ip4/0.0.0.0/tcp/62651/tls/ws, too'],
    [{ listen: [multiaddr(DIRECT)], workers: 2 }, `--listen ${DIRECT} is for one process, and --workers are several: give one of them`]
  ])('that make no sense together are refused: %o', (flags, message) => {
    expect(() => { checkListening(flags) }).to.throw(message).with.property('name', 'UsageError')
  })

  it('that make sense are taken', () => {
    expect(() => { checkListening({ listen: [multiaddr(SECURE), multiaddr(TCP)], tlsCert: 'cert.pem', tlsKey: 'key.pem', workers: 2 }) }).to.not.throw()
  })

  it('with --relay are refused for several processes', async () => {
    const { code, stderr } = await run('point', '--relay', '--store', 'valkey://127.0.0.1', '--workers', '2')

    expect(code).to.equal(2)
    expect(stderr).to.deep.equal(['libp2p-rendezvous: --relay connects peers that are connected to one process, and --workers are several: give one of them'])
  })
})
