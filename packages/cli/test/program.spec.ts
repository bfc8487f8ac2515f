import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { Key } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { rendezvousClient } from 'libp2p-rendezvous'
import { openDataDirectory } from '../src/data-directory.ts'
import { build, endPrograms, PATIENCE, Program, ROOT, run } from './program.ts'
import type { RendezvousClient, RendezvousClientInit } from 'libp2p-rendezvous'
import type { Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import type { AddressInfo, Server } from 'node:net'

const TCP = '/ip4/127.0.0.1/tcp/0'
const WS = '/ip4/127.0.0.1/tcp/0/ws'

let directory: string
const nodes: Libp2p[] = []
const servers: Server[] = []

beforeAll(build, 60_000)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rendezvous-program-'))
})

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async node => node.stop()))
  servers.splice(0).forEach(server => { server.close() })
  await endPrograms()
  await rm(directory, { recursive: true, force: true })
})

/** A point that keeps its data, ready for use. */
async function startPoint (...args: string[]): Promise<{ point: Program, ready: any, overTcp: string, overWebSocket: string }> {
  const point = new Program(['point', '--json', '--listen', TCP, '--listen', WS, '--data', join(directory, 'point'), ...args])
  const ready = await point.event()

  return {
    point,
    ready,
    overTcp: ready.addresses.find((address: string) => !address.includes('/ws')),
    overWebSocket: ready.addresses.find((address: string) => address.includes('/ws/'))
  }
}

/** A peer that is registered and has said that it is live, and the point has heard it. */
async function startLive (point: string): Promise<{ register: Program, peerId: string }> {
  vi.stubEnv('DEBUG', 'libp2p:rendezvous:*')
  const register = new Program(['register', point, 'my-app'])
  vi.unstubAllEnvs()
  const { peerId } = await register.event()
  await expect.poll(() => register.stderr, { timeout: PATIENCE }).toMatch(/has \d registrations of this node/)

  return { register, peerId }
}

/** A node of its own that uses that point. */
async function startNode (point: string, options: Libp2pOptions = {}, init: RendezvousClientInit = {}): Promise<Libp2p<{ rendezvous: RendezvousClient }>> {
  const node = await createLibp2p({
    ...options,
    addresses: { listen: [TCP] },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), rendezvous: rendezvousClient({ points: [point], ...init }) }
  })
  nodes.push(node)

  return node
}

describe('the point', () => {
  it('serves peers over TCP and WebSocket, health and metrics over HTTP, and ends when it is asked to', async () => {
    const { point, ready, overTcp, overWebSocket } = await startPoint('--http', '127.0.0.1:0')

    expect(ready).to.have.property('event', 'ready')
    expect(ready.addresses).to.have.lengthOf(2)
    expect(ready.addresses.every((address: string) => address.endsWith(`/p2p/${ready.peerId}`))).to.equal(true)
    expect(await (await fetch(`${ready.http}/healthz`)).text()).to.equal('ok\n')

    const registrant = await startNode(overTcp)
    const searcher = await startNode(overWebSocket)
    const [registration] = await registrant.services.rendezvous.register('my-app')
    expect(registration).to.have.property('ttl', 7_200_000)
    expect(await point.event()).to.include({ event: 'registration:added', peer: registrant.peerId.toString(), namespace: 'my-app' })

    const found = await Array.fromAsync(searcher.services.rendezvous.discover('my-app'))
    expect(found.map(({ id }) => id.toString())).to.deep.equal([registrant.peerId.toString()])
    expect(found[0]?.multiaddrs.map(String)).to.deep.equal(registrant.getMultiaddrs().map(address => String(address.decapsulate('/p2p'))))

    const metrics = await (await fetch(`${ready.http}/metrics`)).text()
    expect(metrics).to.match(/^libp2p_rendezvous_point_registrations 1$/m)
    expect(metrics).to.match(/^libp2p_rendezvous_point_outcomes_total{outcome="registration:added"} 1$/m)
    expect(metrics).to.match(/^nodejs_eventloop_lag_p99_seconds [\d.]+$/m)
    expect((await fetch(`${ready.http}/nothing`)).status).to.equal(404)
    expect((await fetch(`${ready.http}/metrics`, { method: 'POST' })).status).to.equal(405)

    const { code, took } = await point.end('SIGTERM')
    expect(code).to.equal(0)
    expect(took).to.be.below(5_000)
    expect(point.stderr).to.equal('')
  })

  it('has the same peer id and the same registrations after it was killed', async () => {
    const before = await startPoint()
    const registrant = await startNode(before.overTcp)
    const [registration] = await registrant.services.rendezvous.register('my-app')
    await before.point.end('SIGKILL')

    const after = await startPoint()
    expect(after.ready.peerId).to.equal(before.ready.peerId)

    const searcher = await startNode(after.overTcp)
    const found = await Array.fromAsync(searcher.services.rendezvous.discover('my-app'))
    expect(found.map(({ id }) => id.toString())).to.deep.equal([registrant.peerId.toString()])
    // the wire has whole seconds, rounded up
    expect(found[0]?.expires).to.be.within(Number(registration?.expires) - 5_000, Number(registration?.expires) + 5_000)
  })

  it('lists to a peer of rust-libp2p only what it can read', async () => {
    const { overTcp } = await startPoint()
    const registrant = await startNode(overTcp, {}, { bothForms: false })
    await registrant.services.rendezvous.register('my-app')
    // as its client asks, which does not say that it reads both forms
    const listedTo = async (node: Libp2p): Promise<number> => {
      const stream = lpStream(await (await node.dial(multiaddr(overTcp))).newStream('/rendezvous/1.0.0'))
      await stream.write(Uint8Array.of(0x08, 3, 0x2a, 8, 0x0a, 6, ...new TextEncoder().encode('my-app')))

      return new TextDecoder('latin1').decode((await stream.read()).subarray()).split('my-app').length - 2
    }

    expect(await listedTo(await startNode(overTcp, { nodeInfo: { userAgent: 'go-libp2p/0.41.0' } }))).to.equal(1)
    expect(await listedTo(await startNode(overTcp, { nodeInfo: { userAgent: 'rust-libp2p/0.57.1' } }))).to.equal(0)
  })

  it('keeps nothing in memory', async () => {
    const point = new Program(['point', '--json', '--memory', '--listen', TCP])
    const { peerId } = await point.event()
    await point.end('SIGKILL')
    const again = new Program(['point', '--json', '--memory', '--listen', TCP])

    expect((await again.event()).peerId).to.not.equal(peerId)
  })

  it('takes its limits and lifetimes from flags', async () => {
    const { point, overTcp } = await startPoint('--min-ttl', '30s', '--default-ttl', '30s', '--max-ttl', '1m', '--max-registrations-per-peer', '1')
    const { rendezvous } = (await startNode(overTcp)).services

    await expect(rendezvous.register('a', { ttl: 7_200_000 })).rejects.toThrow('a TTL of 30 to 60 seconds is accepted')
    expect((await rendezvous.register('a', { ttl: 30_000 }))[0]?.ttl).to.equal(30_000)
    await expect(rendezvous.register('b', { ttl: 30_000 })).rejects.toThrow('maxRegistrationsPerPeer (1) is reached')
    expect(await point.until('registration:rejected')).to.include({ status: 'E_INVALID_TTL' })
  })

  it('reads well', async () => {
    const point = new Program(['point', '--memory', '--listen', TCP, '--announce', '/dns4/point.example.com/tcp/443/wss'])
    let text = ''

    while (!text.includes('Ctrl-C ends it')) {
      text += `${await point.line()}\n`
    }

    expect(text).to.match(/clients:\n\n {2}\/dns4\/point\.example\.com\/tcp\/443\/wss\/p2p\/\w+\n\n/)
    expect(text).to.match(/^This is a rendezvous point\.\n\n {2}Peer id {2}12D3\w+\n {2}Data {5}in memory/)

    // what it proposes works as it stands
    const [, where = ''] = /^Try it from another terminal, in (.*):$/m.exec(text) ?? []
    const proposal = text.split('\n').find(line => line.includes(' discover ')) ?? ''
    const { status, stderr } = spawnSync('sh', ['-c', proposal], { cwd: where, encoding: 'utf8' })
    expect(status, stderr).to.equal(0)
    expect(stderr).to.include('Nobody is registered under "my-app"\n')
  })

  it('ends in time although a connection does not, and at once when it is asked twice', async () => {
    const patient = await startPoint('--data', join(directory, 'patient'))
    const pressed = await startPoint('--data', join(directory, 'pressed'))
    // an HTTP server that waits for the first byte does not close
    const sockets = await Promise.all([patient, pressed].map(async ({ overWebSocket }) => new Promise<{ destroy: () => void }>(resolve => {
      const socket = connect(Number(overWebSocket.split('/')[4]), '127.0.0.1', () => { resolve(socket) })
      socket.on('error', () => {})
    })))

    const inTime = patient.point.end('SIGTERM')
    pressed.point.signal('SIGINT')
    expect(await pressed.point.until('stopping')).to.have.property('message')
    const atOnce = await pressed.point.end('SIGINT')

    expect(atOnce.code).to.be.oneOf([0, 130])
    expect(atOnce.took).to.be.below(1_000)
    expect((await inTime).code).to.equal(0)
    expect((await inTime).took).to.be.below(5_000)
    sockets.forEach(socket => { socket.destroy() })
  })
})

describe('what is in the way of a point', () => {
  it('is told of in one line, with exit code 1', async () => {
    const { overTcp, ready } = await startPoint('--http', '127.0.0.1:0')
    const port = overTcp.split('/')[4]
    const httpPort = new URL(ready.http).port
    await writeFile(join(directory, 'thesis.txt'), '')
    const other = join(directory, 'other')

    for (const [args, line] of [
      [['--listen', `/ip4/127.0.0.1/tcp/${port}`, '--data', other], `port ${port} is taken by another program: stop that one, or choose another port with --listen MULTIADDR`],
      [['--listen', `/ip4/127.0.0.1/tcp/${port}/ws`, '--data', other], `port ${port} is taken by another program: stop that one, or choose another port with --listen MULTIADDR`],
      [['--listen', TCP, '--data', other, '--http', `127.0.0.1:${httpPort}`], `port ${httpPort} is taken by another program: stop that one, or choose another port with --http [HOST:]PORT`],
      [['--listen', TCP, '--data', join(directory, 'point')], `the data directory ${join(directory, 'point')} is in use by another process: stop that one, or choose another directory with --data DIR`],
      [['--listen', TCP, '--data', directory], `the directory ${directory} holds something else: choose an empty one, or a new one, with --data DIR`],
      [['--listen', TCP, '--data', join(directory, 'thesis.txt')], `the data directory ${join(directory, 'thesis.txt')} is not a directory: choose another with --data DIR`],
      [['--listen', '/ip4/203.0.113.7/tcp/0', '--data', other], '203.0.113.7 is not an address of this machine: choose another with --listen MULTIADDR']
    ] as Array<[string[], string]>) {
      expect(await run('point', ...args)).to.deep.equal({ code: 1, stdout: [], stderr: [`libp2p-rendezvous: ${line}`] })
    }
  })

  it('is an identity that is none', async () => {
    const point = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'
    await writeFile(join(directory, 'thesis.txt'), 'not a key')

    for (const [args, line] of [
      [['id', '--identity', directory], `${directory} is a directory: name a file with --identity`],
      [['id', '--identity', join(directory, 'thesis.txt', 'below')], `${join(directory, 'thesis.txt', 'below')} is below something that is no directory: name a file with --identity`],
      [['register', point, 'my-app', '--identity', join(directory, 'thesis.txt')], `${join(directory, 'thesis.txt')} is not a libp2p private key: choose another file with --identity`]
    ] as Array<[string[], string]>) {
      expect(await run(...args)).to.deep.equal({ code: 1, stdout: [], stderr: [`libp2p-rendezvous: ${line}`] })
    }
  })
})

describe('a point whose identity is lost', () => {
  it('says that it has a new one', async () => {
    const before = await startPoint()
    await before.point.end('SIGTERM')
    expect(before.point.stderr).to.equal('')
    const data = join(directory, 'point')
    await rm(join(data, 'identity.key'))

    const after = await startPoint()
    await after.point.end('SIGTERM')
    expect(after.ready.peerId).to.not.equal(before.ready.peerId)
    expect(after.point.stderr).to.equal(`There are registrations in ${data} but no identity.key, so a new identity was made: if clients know the old one, restore identity.key from a backup\n`)
  })
})

describe('a point whose key others can read', () => {
  it('says what to type', async () => {
    const before = await startPoint()
    await before.point.end('SIGTERM')
    const file = join(directory, 'point', 'identity.key')
    await chmod(file, 0o644)
    const note = `The private key in ${file} can be read by other users of this machine: chmod 600 ${file}\n`

    const after = await startPoint()
    await after.point.end('SIGTERM')
    expect(after.point.stderr).to.equal(note)
    const register = new Program(['register', before.overTcp, 'my-app', '--identity', file])
    await register.ended()
    expect(register.stderr).to.include(note)
  })
})

describe('a point whose database is damaged', () => {
  it('says what to type, and goes on with what could be read', async () => {
    const before = await startPoint()
    await (await startNode(before.overTcp)).services.rendezvous.register('my-app')
    await before.point.end('SIGTERM')
    const data = join(directory, 'point')
    await rm(join(data, 'registrations', 'CURRENT'))

    const { code, stderr } = await run('point', '--data', data, '--listen', TCP)
    expect(code).to.equal(1)
    expect(stderr).to.deep.equal([`libp2p-rendezvous: the database in ${data} is damaged: npx libp2p-rendezvous salvage --data ${data} keeps what can be read of it`])

    const salvage = await run('salvage', '--data', data)
    const backup = join(data, (await readdir(data)).find(name => name.startsWith('registrations.')) ?? '')
    expect(salvage.stdout.map(line => JSON.parse(line))).to.deep.equal([{ path: data, registrations: 1, damaged: 0, backup }])
    expect(salvage.code).to.equal(0)

    const after = await startPoint()
    expect(after.ready.peerId).to.equal(before.ready.peerId)
    expect((await run('discover', after.overTcp, 'my-app')).stdout).to.have.lengthOf(1)
  })
})

describe('a point with a registration that is not as it was written', () => {
  it('leaves it out, and says what to type', async () => {
    const data = join(directory, 'point')
    const opened = await openDataDirectory(data)
    await opened.datastore.put(new Key('/rendezvous/registrations/x@y'), Uint8Array.of(1, 2, 3))
    await opened.close()
    const { point } = await startPoint()
    await point.end('SIGTERM')

    expect(point.stderr).to.equal(`1 damaged registration in ${data} was left out; when the point is stopped, this clears it up: npx libp2p-rendezvous salvage --data ${data}\n`)
  })
})

describe('the demo', () => {
  it('shows every step of the protocol', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'packages/cli/dist/demo.js')], { encoding: 'utf8' })

    expect(status, stderr).to.equal(0)
    expect(stdout.match(/^\d\. /gm)).to.have.lengthOf(7)
    expect(stdout).to.match(/Zoe {4}and after that: Carol, Dave$/m)
    expect(stdout).to.match(/Alice {2}InvalidTtlError: \S/)
  })
})

describe('another start', () => {
  it('leaves what a program uses as it is', async () => {
    const built = async (): Promise<string[]> => Promise.all(['dist', 'packages/cli/dist'].flatMap(path => {
      return readdirSync(join(ROOT, path), { recursive: true, encoding: 'utf8' }).map(async name => {
        const { mtimeMs, ino } = await stat(join(ROOT, path, name))

        return `${path}/${name} ${ino} ${mtimeMs}`
      })
    }))
    const before = await built()
    const { status, stderr } = spawnSync('npm', ['run', 'build', '--silent'], { cwd: ROOT, encoding: 'utf8' })

    expect(status, stderr).to.equal(0)
    expect(await built()).to.deep.equal(before)
  })
})

describe('a command line that makes no sense', () => {
  const point = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'

  it('is answered in one line, with exit code 2', async () => {
    const results = await Promise.all([
      ['serve'],
      ['point', '--port', '1'],
      ['point', '--namespaces', '1'],
      ['point', '--verbos'],
      ['point', '--min-ttl', '2'],
      ['point', '--memory', '--data', 'x'],
      ['point', '--memory', '--listen', TCP, '--max-namespace-length', '300'],
      ['discover'],
      ['discover', 'nonsense'],
      ['watch', point],
      ['register', point, 'a', 'b'],
      ['point', '--memory', '--listen', TCP, '--verbose', '--quiet'],
      ['point', '--memory', '--listen', TCP, '--default-ttl', '1h'],
      ['point', '--memory', '--listen', '/dns4/localhost/tcp/5000'],
      ['point', '--memory', '--announce', '/dns4/point.example.com'],
      ['register', point, 'my-app', '--announce', '/ip4/203.0.113.7'],
      ['point', '--memory', '--listen', '/ip4/127.0.0.1/tcp/62650', '--listen', '/ip4/0.0.0.0/tcp/62650/ws'],
      ['discover', point, ''],
      ['watch', point, ''],
      ['register', point, 'x'.repeat(256)]
    ].map(async args => run(...args)))

    expect(results.map(({ stderr }) => stderr.map(line => line.replace('libp2p-rendezvous: ', '')))).to.deep.equal([
      ["unknown command 'serve': there are point, discover, watch, register, id, network, admin, salvage"],
      ["unknown option '--port'; see npx libp2p-rendezvous point --help"],
      ["unknown option '--namespaces' (Did you mean --max-namespaces?); see npx libp2p-rendezvous point --help"],
      ["unknown option '--verbos' (Did you mean --verbose?); see npx libp2p-rendezvous point --help"],
      ['--min-ttl takes a duration with its unit, as in 30s, 90m, 2h or 3d, not "2"'],
      ['--memory keeps nothing, and --data says where to keep it: give one of them'],
      ['--max-namespace-length must be at most 255, or cookies would not fit'],
      ["missing required argument 'POINT'; see npx libp2p-rendezvous discover --help"],
      ['POINT takes an address that ends in /p2p/ and the point\'s peer id, as the point shows it when it starts, not "nonsense"'],
      ["missing required argument 'NAMESPACE'; see npx libp2p-rendezvous watch --help"],
      ["too many arguments for 'register'. Expected 2 arguments but got 3; see npx libp2p-rendezvous register --help"],
      ['--verbose shows more, and --quiet shows less: give one of them'],
      ['--default-ttl (1h) is shorter than --min-ttl (2h): give --min-ttl 1h, too'],
      ['--listen takes an address of this machine with a port, as in /ip4/0.0.0.0/tcp/62649, /ip4/0.0.0.0/tcp/62650/ws, /ip4/0.0.0.0/tcp/443/tls/ws or /ip4/0.0.0.0/udp/62651/webrtc-direct, not "/dns4/localhost/tcp/5000"'],
      ['--announce takes an address with a transport and its port, as in /ip4/203.0.113.7/tcp/62649 or /dns4/rendezvous.example.com/tcp/443/wss, not "/dns4/point.example.com"'],
      ['--announce takes an address with a transport and its port, as in /ip4/203.0.113.7/tcp/62649 or /dns4/rendezvous.example.com/tcp/443/wss, not "/ip4/203.0.113.7"'],
      ['port 62650 is given twice with --listen: each address needs a port of its own'],
      ['NAMESPACE is empty: leave it out for all of them'],
      ['NAMESPACE is empty: a name is needed'],
      ['NAMESPACE has 256 bytes of UTF-8: choose one of at most 255']
    ])

    for (const { code, stdout } of results) {
      expect(code).to.equal(2)
      expect(stdout).to.deep.equal([])
    }
  })

  it('is one that announces another peer', async () => {
    const elsewhere = `/dns4/point.example.com/tcp/443/wss/${point.slice(point.indexOf('p2p'))}`

    for (const args of [['point', '--memory', '--listen', TCP], ['register', point, 'my-app']]) {
      const { code, stdout, stderr } = await run(...args, '--announce', elsewhere)

      expect(stderr).toEqual([expect.stringMatching(/^libp2p-rendezvous: --announce \S+ ends in another peer id than this one's, \w+: leave out \/p2p\/ and what follows$/)])
      expect(stdout).to.deep.equal([])
      expect(code).to.equal(2)
    }
  })

  it('has help', async () => {
    expect((await run('--help')).code).to.equal(0)
    expect((await run('point', '--help')).stdout.slice(0, 3)).to.deep.equal(['Usage: npx libp2p-rendezvous point [options]', '', 'Run a rendezvous point until Ctrl-C.'])
    expect((await run('help', 'point')).stdout).to.deep.equal((await run('point', '-h')).stdout)
    for (const flag of ['--version', '-v', '-V']) {
      expect((await run(flag)).stdout).to.deep.equal(['0.1.0'])
    }

    expect((await run()).code).to.equal(2)
    expect((await run('help', 'serve')).stderr).to.deep.equal(["libp2p-rendezvous: unknown command 'serve': there are point, discover, watch, register, id, network, admin, salvage"])
  })

  it('shows where an error comes from when it is asked to', async () => {
    const { stderr } = await run('point', '--min-ttl', '2', '--debug')

    expect(stderr.length).to.be.above(2)
    expect(stderr[2]).to.match(/^ +at /)
  })
})

describe('the other commands', () => {
  it('register, discover, watch and tell the id', async () => {
    const { point, ready, overTcp, overWebSocket } = await startPoint('--min-ttl', '1s', '--default-ttl', '1s')
    const watch = new Program(['watch', overTcp, 'my-app', '--interval', '200ms'])
    const register = new Program(['register', overWebSocket, 'my-app', '--ttl', '1h'])
    const registered = await register.event()

    expect(registered).to.include({ event: 'registered', namespace: 'my-app', point: ready.peerId })
    expect(await watch.event()).to.include({ event: 'found', peerId: registered.peerId, namespace: 'my-app' })

    const discovered = await run('discover', overWebSocket, 'my-app')
    expect(discovered.code).to.equal(0)
    expect(discovered.stdout.map(line => JSON.parse(line))).to.deep.equal([{
      peerId: registered.peerId,
      namespace: 'my-app',
      addresses: registered.addresses,
      expires: JSON.parse(discovered.stdout[0] ?? '').expires
    }])
    expect(discovered.stderr).to.deep.equal([`Connecting to ${overWebSocket}`, `Asking ${overWebSocket}`])
    expect((await run('discover', overTcp)).stdout.map(line => JSON.parse(line).namespace)).to.deep.equal(['my-app'])

    expect(await register.end('SIGINT')).to.include({ code: 0 })
    expect(await point.until('registration:removed')).to.include({ peer: registered.peerId })
    expect(await watch.end('SIGTERM')).to.include({ code: 0 })

    expect((await run('id', '--data', join(directory, 'point'))).stdout.map(line => JSON.parse(line))).to.deep.equal([
      { peerId: ready.peerId, path: join(directory, 'point'), isNew: false }
    ])
  })

  it.each([
    [[], ['/libp2p/routing-state-record', 'other']],
    [['--record-domain', 'libp2p-routing-state'], ['/libp2p/routing-state-record', 'first']]
  ])('sign the record in both forms, and first in the one that they are told %j', async (flags, [payloadType = '', where]) => {
    const node = await createLibp2p({ addresses: { listen: [TCP] }, transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()], services: { identify: identify() } })
    nodes.push(node)
    const asked = Promise.withResolvers<Buffer>()
    await node.handle('/rendezvous/1.0.0', stream => { stream.addEventListener('message', ({ data }) => { asked.resolve(Buffer.from(data.subarray())) }) })
    const register = new Program(['register', String(node.getMultiaddrs()[0]), 'my-app', '--announce', '/ip4/203.0.113.7/tcp/1', ...flags])
    const request = await asked.promise

    // the second record comes after the first, whose own peer record's type is two bytes
    expect(request.indexOf(payloadType)).to.be.above(0)
    expect(request.indexOf(payloadType) < request.indexOf(Buffer.from([0x12, 2, 3, 1])) ? 'first' : 'other').to.equal(where)
    await register.end('SIGINT')
  })

  // neither the interval nor the end of a lifetime is in sight
  it('show peers that come, that leave, and that are killed, as it happens', async () => {
    const { ready, overTcp } = await startPoint('--presence-grace', '1s', '--http', '127.0.0.1:0')
    const watch = new Program(['watch', overTcp, 'my-app', '--interval', '1h'])
    await expect.poll(() => watch.stderr, { timeout: PATIENCE }).toContain('Watching "my-app"; Ctrl-C ends it')
    const metric = async (name: string): Promise<number> => Number(new RegExp(`^libp2p_rendezvous_point_${name} (\\d+)$`, 'm').exec(await (await fetch(`${ready.http}/metrics`)).text())?.[1])
    await expect.poll(async () => metric('subscriptions'), { timeout: PATIENCE }).toBe(1)

    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const { register, peerId } = await startLive(overTcp)
      expect(await watch.event()).to.include({ event: 'found', peerId })
      await register.end(signal)
      expect(await watch.event()).to.include({ event: 'expired', peerId, namespace: 'my-app' })
    }

    expect(await metric('wake_ups_total')).to.be.at.least(4)
    expect(await metric('updates_total')).to.be.at.least(5)
    expect(await metric('update_bytes_total')).to.be.above(0)
    expect(await watch.end('SIGINT')).to.include({ code: 0 })
  })

  it('show peers that fall silent, when they are taken for gone', async () => {
    const { overWebSocket } = await startPoint('--presence-grace', '1s')
    const watch = new Program(['watch', overWebSocket, 'my-app', '--interval', '1h'])
    const { register, peerId } = await startLive(overWebSocket)
    expect(await watch.event()).to.include({ event: 'found', peerId })
    // as silent as a laptop that was closed: what is sent to it arrives, and nobody reads it
    register.signal('SIGSTOP')

    expect(await watch.event()).to.include({ event: 'expired', peerId, namespace: 'my-app' })
  }, 3 * PATIENCE)

  it('renew a registration that a point has lost, and use the identity they are given', async () => {
    const { point, overTcp } = await startPoint()
    const identity = join(directory, 'node.key')
    const { peerId } = JSON.parse((await run('id', '--identity', identity)).stdout[0] ?? '')
    const register = new Program(['register', overTcp, 'my-app', '--identity', identity, '--announce', '/dns4/node.example.com/tcp/4001'])

    const registered = await register.event()
    expect(registered).to.include({ event: 'registered', peerId })
    expect(registered.addresses).to.deep.equal([`/dns4/node.example.com/tcp/4001/p2p/${peerId}`])

    await point.end('SIGKILL')
    await rm(join(directory, 'point', 'registrations'), { recursive: true })
    const again = new Program(['point', '--json', '--listen', overTcp.replace(/\/p2p\/.*/, ''), '--data', join(directory, 'point')])
    await again.event()
    expect(await register.event()).to.include({ event: 'renewed', peerId })
  })

  it.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('tell by their exit code that %s kept them from a result', async (signal, code) => {
    const mute = `/ip4/127.0.0.1/tcp/${await strangerPort()}/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8`
    const discover = new Program(['discover', mute, 'my-app'])
    await expect.poll(() => discover.stderr, { timeout: PATIENCE }).toContain('Connecting')

    expect(await discover.end(signal)).to.include({ code })
  })

  it('say in one line, with exit code 1, why a point cannot be used', async () => {
    const { overTcp } = await startPoint()
    const port = await freePort()
    const stranger = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
    const nowhere = `/ip4/127.0.0.1/tcp/${port}/p2p/${stranger}`
    const unknown = `/dns4/nowhere.invalid/tcp/${port}/p2p/${stranger}`
    const elsewhere = overTcp.replace(/[^/]+$/, stranger)
    const [address] = (await startNode(overTcp)).getMultiaddrs()
    const notWebSocket = overTcp.replace('/p2p/', '/ws/p2p/')
    const ended = 'answers, but ended the connection before the handshake was done: it may be full (--max-connections and --max-connection-rate there), or be no libp2p peer'
    const stranded = `/ip4/127.0.0.1/tcp/${await strangerPort('HTTP/1.1 400 Bad Request\r\n\r\n')}/p2p/${stranger}`
    const { overTcp: full } = await startPoint('--max-connections', '1', '--data', join(directory, 'full'))
    await (await startNode(full)).dial(multiaddr(full))

    for (const [args, line] of [
      [['discover', nowhere], `${nowhere} cannot be reached (connection refused): check that the point is running and that the address is right`],
      [['discover', unknown], `there is no host nowhere.invalid: check the name in ${unknown}`],
      [['discover', unknown.replace('/p2p/', '/ws/p2p/')], `there is no host nowhere.invalid: check the name in ${unknown.replace('/p2p/', '/ws/p2p/')}`],
      [['watch', elsewhere, 'my-app'], `another peer than ${stranger} answers at ${elsewhere}: check the peer id at its end`],
      [['discover', stranded], `${stranded} ${ended}`],
      [['discover', full], `${full} ${ended}`],
      [['discover', notWebSocket], /^\S+\/ws\S+ cannot be reached \((the connection failed|[\w. -]+)\): check that the point is running and that the address is right$/],
      [['discover', String(address)], 'that peer is no rendezvous point, or speaks another protocol than --protocol says'],
      [['watch', String(address), 'my-app'], 'that peer is no rendezvous point, or speaks another protocol than --protocol says'],
      [['register', String(address), 'my-app'], 'that peer is no rendezvous point, or speaks another protocol than --protocol says'],
      [['register', overTcp, 'my-app', '--ttl', '1h'], 'the point refuses a lifetime of 1h (it accepts 2h to 3d): choose another with --ttl']
    ] as Array<[string[], string | RegExp]>) {
      const { code, stdout, stderr } = await run(...args)
      const complaints = stderr.filter(text => text.startsWith('libp2p-rendezvous: ')).map(text => text.slice(19))

      expect(complaints).toEqual(line instanceof RegExp ? [expect.stringMatching(line)] : [line])
      expect(stdout).to.deep.equal([])
      expect(code).to.equal(1)
    }
  })
})

describe('on a Node that is too old', () => {
  it('says so in one line', async () => {
    const pretend = "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})"
    const program = new Program(['point'], ['--import', pretend])

    expect(await program.ended()).to.equal(1)
    expect(program.stderr).to.equal('libp2p-rendezvous needs Node.js 22 or newer, and this is 20.20.2: install a newer one from https://nodejs.org\n')
  })
})

/** The port of a server that speaks something else, or nothing at all. */
async function strangerPort (words?: string): Promise<number> {
  const server = createServer(socket => {
    socket.on('error', () => {})

    if (words != null) {
      socket.end(words)
    }
  })
  servers.push(server)
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })

  return (server.address() as AddressInfo).port
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })

  return port
}
