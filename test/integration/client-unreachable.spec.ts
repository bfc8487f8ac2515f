import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PATIENCE } from '../../src/client/reach.ts'
import { rendezvousPoint } from '../../src/index.ts'
import { allEvents } from '../fixtures/events.ts'
import { addressOf, base, clientNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { makePeer } from '../fixtures/peers.ts'
import type { Unreachable } from '../../src/index.ts'

const tcpNode = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] }
// a browser: it can dial and not be dialled, until a relay takes it in
const browser = { addresses: { listen: ['/p2p-circuit'] }, transports: [tcp(), circuitRelayTransport()] }

describe('a client that meets nobody says why', () => {
  const relays: Array<{ stop: () => unknown }> = []

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], shouldAdvanceTime: true })
  })

  afterEach(async () => {
    vi.useRealTimers()
    await stopNodes()
    await Promise.all(relays.splice(0).map(async node => node.stop()))
  })

  /** What it says, once the time to be patient is over. */
  async function said (events: Unreachable[]): Promise<Array<Pick<Unreachable, 'what' | 'cause'>>> {
    await vi.advanceTimersByTimeAsync(2 * PATIENCE)
    await expect.poll(() => events).not.toEqual([])

    return events.map(({ what, cause }) => ({ what, cause }))
  }

  async function addressOfNobody (): Promise<string> {
    return `/ip4/127.0.0.1/tcp/1/p2p/${(await makePeer()).peerId}`
  }

  it('no point answers', async () => {
    const client = await clientNode({ points: [await addressOfNobody()] }, tcpNode)
    const events = allEvents<Unreachable>(client.services.rendezvous, 'unreachable')
    await expect(client.services.rendezvous.register('ns')).rejects.toThrow()

    expect(await said(events)).toEqual([{ what: 'points', cause: 'dial' }])
    expect(events[0]!.errors).toHaveLength(1)
  })

  it('the gater refuses all their addresses', async () => {
    const client = await clientNode({ points: [await addressOfNobody()] }, { ...tcpNode, connectionGater: { denyDialMultiaddr: () => true } })
    const events = allEvents<Unreachable>(client.services.rendezvous, 'unreachable')
    await expect(client.services.rendezvous.register('ns')).rejects.toMatchObject({ name: 'DialDeniedError' })

    expect(await said(events)).toEqual([{ what: 'points', cause: 'gater' }])
  })

  it('there is no point', async () => {
    const client = await clientNode({ namespaces: ['ns'] }, tcpNode)

    expect(await said(allEvents(client.services.rendezvous, 'unreachable'))).toEqual([{ what: 'points', cause: 'no-points' }])
  })

  it('no connected peer is a relay', async () => {
    const point = await pointNode({}, tcpNode)
    const client = await clientNode({ points: [addressOf(point)] }, browser)
    const events = allEvents<Unreachable>(client.services.rendezvous, 'unreachable')
    await expect(client.services.rendezvous.register('ns')).rejects.toMatchObject({ name: 'NoAddressesError' })

    expect(await said(events)).toEqual([{ what: 'self', cause: 'no-relay' }])
  })

  it('the relay is full', async () => {
    const point = await createLibp2p({
      ...base(tcpNode),
      services: { identify: identify(), point: rendezvousPoint(), relay: circuitRelayServer({ reservations: { maxReservations: 0 } }) }
    })
    relays.push(point)
    const client = await clientNode({ points: [addressOf(point)] }, browser)
    const events = allEvents<Unreachable>(client.services.rendezvous, 'unreachable')
    await expect(client.services.rendezvous.register('ns')).rejects.toMatchObject({ name: 'NoAddressesError' })
    await expect.poll(async () => (await client.peerStore.get(point.peerId)).protocols).not.toEqual([])

    expect(await said(events)).toEqual([{ what: 'self', cause: 'relay-full' }])
  })

  it('and nothing where all is well, or nothing is wanted', async () => {
    const point = await pointNode({}, tcpNode)
    const clients = await Promise.all([
      clientNode({ points: [addressOf(point)], namespaces: ['ns'] }, tcpNode),
      clientNode({ points: [addressOf(point)], discover: ['ns'] }, browser),
      clientNode({}, browser)
    ])
    const events = clients.map(({ services }) => allEvents(services.rendezvous, 'unreachable'))
    await vi.advanceTimersByTimeAsync(3 * PATIENCE)

    expect(events).toEqual([[], [], []])
  })
})
