import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkAnnounced, discoverFilter } from '../src/addresses.ts'
import { DEFAULT_TIMEOUT, unreachable, watchConnection } from '../src/client-node.ts'
import { commandLine, commands } from '../src/commands.ts'
import { peerTable, peerToJson, registrations } from '../src/discover.ts'
import { parseDuration } from '../src/durations.ts'
import { describe as describeError } from '../src/failures.ts'
import { flagName } from '../src/flags.ts'
import { invocation, PROGRAM } from '../src/invocation.ts'
import { listenOn } from '../src/listening.ts'
import { Output } from '../src/output.ts'
import { PointLog } from '../src/point-log.ts'
import { clientCommands, forgetLeftPeers, isServing } from '../src/point-node.ts'
import { DEFAULT_LISTEN as DEFAULT_REGISTER_LISTEN, DEFAULT_TTL, notRenewed, refusedTtl } from '../src/register.ts'
import { DEFAULT_INTERVAL, peerLines } from '../src/watch.ts'
import { Status } from 'libp2p-rendezvous'
import type { PointLogInit } from '../src/point-log.ts'
import type { DiscoveredPeer, DiscoverPage, DiscoverPageOptions, RendezvousPointEvents } from 'libp2p-rendezvous'
import type { Libp2p } from '@libp2p/interface'

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

  it('has no address that does something to a terminal', () => {
    const evil = { ...discovered([]), multiaddrs: [multiaddr(Uint8Array.from([0x36, 9, ...new TextEncoder().encode('a\u001b[2J\u2028b')]))] }

    for (const text of [peerTable([evil], false, NOW)[1], peerLines('found', evil, NOW)[1], JSON.stringify(peerToJson(evil))]) {
      expect(text).to.match(/dns4\/a.*b/)
      expect(text).to.not.match(/[\p{Cc}\u2028]|\\u/u)
    }
  })

  it('is shown with its private addresses where that is asked for', () => {
    const [isPublic, all] = [discoverFilter({}), discoverFilter({ allAddresses: true })].map(({ discoverFilter }) => discoverFilter)
    const address = multiaddr('/ip4/192.168.0.1/tcp/1')

    expect(isPublic?.(address, multiaddr('/ip4/1.2.3.4/tcp/1'))).to.equal(false)
    expect(isPublic?.(address, multiaddr('/ip4/127.0.0.1/tcp/1'))).to.equal(true)
    expect(all?.(address, multiaddr('/ip4/1.2.3.4/tcp/1'))).to.equal(true)
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

describe('a lost connection', () => {
  const dialled = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${id}`)

  function watched ({ isThere = true } = {}) {
    const notes: string[] = []
    const node = Object.assign(new TypedEventEmitter<any>(), {
      status: 'started' as Libp2p['status'],
      dials: 0,
      dial: async () => {
        node.dials++

        if (!isThere) {
          throw new Error('nobody there')
        }

        make()
      }
    })
    const make = (): void => { node.safeDispatchEvent('peer:connect', { detail: id }) }
    watchConnection(node as any, dialled, note => notes.push(note))

    return { notes, node, make, lose: (peer = id) => { node.safeDispatchEvent('peer:disconnect', { detail: peer }) } }
  }

  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('is nothing to tell of when it comes back', async () => {
    const { notes, node, lose, make } = watched()

    for (let i = 0; i < 3; i++) {
      lose()
      await vi.advanceTimersByTimeAsync(4_000)
      make()
      await vi.advanceTimersByTimeAsync(10_000)
    }

    expect(notes).to.deep.equal([])
    expect(node.dials).to.equal(0)
  })

  it('is nothing to tell of where the point is there and closes what is idle, and less and less often a reason to look', async () => {
    const { notes, node, lose } = watched()
    node.addEventListener('peer:connect', () => { setTimeout(lose, 10_000) })
    lose()
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    expect(node.dials).to.equal(6)
    await vi.advanceTimersByTimeAsync(60 * 60_000)

    expect(notes).to.deep.equal([])
    expect(node.dials).to.be.lessThan(6 + 13)
  })

  it('is told of when the point is away, and so is its return', async () => {
    const { notes, lose, make } = watched({ isThere: false })
    lose()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(notes).to.deep.equal(['The connection to the point is lost; it is tried again'])
    make()
    make()
    expect(notes.slice(1)).to.deep.equal(['The connection to the point is back'])
  })

  it('is told of soon when it had been held for long, however often it was lost before', async () => {
    const { notes, node, lose, make } = watched()

    for (let i = 0; i < 5; i++) {
      lose()
      await vi.advanceTimersByTimeAsync(300_000)
    }

    make()
    await vi.advanceTimersByTimeAsync(60_000)
    node.dial = async () => { throw new Error('nobody there') }
    lose()
    await vi.advanceTimersByTimeAsync(5_000)

    expect(notes).to.have.length(1)
  })

  it("is nothing to tell of when it is another peer's, or when the program ends", async () => {
    const { notes, lose, node } = watched({ isThere: false })
    lose(other)
    await vi.advanceTimersByTimeAsync(60_000)
    lose()
    node.status = 'stopping'
    await vi.advanceTimersByTimeAsync(60_000)
    expect(notes).to.deep.equal([])
    expect(node.dials).to.equal(0)
  })
})

describe('addresses to announce', () => {
  it('may end in no other peer id', () => {
    const address = '/dns4/point.example.com/tcp/443/wss'

    expect(() => { checkAnnounced([multiaddr(`${address}/p2p/${other}`)], id) }).to.throw(`--announce ${address}/p2p/${other} ends in another peer id than this one's, ${id}`).with.property('name', 'UsageError')
    checkAnnounced([address, `${address}/p2p/${id}`, `/ip4/1.2.3.4/tcp/1/p2p/${other}/p2p-circuit`].map(text => multiaddr(text)), id)
  })
})

describe('a point is healthy', () => {
  it.each([
    ['while it serves', 'started', false, false, true],
    ['not while it starts', 'starting', false, false, false],
    ['not when it has been told to stop', 'started', false, true, false],
    ['not while its store is behind', 'started', true, false, false]
  ] as const)('%s', (_, status, isBehind, isStopping, healthy) => {
    expect(isServing({ status, services: { rendezvousPoint: { isBehind } } }, isStopping ? AbortSignal.abort() : new AbortController().signal)).to.equal(healthy)
  })

  it('not before there is a node', () => {
    expect(isServing(undefined, new AbortController().signal)).to.equal(false)
  })
})

describe('the log of a point', () => {
  function logged ({ isQuiet = false, ...init }: { json: boolean, isQuiet?: boolean } & Partial<PointLogInit>, act: (log: PointLog, emit: <K extends keyof RendezvousPointEvents>(type: K, detail: RendezvousPointEvents[K]['detail']) => void) => void): string[] {
    let text = ''
    const output = new Output({ write: line => { text += line } }, { write: () => {} })
    const log = new PointLog(output, { verbose: false, now: () => NOW, ...init })
    const point = new TypedEventEmitter<RendezvousPointEvents>()
    log.follow(point, isQuiet)
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
      emit('registration:displaced', registration)
      emit('registration:evicted', registration)
      emit('registration:rejected', rejection)
      emit('discover:served', { peer: id, namespace: undefined, registrations: 3 })
      emit('discover:rejected', rejection)
      log.nearLimit({ limit: 'maxBytes', max: 1_000, size: 900 })
      log.report('stopped', 'Stopped')
    })

    expect(lines.map(line => line.slice(10))).to.deep.equal([
      `${id} registered in "my-app" for 2h`,
      `${id} renewed its registration in "my-app" for 2h`,
      `${id} unregistered from "my-app"`,
      `${id} expired in "my-app"`,
      `${id} made room for another in "my-app"`,
      `${id} was evicted from "my-app"`,
      `${id} was refused a registration in "x y": E_INVALID_TTL, too short`,
      `${id} discovered 3 in all namespaces`,
      `${id} was refused a look at "x y": E_INVALID_TTL, too short`,
      '--max-bytes (1000) is nearly reached: 900. Beyond it, newcomers take the place of others, or are refused',
      'Stopped'
    ])
  })

  it('is an object a line for machines', () => {
    const lines = logged({ json: true }, (log, emit) => {
      emit('registration:added', registration)
      emit('registration:rejected', rejection)
      log.nearLimit({ limit: 'maxRegistrations', max: 100, size: 95 })
    })

    const time = '2030-01-01T00:00:00.000Z'
    expect(lines.map(line => JSON.parse(line))).to.deep.equal([
      { event: 'registration:added', time, peer: id.toString(), namespace: 'my-app', expires: '2030-01-01T02:00:00.000Z' },
      { event: 'registration:rejected', time, peer: id.toString(), namespace: 'x\u001by', status: 'E_INVALID_TTL', statusText: 'too short' },
      { event: 'limit:near', time, limit: 'maxRegistrations', max: 100, size: 95 }
    ])
  })

  it('says which of several processes tells, and leaves each its share of the lines', () => {
    const act = (log: PointLog, emit: (type: 'registration:added', detail: typeof registration) => void): void => {
      for (let i = 0; i < 30; i++) {
        emit('registration:added', registration)
      }
    }
    const lines = logged({ json: false, place: { number: 2, of: 4 } }, act)
    expect(lines).to.have.lengthOf(25)
    expect(lines[0]?.slice(10)).to.equal(`[2] ${id} registered in "my-app" for 2h`)
    expect(JSON.parse(logged({ json: true, place: { number: 2, of: 4 } }, act)[0] ?? '')).to.include({ event: 'registration:added', worker: 2 })
  })

  it('has no more than what cannot wait where it is to be quiet', () => {
    const lines = logged({ json: true, isQuiet: true }, (log, emit) => {
      emit('registration:added', registration)
      emit('limit:near', { limit: 'maxBytes', max: 1_000, size: 900 })
    })

    expect(lines.map(line => JSON.parse(line).event)).to.deep.equal(['limit:near'])
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
  function help (...args: string[]): string {
    let text = ''
    const program = commandLine({ version: '', show: shown => { text += `${shown}\n` }, run: async () => {} })
    expect(() => program.parse([...args, '--help'], { from: 'user' })).to.throw('(outputHelp)')

    return text
  }

  it('names every command', () => {
    Object.entries(commands).forEach(([name, { summary }]) => {
      expect(help()).to.match(new RegExp(`^  ${name}\\b`, 'm'))
      expect(help().replaceAll(/\s+/g, ' ')).to.include(summary)
    })
  })

  it.each(Object.keys(commands))('of %s explains every flag and argument, and has an example', name => {
    const command = commands[name] as typeof commands[string]
    const text = help(name)
    const words = text.replaceAll(/\s+/g, ' ')

    for (const [key, { help: meaning }] of Object.entries(command.flags)) {
      expect(text).to.include(`  ${flagName(key)}`)
      expect(meaning).to.not.equal('')
      expect(words).to.include(meaning)
    }

    Object.values(command.arguments ?? {}).forEach(({ help }) => { expect(words).to.include(help) })
    expect(text).to.include(`\n  ${PROGRAM} ${name}`)
    expect(text.slice(0, text.indexOf('Examples:')).split('\n').filter(line => line.length > 80 && !line.startsWith('Usage:'))).to.deep.equal([])
  })

  it('of watch says when a peer that leaves is seen', () => {
    expect(help('watch').replaceAll(/\s+/g, ' ')).to.include('tells of both as it happens. Any other is asked again at each interval, and a peer that has left is shown as expired when the lifetime ends that its registration had when it was last listed.')
  })

  it('of register says what becomes of a registration whose program was killed', () => {
    expect(help('register').replaceAll(/\s+/g, ' ')).to.include('ends the registration soon after the connection is gone')
  })
})

describe('the defaults in help', () => {
  it('are those that hold', () => {
    expect(commands.point?.flags.listen?.default?.match(/\/ip4\S+[^\s;,]/g)).to.deep.equal(listenOn({ tlsCert: 'cert.pem' }, true).map(String))
    expect(commands.register?.flags.listen?.default).to.equal(DEFAULT_REGISTER_LISTEN)
    expect(parseDuration(commands.register?.flags.ttl?.default ?? '')).to.equal(DEFAULT_TTL)
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

describe('what a point proposes to type', () => {
  const typed = (values: Parameters<typeof clientCommands>[1]): string[] => clientCommands('/ip4/127.0.0.1/tcp/1/p2p/x', values).map(command => command.replace(`${PROGRAM} `, ''))

  it('has no flag that is not needed', () => {
    expect(typed({ minTtl: 30_000 })).to.deep.equal(['register /ip4/127.0.0.1/tcp/1/p2p/x my-app', 'discover /ip4/127.0.0.1/tcp/1/p2p/x my-app'])
  })

  it('asks for a lifetime that it grants, over the protocol that it speaks', () => {
    expect(typed({ maxTtl: 60_000 })[0]).to.match(/ my-app --ttl 1m$/)
    expect(typed({ minTtl: 10_800_000 })[0]).to.match(/ my-app --ttl 3h$/)
    expect(typed({ protocol: '/my private/1' }).every(command => command.endsWith(" my-app --protocol '/my private/1'"))).to.equal(true)
  })
})

describe('a registration that is refused or not renewed', () => {
  it('is spoken of in the units that were typed', () => {
    const refusal = (statusText: string): Error => new AggregateError([Object.assign(new Error(''), { name: 'InvalidTtlError', statusText })])

    expect(refusedTtl(refusal('a TTL of 7200 to 259200 seconds is accepted, not 3600'), 3_600_000)).to.equal('the point refuses a lifetime of 1h (it accepts 2h to 3d): choose another with --ttl')
    expect(refusedTtl(refusal('too\u001bshort'), 3_600_000)).to.equal('the point refuses a lifetime of 1h (too short): choose another with --ttl')
    expect(refusedTtl(refusal(''), 5_400_000)).to.equal('the point refuses a lifetime of 1h30m: choose another with --ttl')
    expect(refusedTtl(new Error('something else'), 1)).to.equal(undefined)
  })

  it('is tried again, and says when', () => {
    expect(notRenewed(new Error('the store is away'), 4_200)).to.equal('The registration could not be renewed (the store is away); it is tried again in 4s')
    expect(notRenewed(new Error('no address'), undefined)).to.equal('The registration could not be renewed (no address); it is tried again when this node has an address')
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
