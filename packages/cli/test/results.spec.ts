import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { checkAnnounced } from '../src/addresses.ts'
import { DEFAULT_TIMEOUT, unreachable } from '../src/client-node.ts'
import { commands } from '../src/commands.ts'
import { peerTable, peerToJson, registrations } from '../src/discover.ts'
import { parseDuration } from '../src/durations.ts'
import { describe as describeError } from '../src/failures.ts'
import { flagName } from '../src/flags.ts'
import { commandHelp, programHelp } from '../src/help.ts'
import { invocation } from '../src/invocation.ts'
import { Output } from '../src/output.ts'
import { DEFAULT_LISTEN, DEFAULT_MAX_CONNECTION_RATE, DEFAULT_MAX_CONNECTIONS, forgetLeftPeers } from '../src/point.ts'
import { PointLog } from '../src/point-log.ts'
import { DEFAULT_LISTEN as DEFAULT_REGISTER_LISTEN } from '../src/register.ts'
import { DEFAULT_INTERVAL, peerLines } from '../src/watch.ts'
import { Status } from 'libp2p-rendezvous'
import type { DiscoveredPeer, DiscoverPage, DiscoverPageOptions, RendezvousPointEvents } from 'libp2p-rendezvous'

const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const NOW = Date.UTC(2030, 0, 1)

function discovered (addresses: string[], namespace = 'my-app'): DiscoveredPeer {
  return { id, namespace, point: id, ttl: 0, multiaddrs: addresses.map(text => multiaddr(text)), expires: NOW + 7_140_000, peerRecordEnvelope: new Uint8Array() }
}

describe('what is discovered', () => {
  it('is a table with a line for each address', () => {
    expect(peerTable([discovered(['/ip4/1.2.3.4/tcp/1', '/ip4/1.2.3.4/tcp/2/ws'])], false, NOW)).to.deep.equal([
      `PEER${' '.repeat(50)}EXPIRES IN  ADDRESSES`,
      `${id}  1h 59m      /ip4/1.2.3.4/tcp/1`,
      `${' '.repeat(66)}/ip4/1.2.3.4/tcp/2/ws`
    ])
  })

  it('has its namespace in front when it is of any', () => {
    expect(peerTable([discovered(['/ip4/1.2.3.4/tcp/1'], 'a\nb')], true, NOW)[1]).to.equal(`a b        ${id}  1h 59m      /ip4/1.2.3.4/tcp/1`)
  })

  it('is an object for machines, with addresses that can be dialled as they are', () => {
    const relayed = `/ip4/1.2.3.4/tcp/1/p2p/${other}/p2p-circuit`

    expect(peerToJson(discovered(['/ip4/1.2.3.4/tcp/1', `/ip4/1.2.3.4/tcp/2/p2p/${id}`, relayed]))).to.deep.equal({
      peerId: id.toString(),
      namespace: 'my-app',
      addresses: [`/ip4/1.2.3.4/tcp/1/p2p/${id}`, `/ip4/1.2.3.4/tcp/2/p2p/${id}`, `${relayed}/p2p/${id}`],
      expires: '2030-01-01T01:59:00.000Z'
    })
  })

  it('comes and goes while it is watched', () => {
    const peer = discovered(['/ip4/1.2.3.4/tcp/1'])

    expect(peerLines('found', peer, NOW).map(line => line.slice(10))).to.deep.equal([`+ ${id}  for 1h 59m`, '  /ip4/1.2.3.4/tcp/1'])
    expect(peerLines('expired', peer, NOW).map(line => line.slice(10))).to.deep.equal([`- ${id}  expired`])
  })
})

describe('what is listed page by page', () => {
  /** A point that answers with these pages, one after the other. */
  function listed (pages: DiscoverPage[], limit = Infinity): { peers: Promise<string[]>, asked: DiscoverPageOptions[] } {
    const asked: DiscoverPageOptions[] = []
    const client: Parameters<typeof registrations>[0] = {
      discover: () => { throw new Error('It lists each peer once') },
      discoverPage: async (_, options) => {
        asked.push(options)

        return pages[asked.length - 1] ?? { peers: [], cookie: Uint8Array.of(asked.length) }
      }
    }
    const listing = registrations(client, multiaddr('/ip4/1.2.3.4/tcp/1'), undefined, { limit, signal: AbortSignal.abort() })

    return { asked, peers: Array.fromAsync(listing, ({ namespace }) => namespace) }
  }

  const page = (namespaces: string[], ...cookie: number[]): DiscoverPage => ({
    peers: namespaces.map(namespace => discovered([], namespace)),
    cookie: cookie.length === 0 ? undefined : Uint8Array.from(cookie)
  })

  it('ends where there is no cookie, or the same as before', async () => {
    expect(await listed([page(['a'], 1), page(['b']), page(['c'], 2)]).peers).to.deep.equal(['a', 'b'])
    expect(await listed([page(['a'], 1), page(['b'], 2), page([], 2), page(['c'], 3)]).peers).to.deep.equal(['a', 'b'])
  })

  it('goes on behind a page that has no usable peer', async () => {
    const { peers, asked } = listed([page([], 1), page(['a'], 2), page([], 3), page(['b'], 4), page([], 4)])

    expect(await peers).to.deep.equal(['a', 'b'])
    expect(asked.map(({ cookie }) => cookie?.[0])).to.deep.equal([undefined, 1, 2, 3, 4])
  })

  it('shows as many as are wanted, each once', async () => {
    const { peers, asked } = listed([page(['a', 'a'], 1), page([], 2), page(['a', 'b', 'c', 'd'], 3)], 3)

    expect(await peers).to.deep.equal(['a', 'b', 'c'])
    expect(asked.map(({ limit }) => limit)).to.deep.equal([3, 2, 500])
  })

  it('ends although a point goes on for ever', async () => {
    const { peers, asked } = listed([])

    expect(await peers).to.deep.equal([])
    expect(asked).to.have.lengthOf(10)
  })
})

describe('why a point could not be dialled', () => {
  const point = multiaddr(`/ip4/1.2.3.4/tcp/1/p2p/${id}`)
  const named = (name: string, message = ''): Error => Object.assign(new Error(message), { name })
  const ended = 'answers, but ended the connection before the handshake was done: it may be full (--max-connections and --max-connection-rate there), or be no libp2p peer'

  it.each([
    [named('UnexpectedPeerError'), `another peer than ${id} answers at ${point}: check the peer id at its end`],
    [named('EncryptionFailedError', 'Payload identity key a does not match expected remote identity key b'), `another peer than ${id} answers at ${point}: check the peer id at its end`],
    [named('EncryptionFailedError', 'Unexpected EOF - stream closed while reading 27/72 bytes'), `${point} ${ended}`],
    [new AggregateError([named('InvalidCryptoExchangeError')]), `${point} ${ended}`],
    [new Error('outer', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) }), `${point} ${ended}`],
    [named('TimeoutError'), `${point} did not answer within 10s: check the address, or give it longer with --timeout`],
    [named('NoValidAddressesError'), `${point} cannot be dialled from here: an address with /tcp, /ws or /wss is needed`],
    [new Event('error'), `${point} cannot be reached (the connection failed): check that the point is running and that the address is right`]
  ])('%#', (err, line) => {
    expect(unreachable(point, id, err, 10_000)).to.equal(line)
  })
})

describe('addresses to announce', () => {
  it('may end in no other peer id', () => {
    const address = '/dns4/point.example.com/tcp/443/wss'

    expect(() => { checkAnnounced([multiaddr(`${address}/p2p/${other}`)], id) }).to.throw(`--announce ${address}/p2p/${other} ends in another peer id than this one's, ${id}`).with.property('name', 'UsageError')
    checkAnnounced([address, `${address}/p2p/${id}`, `/ip4/1.2.3.4/tcp/1/p2p/${other}/p2p-circuit`].map(text => multiaddr(text)), id)
  })
})

describe('the log of a point', () => {
  function logged (init: { json: boolean, verbose?: boolean, now?: () => number }, act: (log: PointLog, emit: <K extends keyof RendezvousPointEvents>(type: K, detail: RendezvousPointEvents[K]['detail']) => void) => void): string[] {
    let text = ''
    const output = new Output({ write: line => { text += line } }, { write: () => {} })
    const log = new PointLog(output, { verbose: false, now: () => NOW, ...init })
    const point = Object.assign(new TypedEventEmitter<RendezvousPointEvents>(), { protocol: '', size: { registrations: 0, namespaces: 0, peers: 0 } })
    log.follow(point)
    act(log, (type, detail) => { point.safeDispatchEvent(type, { detail } as any) })

    return text.split('\n').slice(0, -1)
  }

  const registration = { peer: id, namespace: 'my-app', expires: NOW + 7_200_000 }
  const rejection = { peer: id, namespace: 'x\u001by', status: Status.E_INVALID_TTL, statusText: 'too short' }

  it('reads like sentences', () => {
    const lines = logged({ json: false, verbose: true }, (log, emit) => {
      emit('registration:added', registration)
      emit('registration:refreshed', registration)
      emit('registration:removed', registration)
      emit('registration:expired', registration)
      emit('registration:rejected', rejection)
      emit('discover:served', { peer: id, namespace: undefined, registrations: 3 })
      emit('discover:rejected', rejection)
      log.report('stopped', 'Stopped')
    })

    expect(lines.map(line => line.slice(10))).to.deep.equal([
      `${id} registered in "my-app" for 2h`,
      `${id} renewed its registration in "my-app" for 2h`,
      `${id} unregistered from "my-app"`,
      `${id} expired in "my-app"`,
      `${id} was refused a registration in "x y": E_INVALID_TTL, too short`,
      `${id} discovered 3 in all namespaces`,
      `${id} was refused a look at "x y": E_INVALID_TTL, too short`,
      'Stopped'
    ])
  })

  it('is an object a line for machines', () => {
    const lines = logged({ json: true }, (log, emit) => {
      emit('registration:added', registration)
      emit('registration:rejected', rejection)
    })

    const time = '2030-01-01T00:00:00.000Z'
    expect(lines.map(line => JSON.parse(line))).to.deep.equal([
      { event: 'registration:added', time, peer: id.toString(), namespace: 'my-app', expires: '2030-01-01T02:00:00.000Z' },
      { event: 'registration:rejected', time, peer: id.toString(), namespace: 'x\u001by', status: 'E_INVALID_TTL', statusText: 'too short' }
    ])
  })

  it('leaves out what happens all the time', () => {
    expect(logged({ json: true }, (log, emit) => {
      emit('registration:refreshed', registration)
      emit('discover:served', { peer: id, namespace: undefined, registrations: 3 })
    })).to.deep.equal([])
  })

  it('writes no more than a hundred lines a second, and says how many are missing', () => {
    let now = NOW
    const lines = logged({ json: false, now: () => now }, (log, emit) => {
      for (let i = 0; i < 250; i++) {
        emit('registration:rejected', rejection)
      }

      now += 1_000
      emit('registration:expired', registration)
    })

    expect(lines).to.have.lengthOf(102)
    expect(lines[100]?.slice(10)).to.equal('150 lines were left out, at more than 100 in a second')
  })
})

describe('help', () => {
  it('names every command', () => {
    Object.keys(commands).forEach(name => {
      expect(programHelp(commands, 80)).to.match(new RegExp(`^  ${name}\\b`, 'm'))
    })
  })

  it.each(Object.keys(commands))('of %s explains every flag and has an example', name => {
    const command = commands[name] as typeof commands[string]
    const help = commandHelp(name, command, 80)

    for (const [key, { help: meaning }] of Object.entries(command.flags)) {
      expect(help).to.include(flagName(key))
      expect(meaning).to.not.equal('')
    }

    expect(help).to.match(new RegExp(`^  libp2p-rendezvous ${name}\\b`, 'm'))
    expect(help.slice(0, help.indexOf('Examples:')).split('\n').filter(line => line.length > 80)).to.deep.equal([])
  })
})

describe('the defaults in help', () => {
  it('are those that hold', () => {
    expect(commands.point?.flags.maxConnections?.default).to.equal(String(DEFAULT_MAX_CONNECTIONS))
    expect(commands.point?.flags.maxConnectionRate?.default).to.equal(String(DEFAULT_MAX_CONNECTION_RATE))
    expect(commands.point?.flags.listen?.default).to.equal(DEFAULT_LISTEN.join(' and '))
    expect(commands.register?.flags.listen?.default).to.equal(DEFAULT_REGISTER_LISTEN)
    expect(parseDuration(commands.watch?.flags.interval?.default ?? '')).to.equal(DEFAULT_INTERVAL)
    expect(parseDuration(commands.discover?.flags.timeout?.default ?? '')).to.equal(DEFAULT_TIMEOUT)
  })
})

describe('how to start the program again', () => {
  it.each([
    ['by name', '/usr/bin/node', '/usr/bin/libp2p-rendezvous', { program: 'libp2p-rendezvous' }],
    ['by npx', '/usr/bin/node', '/home/me/.npm/_npx/0a1b/node_modules/.bin/libp2p-rendezvous', { program: 'npx libp2p-rendezvous-cli' }],
    ['from a project or a checkout', '/src/node_modules/node/bin/node', '/src/node_modules/.bin/libp2p-rendezvous', { program: 'npx libp2p-rendezvous', directory: '/src' }],
    ['as a file', '/usr/bin/node', '/my src/packages/cli/bin/libp2p-rendezvous.js', { program: "/usr/bin/node '/my src/packages/cli/bin/libp2p-rendezvous.js'" }]
  ])('%s', (_, execPath, script, expected) => {
    expect(invocation(execPath, script)).to.deep.equal(expected)
  })
})

describe('an error in one line', () => {
  it.each([
    [new Error('one\n  two\n'), 'one two'],
    [Object.assign(new Error('connect ECONNREFUSED 1.2.3.4:5'), { code: 'ECONNREFUSED' }), 'connection refused'],
    [new AggregateError([new Error('inner')], 'outer'), 'inner'],
    [new Error('outer', { cause: new Error('inner') }), 'inner'],
    [new TypeError(''), 'TypeError'],
    ['text', 'text'],
    [Object.assign(new Event('error'), { error: new Error('inner'), message: '' }), 'inner'],
    [Object.assign(new Event('error'), { error: undefined, message: 'words' }), 'words'],
    [Object.assign(new Event('error'), { error: new TypeError(''), message: '' }), 'the connection failed'],
    [new Event('error'), 'the connection failed']
  ])('%#', (err, line) => {
    expect(describeError(err)).to.equal(line)
  })
})

describe('what a point remembers of peers that have left', () => {
  it('is dropped', async () => {
    const gone = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const { peerStore } = await createLibp2p({ start: false })
    await peerStore.patch(id, { protocols: ['/a'] })
    await peerStore.patch(gone, { protocols: ['/a'] })
    await forgetLeftPeers({ peerStore, getPeers: () => [id] })

    expect((await peerStore.all()).map(peer => peer.id.toString())).to.deep.equal([id.toString()])
  })
})
