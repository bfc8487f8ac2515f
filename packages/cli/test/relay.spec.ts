import { circuitRelayTransport, RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { byteStream, lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { fairRelay, Requests } from '../src/relay.ts'
import { relayLimits } from '../src/relay-limits.ts'
import { build, endPrograms, PATIENCE, Program } from './program.ts'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { CircuitRelayService } from '@libp2p/circuit-relay-v2'
import type { RelayLimits } from '../src/relay-limits.ts'

const TCP = '/ip4/127.0.0.1/tcp/0'
const ECHO = '/echo/1.0.0'

const nodes: Libp2p[] = []

beforeAll(build, 60_000)

afterEach(async () => {
  await endPrograms()
  await Promise.all(nodes.splice(0).map(async node => node.stop()))
})

/** A node that has no address of its own, and answers with what it is sent. */
async function peer (...listen: string[]): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen },
    transports: [tcp(), memory(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify() }
  })
  nodes.push(node)
  await node.handle(ECHO, stream => { stream.addEventListener('message', ({ data }) => { stream.send(data) }) }, { runOnLimitedConnection: true })

  return node
}

interface RelayPoint {
  program: Program
  ready: any
  /** An address of it. */
  address: string
  /** A node that is reached through it. */
  reachable: () => Promise<Libp2p>
}

async function point (...args: string[]): Promise<RelayPoint> {
  const program = new Program(['point', '--memory', '--json', '--listen', TCP, '--max-connection-rate', '1000', ...args])
  const ready = await program.event()
  const [address] = ready.addresses

  return { program, ready, address, reachable: async () => peer(`${address}/p2p-circuit`) }
}

/** A connection through the relay. */
async function through (relay: string, from: Libp2p, to: PeerId): Promise<Connection> {
  return from.dial(multiaddr(`${relay}/p2p-circuit/p2p/${to}`), { signal: AbortSignal.timeout(PATIENCE) })
}

async function echo (connection: Connection, bytes: number): Promise<number> {
  const stream = byteStream(await connection.newStream(ECHO, { runOnLimitedConnection: true }))
  await stream.write(new Uint8Array(bytes))

  return (await stream.read({ bytes, signal: AbortSignal.timeout(PATIENCE) })).byteLength
}

describe('a point with --relay', () => {
  it('connects peers that have no address with each other', async () => {
    const { address, reachable } = await point('--relay')
    const [a, b] = [await reachable(), await reachable()]
    const connection = await through(address, a, b.peerId)

    expect(connection.remotePeer.equals(b.peerId)).to.equal(true)
    expect(await echo(connection, 10_000)).to.equal(10_000)
  }, 60_000)

  it('is none without it', async () => {
    const { address, reachable } = await point()

    await expect(reachable()).rejects.toThrow()
    expect((await (await peer()).dial(multiaddr(address))).remotePeer.toString()).to.equal(address.split('/').at(-1))
  }, 60_000)

  it('gives as many reservations as it may, and the place of one that has left', async () => {
    const { reachable } = await point('--relay', '--max-relay-reservations', '2')
    await reachable()
    const second = await reachable()
    await expect(reachable()).rejects.toThrow()

    await second.stop()
    await vi.waitFor(async () => { await reachable() }, PATIENCE)
  }, 60_000)

  it('ends a connection that has carried what it may', async () => {
    const { address, reachable } = await point('--relay', '--max-relay-bytes', '30000')
    const [a, b] = [await reachable(), await reachable()]
    const connection = await through(address, a, b.peerId)

    expect(await echo(connection, 5_000)).to.equal(5_000)
    await expect(echo(connection, 20_000)).rejects.toThrow()
    await vi.waitFor(() => { expect(connection.status).to.not.equal('open') }, PATIENCE)
  }, 60_000)

  it('ends a connection that has lasted as long as it may', async () => {
    const { address, reachable } = await point('--relay', '--max-relay-duration', '1s')
    const [a, b] = [await reachable(), await reachable()]
    const connection = await through(address, a, b.peerId)

    expect(await echo(connection, 10)).to.equal(10)
    await vi.waitFor(() => { expect(connection.status).to.not.equal('open') }, PATIENCE)
    expect(connection.timeline.close! - connection.timeline.open).to.be.above(900)
  }, 60_000)

  it('opens as many connections as it may, and still gives and renews reservations', async () => {
    const { address, reachable } = await point('--relay', '--max-relay-circuits', '1')
    const [a, b, c] = [await reachable(), await reachable(), await reachable()]
    const connection = await through(address, a, b.peerId)
    await expect(through(address, c, b.peerId)).rejects.toThrow()
    await reachable()

    await connection.close()
    await vi.waitFor(async () => { await through(address, c, b.peerId) }, PATIENCE)
  }, 60_000)

  it('opens as many to one peer as it may', async () => {
    const { address, reachable } = await point('--relay', '--max-relay-circuits-per-connection', '1')
    const [a, b, c] = [await reachable(), await reachable(), await reachable()]
    await through(address, a, b.peerId)

    await expect(through(address, c, b.peerId)).rejects.toThrow()
    expect((await through(address, b, c.peerId)).status).to.equal('open')
  }, 60_000)

  it('holds 500 reservations, where libp2p by itself has 15', async () => {
    const { address, ready } = await point('--relay', '--http', '127.0.0.1:0')
    const metric = async (name: string): Promise<number> => Number(new RegExp(`^${name} ([\\d.e+]+)$`, 'm').exec(await (await fetch(`${ready.http}/metrics`)).text())?.[1])
    let missing = 500
    const clients: Libp2p[] = []

    await Promise.all(Array.from({ length: 10 }, async () => {
      while (missing-- > 0) {
        clients.push(await peer(`${address}/p2p-circuit`))
      }
    }))

    expect(await metric('libp2p_circuit_relay_server_reservations_total')).to.be.at.least(500)
    expect(clients.every(client => client.getMultiaddrs().some(own => own.toString().includes('/p2p-circuit/')))).to.equal(true)

    const [first, last] = [clients[0] as Libp2p, clients.at(-1) as Libp2p]
    expect(await echo(await through(address, first, last.peerId), 100)).to.equal(100)
  }, 240_000)
})

const LIMITS: RelayLimits = { reservations: 100, circuits: 100, circuitsPerConnection: 100, bytes: 100_000, duration: 60_000 }

/** A relay in this process, where a peer's network is what is told of it. */
async function relay (limits: Partial<RelayLimits & { rate: number }>, networks: Map<string, string>): Promise<{ node: Libp2p<{ relay: CircuitRelayService }>, address: string }> {
  const node = await createLibp2p({
    addresses: { listen: [`/memory/${Math.random()}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      relay: fairRelay({ rate: 1_000, ...LIMITS, ...limits, networkOf: origin => networks.get((origin as Connection).remotePeer.toString()) ?? '10.0/0/1' })
    }
  })
  nodes.push(node)

  return { node: node as unknown as Libp2p<{ relay: CircuitRelayService }>, address: String(node.getMultiaddrs()[0]) }
}

/** Asks for a reservation by hand. Resolves to the number of the answer, 100 for yes. */
async function reserve (node: Libp2p, address: string): Promise<number | undefined> {
  const connection = await node.dial(multiaddr(address))
  const stream = await connection.newStream(RELAY_V2_HOP_CODEC)
  const messages = lpStream(stream)
  await messages.write(Uint8Array.of(8, 0))
  const answer = (await messages.read()).subarray()
  await stream.close()
  // field 5, and a number below 2^14 in seven bits each
  const at = answer.lastIndexOf(5 << 3)
  const [low = 0, high = 0] = answer.subarray(at + 1)

  return low < 128 ? low : (low & 127) + (high << 7)
}

describe('the reservations of a relay', () => {
  it('are shared between networks, and renewed whoever else comes', async () => {
    const networks = new Map<string, string>()
    const { node, address } = await relay({ reservations: 3 }, networks)
    const crowd = [await peer(), await peer(), await peer(), await peer()]
    const others = [await peer(), await peer()]
    others.forEach((other, i) => networks.set(other.peerId.toString(), `10.${i + 1}/0/1`))
    const reserved = (): string[] => [...node.services.relay.reservations.keys()].map(String)

    const answers = []

    for (const one of [...crowd, ...others, ...crowd.slice(0, 1)]) {
      answers.push(await reserve(one, address))
    }

    expect(answers).to.deep.equal([100, 100, 100, 200, 100, 100, 100])
    expect(reserved().sort()).to.deep.equal([...crowd.slice(0, 1), ...others].map(({ peerId }) => peerId.toString()).sort())
  })

  it('end with the connection', async () => {
    const { node, address } = await relay({}, new Map())
    const one = await peer()

    expect(await reserve(one, address)).to.equal(100)
    await one.stop()
    await vi.waitFor(() => { expect(node.services.relay.reservations.size).to.equal(0) })
  })
})

describe('requests to a relay', () => {
  it('are as many in a second as may be, from each network', () => {
    const requests = new Requests(2)
    const at = (network: string, now: number): boolean => requests.isAllowed(network, now)

    expect([at('a', 10_000), at('a', 10_500), at('a', 10_999), at('b', 10_999)]).to.deep.equal([true, true, false, true])
    expect([at('a', 11_000), at('a', 11_001), at('a', 11_002)]).to.deep.equal([true, true, false])
  })

  it('are not answered beyond that', async () => {
    const { address } = await relay({ rate: 1 }, new Map())
    const one = await peer()
    const answers = await Promise.allSettled(Array.from({ length: 4 }, async () => reserve(one, address)))

    expect(answers.filter(({ status }) => status === 'rejected').length).to.be.at.least(2)
    expect(answers.some(({ status }) => status === 'fulfilled')).to.equal(true)
  })
})

describe('a stream to a relay', () => {
  it.each([
    ['is too long', [0xff, 0xff, 0x7f, ...Array<number>(20_000).fill(0)]],
    ['never says how long it is', Array<number>(20_000).fill(0x80)]
  ])('is ended when the request on it %s', async (_, bytes) => {
    const { address } = await relay({}, new Map())
    const stream = await (await (await peer()).dial(multiaddr(address))).newStream(RELAY_V2_HOP_CODEC)
    stream.send(Uint8Array.from(bytes))

    await vi.waitFor(() => { expect(stream.status).to.equal('reset') })
  })

  it('takes a place unless it asks for a reservation, in so many words', async () => {
    const networks = new Map<string, string>()
    const { address } = await relay({ circuits: 2 }, networks)
    const open = async (node: Libp2p, ...bytes: number[]): Promise<Stream> => {
      const stream = await (await node.dial(multiaddr(address))).newStream(RELAY_V2_HOP_CODEC)
      stream.send(Uint8Array.from(bytes))

      return stream
    }
    const [crowd, other] = [await peer(), await peer()]
    networks.set(other.peerId.toString(), '10.1/0/1')
    const held = [await open(crowd, 100), await open(crowd, 2, 8, 0, 1)]
    await vi.waitFor(() => { expect(held.every(({ readStatus }) => readStatus === 'readable')).to.equal(true) })

    const refused = await open(crowd, 3, 8)
    await vi.waitFor(() => { expect(refused.status).to.equal('reset') })
    expect(await reserve(crowd, address)).to.equal(100)

    // from another network it is the youngest of them that makes room
    const welcome = await open(other, 100)
    await vi.waitFor(() => { expect(held[1]?.status).to.equal('reset') })
    expect(held[0]?.status).to.equal('open')
    expect(welcome.status).to.equal('open')
  })
})

describe('the limits of a relay', () => {
  it('are those that help shows, and as many reservations as connections', () => {
    expect(relayLimits({ relay: true }, 700)).to.deep.equal({ reservations: 700, circuits: 1_000, circuitsPerConnection: 64, bytes: 131_072, duration: 120_000 })
  })

  it('are what was given', () => {
    expect(relayLimits({ relay: true, maxRelayReservations: 1, maxRelayCircuits: 2, maxRelayCircuitsPerConnection: 3, maxRelayBytes: 4, maxRelayDuration: 5 }, 700))
      .to.deep.equal({ reservations: 1, circuits: 2, circuitsPerConnection: 3, bytes: 4, duration: 5 })
  })

  it('are none where there is no relay, and then there is nothing to say of them', () => {
    expect(relayLimits({}, 700)).to.equal(undefined)
    expect(() => relayLimits({ maxRelayBytes: 4 }, 700)).to.throw('--max-relay-bytes limits what --relay turns on: give that, too').with.property('name', 'UsageError')
    expect(() => relayLimits({ relay: true, maxRelayDuration: 2 ** 31 }, 700)).to.throw('--max-relay-duration takes at most 24d').with.property('name', 'UsageError')
  })
})
