import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { allEvents } from '../fixtures/events.ts'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { makePeer } from '../fixtures/peers.ts'
import { listedIn, requestingPeer, requestingPeers } from '../fixtures/requesting-peer.ts'
import { discover, register, unregister } from '../fixtures/requests.ts'
import type { ClientNode, PointNode } from '../fixtures/nodes.ts'
import type { RequestingPeer } from '../fixtures/requesting-peer.ts'
import type { PeerId } from '@libp2p/interface'

const { ResponseStatus: Status } = Message

/** In milliseconds, on both sides. */
const DEFAULT_TTL = 2 * 60 * 60 * 1_000
const MAX_TTL = 72n * 60n * 60n

async function clientsOf (point: PointNode, count: number, autoRefresh = true): Promise<ClientNode[]> {
  const clients: ClientNode[] = []

  for (let i = 0; i < count; i++) {
    clients.push(await clientNode({ points: [addressOf(point)], autoRefresh }))
  }

  return clients
}

function idsOf (peers: Array<{ id: PeerId } | { peerId: PeerId }>): string[] {
  return peers.map(peer => ('id' in peer ? peer.id : peer.peerId).toString()).sort()
}

// Named as in client_test.go, svc_test.go and discovery_test.go of waku-org/go-libp2p-rendezvous, where they are
// about its own client and service.
describe('what go-libp2p-rendezvous promises of its client, this client keeps at this point', () => {
  afterEach(stopNodes)

  it('TestClientRegistrationAndDiscovery', async () => {
    const point = await pointNode()
    const [first, ...others] = await clientsOf(point, 4)
    const { rendezvous } = first!.services

    expect(await rendezvous.register('foo1')).toMatchObject([{ ttl: DEFAULT_TTL }])
    // go lists a client to itself; this one passes over itself
    let { peers, cookie } = await rendezvous.discoverPage('foo1', { point: point.peerId })
    expect(peers).toEqual([])

    for (const other of others) {
      expect(await other.services.rendezvous.register('foo1')).toMatchObject([{ ttl: DEFAULT_TTL }]);
      ({ peers, cookie } = await rendezvous.discoverPage('foo1', { point: point.peerId, limit: 10, ...(cookie == null ? {} : { cookie }) }))
      expect(idsOf(peers)).toEqual([other.peerId.toString()])
      expect(peers[0]!.multiaddrs.map(String)).toEqual([addressOf(other).split('/p2p/')[0]])
    }

    for (const other of others) {
      const page = await other.services.rendezvous.discoverPage('foo1', { point: point.peerId, limit: 10 })
      expect(idsOf(page.peers)).toEqual(idsOf([first!, ...others].filter(client => client !== other)))
    }
  })

  it('TestClientRegistrationAndDiscoveryAsync', async () => {
    const point = await pointNode()
    const [watcher, ...clients] = await clientsOf(point, 5)
    const found = watcher!.services.rendezvous.watch('foo1')

    for (const client of clients) {
      const next = found.next()
      expect(await client.services.rendezvous.register('foo1')).toMatchObject([{ ttl: DEFAULT_TTL }])
      expect((await next).value.id.toString()).toBe(client.peerId.toString())
    }

    await found.return(undefined)
  })

  it('TestDiscoveryClientAdvertiseAndFindPeers', async () => {
    const point = await pointNode()
    const clients = await clientsOf(point, 4)

    for (const [i, { services: { rendezvous } }] of clients.entries()) {
      await rendezvous.register('foo1')
      expect(await collect(rendezvous.discover('foo1'))).toHaveLength(i)
    }

    expect(idsOf(await collect(clients[0]!.services.rendezvous.discover('foo1')))).toEqual(idsOf(clients.slice(1)))
  })

  // go answers from a cache as long as that has enough that has not expired; this client asks, and so does not
  // find fewer than there are
  it.each([
    ['TestDiscoveryClientExpiredCachedRecords', 5],
    ['TestDiscoveryClientExpiredManyCachedRecords', 6]
  ])('%s', async (_, wanted) => {
    const point = await pointNode({ minTtl: 1_000 })
    const [reader, late, ...clients] = await clientsOf(point, 12, false)
    const { rendezvous } = reader!.services
    const expired = allEvents(rendezvous, 'peer:expired')
    const long = clients.filter((_, i) => i % 2 === 0)
    await Promise.all([late!, ...clients].map(async client => client.services.rendezvous.register('foo2')))
    await Promise.all(long.map(async client => client.services.rendezvous.register('foo1')))
    expect(await collect(rendezvous.discover('foo1'))).toHaveLength(5)
    // all are connected, so none of these ends before it is found
    await Promise.all(clients.filter(client => !long.includes(client)).map(async client => client.services.rendezvous.register('foo1', { ttl: 2_000 })))
    expect(await collect(rendezvous.discover('foo1'))).toHaveLength(10)
    await late!.services.rendezvous.register('foo1')
    await expect.poll(() => expired.length, { timeout: 10_000 }).toBe(5)

    const found = await collect(rendezvous.discover('foo1', { limit: wanted }))

    expect(found).toHaveLength(wanted)
    expect(idsOf([...long, late!])).toEqual(expect.arrayContaining(idsOf(found)))
  })
})

describe('what go-libp2p-rendezvous promises of its service, this point keeps', () => {
  afterEach(stopNodes)

  it('TestSVCRegistrationAndDiscovery', async () => {
    // go's has no shortest TTL
    const point = await pointNode({ minTtl: 60_000 })
    const clients = await requestingPeers(point, 4)
    const [first, second, ...rest] = clients as [RequestingPeer, RequestingPeer, ...RequestingPeer[]]
    const ids = clients.map(({ peerId }) => peerId.toString())
    const granted = { status: Status.OK, ttl: 60n }

    expect((await first.ask(register('foo1', await first.record(), 60n)))?.registerResponse).toMatchObject(granted)
    let page = await first.ask(discover('foo1', { limit: 10n }))
    expect(listedIn(page)).toEqual(ids.slice(0, 1))

    for (const [i, client] of [second, ...rest].entries()) {
      expect((await client.ask(register('foo1', await client.record(), 60n)))?.registerResponse).toMatchObject(granted)
      page = await first.ask(discover('foo1', { limit: 10n, cookie: page?.discoverResponse?.cookie }))
      expect(listedIn(page)).toEqual([ids[i + 1]])
    }

    const listedToAll = async (): Promise<string[][]> => Promise.all(clients.map(async client => listedIn(await client.ask(discover('foo1', { limit: 10n })))))
    expect(await listedToAll()).toEqual(clients.map(() => ids))

    await first.tell(unregister('foo1'))
    await expect.poll(listedToAll).toEqual(clients.map(() => ids.slice(1)))

    // an empty namespace is all of the peer's
    await second.ask(register('foo2', await second.record(), 60n))
    await second.tell(unregister(''))
    await expect.poll(listedToAll).toEqual(clients.map(() => ids.slice(2)))
    expect(listedIn(await first.ask(discover('foo2')))).toEqual([])
  })

  it('TestSVCErrors', async () => {
    const point = await pointNode({ maxRegistrationsPerPeer: 3 })
    const client = await requestingPeer(point)
    const other = await makePeer()
    const tooLong = 'x'.repeat(512)
    const refused = async (namespace: string, record: Uint8Array | undefined, ttl?: bigint): Promise<string | undefined> =>
      (await client.ask(register(namespace, record, ttl)))?.registerResponse?.status

    expect(await refused('', await client.record())).toBe(Status.E_INVALID_NAMESPACE)
    expect(await refused(tooLong, await client.record())).toBe(Status.E_INVALID_NAMESPACE)
    expect(await refused('foo', undefined)).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    expect(await refused('foo', new Uint8Array())).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    expect(await refused('foo', await client.record({ about: other.peerId }))).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    expect(await refused('foo', await client.record({ addresses: [] }))).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    expect(await refused('foo', await client.record(), 2n * MAX_TTL)).toBe(Status.E_INVALID_TTL)

    for (let i = 0; i < 3; i++) {
      expect(await refused(`foo${i}`, await client.record())).toBe(Status.OK)
    }

    // go says E_NOT_AUTHORIZED, after a thousand: it is no question of who asks, and may be granted later
    expect(await refused('foo', await client.record())).toBe(Status.E_UNAVAILABLE)
    // and a renewal is none more
    expect(await refused('foo0', await client.record())).toBe(Status.OK)

    const listing = async (namespace: string, cookie?: Uint8Array): Promise<string | undefined> =>
      (await client.ask(discover(namespace, { cookie })))?.discoverResponse?.status

    expect(await listing(tooLong)).toBe(Status.E_INVALID_NAMESPACE)
    expect(await listing('foo', randomBytes(10))).toBe(Status.E_INVALID_COOKIE)
    expect(await listing('foo', randomBytes(40))).toBe(Status.E_INVALID_COOKIE)
  })
})
