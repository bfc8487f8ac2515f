import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listedIn, requestingPeer, requestingPeers } from '../fixtures/requesting-peer.ts'
import { discover, register, unregister } from '../fixtures/requests.ts'
import type { RequestingPeer } from '../fixtures/requesting-peer.ts'

const { ResponseStatus: Status } = Message
const HOUR = 60 * 60 * 1_000

/** A client that keeps the last cookie of each namespace, as nim's does. */
function requester (peer: RequestingPeer): (namespace?: string, limit?: bigint) => Promise<string[]> {
  const cookies = new Map<string, Uint8Array | undefined>()

  return async (namespace, limit) => {
    const response = await peer.ask(discover(namespace, { cookie: namespace == null ? undefined : cookies.get(namespace), ...(limit == null ? {} : { limit }) }))

    if (namespace != null) {
      cookies.set(namespace, response?.discoverResponse?.cookie)
    }

    return listedIn(response)
  }
}

async function advertise (namespace: string, ...peers: RequestingPeer[]): Promise<string[]> {
  for (const peer of peers) {
    expect((await peer.ask(register(namespace, await peer.record())))?.registerResponse?.status).toBe(Status.OK)
  }

  return peers.map(({ peerId }) => peerId.toString())
}

// Named as in test_rendezvous.nim and test_rendezvous_errors.nim of nim-libp2p: what is not among rust's and go's, and
// what differs here.
describe('what nim-libp2p promises of its rendezvous, this client and point keep', () => {
  afterEach(stopNodes)

  it('Request returns 0 for empty namespace from remote', async () => {
    const point = await pointNode()
    const [peer] = await requestingPeers(point, 1)

    // nim's point says E_INVALID_NAMESPACE, which its client takes for nobody
    expect(await requester(peer!)('empty')).toEqual([])
  })

  it('Unsubscribe for not registered namespace is ignored', async () => {
    const point = await pointNode()
    const peer = await requestingPeer(point)
    await advertise('foo', peer)
    await peer.tell(unregister('bar'))

    expect(await requester(peer)('foo')).toHaveLength(1)
    expect(point.services.point.size.registrations).toBe(1)
  })

  it('Consecutive requests with namespace returns peers with pagination', async () => {
    const point = await pointNode()
    const peers = await requestingPeers(point, 11)
    const ids = await advertise('foo', ...peers)
    const request = requester(peers[0]!)

    expect([await request('foo', 5n), await request('foo'), await request('foo')]).toEqual([ids.slice(0, 5), ids.slice(5), []])
  })

  it('Request without namespace returns all registered peers', async () => {
    const point = await pointNode()
    const peers = await requestingPeers(point, 10)
    const ids = [...await advertise('foo', ...peers.slice(0, 5)), ...await advertise('Bar', ...peers.slice(5))]
    const request = requester(peers[0]!)

    expect(await request()).toEqual(ids)
    expect(await request()).toEqual(ids)
  })

  it('Request with namespace pagination with multiple namespaces', async () => {
    const point = await pointNode()
    const peers = await requestingPeers(point, 12)
    const part = (from: number, to = from + 2): RequestingPeer[] => peers.slice(from, to)
    const request = requester(peers[0]!)
    const foo = await advertise('foo', ...part(0))
    const bar = await advertise('bar', ...part(2))
    foo.push(...await advertise('foo', ...part(4)))
    bar.push(...await advertise('bar', ...part(6)))

    expect([await request('foo', 1n), await request('foo', 2n), await request('foo'), await request('foo')]).toEqual([foo.slice(0, 1), foo.slice(1, 3), foo.slice(3), []])
    expect(await request('bar', 30n)).toEqual(bar)

    const news = [await advertise('foo', ...part(8)), await advertise('bar', ...part(10))]
    expect([await request('foo'), await request('bar')]).toEqual(news)
    expect(await request()).toHaveLength(12)
  })

  it('Request with namespace with expired peers', async () => {
    const point = await pointNode({ minTtl: 1_000, defaultTtl: 2_000 })
    const peers = await requestingPeers(point, 4)
    const request = requester(peers[0]!)
    await advertise('foo', ...peers.slice(0, 2))
    expect(await request('foo')).toHaveLength(2)
    await expect.poll(() => point.services.point.size.registrations, { timeout: 10_000 }).toBe(0)
    expect(await request('foo')).toEqual([])

    const ids = await advertise('foo', ...peers.slice(2))

    expect(await request('foo')).toEqual(ids)
  })

  it('Cookie offset is reset to low after flush (returns current entries)', async () => {
    const point = await pointNode({ minTtl: 1_000, defaultTtl: 2_000 })
    const peers = await requestingPeers(point, 4)
    const request = requester(peers[0]!)
    await advertise('foo', peers[0]!)
    await request('foo', 1n)
    await advertise('foo', peers[1]!)
    await expect.poll(() => point.services.point.size.registrations, { timeout: 10_000 }).toBe(0)
    const ids = await advertise('foo', ...peers.slice(2))

    // all that the cookie stands behind, and some that it does not, have gone
    expect(await request('foo')).toEqual(ids)
  })

  // nim starts over or at the end, whatever the cookie says, and so tells nobody that something is wrong: a peer that
  // goes on with such a cookie would miss others. In the specification it is E_INVALID_COOKIE.
  it.each([
    'Cookie offset is reset to end (returns empty) then new peers are discoverable',
    'Cookie namespace mismatch resets to low (returns peers despite offset)'
  ])('%s: not here, where it is refused', async name => {
    const point = await pointNode()
    const peer = await requestingPeer(point)
    await advertise('foo', peer)
    await advertise('other', peer)
    const cookie = (await peer.ask(discover(name.includes('mismatch') ? 'other' : 'foo')))!.discoverResponse!.cookie!

    if (!name.includes('mismatch')) {
      new DataView(cookie.buffer, cookie.byteOffset).setBigUint64(0, new DataView(cookie.buffer, cookie.byteOffset).getBigUint64(0) + 1_000n)
    }

    expect((await peer.ask(discover('foo', { cookie })))?.discoverResponse?.status).toBe(Status.E_INVALID_COOKIE)
  })

  it('Peer TTL is saved when advertised with TTL', async () => {
    const point = await pointNode()
    const peer = await requestingPeer(point)
    const granted = (await peer.ask(register('foo', await peer.record(), 3n * 60n * 60n)))?.registerResponse
    const listed = (await peer.ask(discover('foo')))?.discoverResponse?.registrations[0]

    expect(granted).toMatchObject({ status: Status.OK, ttl: 3n * 60n * 60n })
    expect(Number(listed?.ttl)).toBeGreaterThan(3 * 60 * 60 - 60)
  })

  it('Peer can reregister to update its TTL before previous TTL expires', async () => {
    const point = await pointNode()
    const peer = await requestingPeer(point)
    await advertise('foo', peer)
    await peer.ask(register('foo', await peer.record(), 5n * 60n * 60n))

    expect(await requester(peer)('foo')).toHaveLength(1)
    // nim keeps the old one until it is swept
    expect(point.services.point.size.registrations).toBe(1)
  })

  it('Peer registration is ignored if limit of 1000 registrations is reached', async () => {
    const point = await pointNode({ maxRegistrationsPerPeer: 3 })
    const peer = await requestingPeer(point)
    await advertise('foo0', peer)
    await advertise('foo1', peer)
    await advertise('foo2', peer)

    expect((await peer.ask(register('foo3', await peer.record())))?.registerResponse?.status).toBe(Status.E_UNAVAILABLE)
    expect(point.services.point.size.registrations).toBe(3)
    // nim counts what was replaced, and so a renewal is one too many there
    await advertise('foo0', peer)
  })

  it('Peer can register to and unsubscribe multiple namespaces', async () => {
    const point = await pointNode()
    const points = [addressOf(point)]
    const [joiner, requester] = [await clientNode({ points }), await clientNode({ points })]
    const namespaces = ['foo0', 'foo1', 'foo2', 'foo3', 'foo4']
    const found = async (namespace?: string): Promise<number> => (await collect(requester.services.rendezvous.discover(namespace))).length

    for (const namespace of namespaces) {
      await joiner.services.rendezvous.register(namespace)
    }

    expect(await Promise.all(namespaces.map(found))).toEqual([1, 1, 1, 1, 1])
    expect(await found()).toBe(1)

    for (const namespace of namespaces.slice(0, 3)) {
      await joiner.services.rendezvous.unregister(namespace)
    }

    expect(await Promise.all(namespaces.map(found))).toEqual([0, 0, 0, 1, 1])
    expect(await found()).toBe(1)
  })

  it('Various local error', async () => {
    const point = await pointNode()
    const { services: { rendezvous } } = await clientNode({ points: [addressOf(point)] })
    const tooLong = 'A'.repeat(300)

    await expect(collect(rendezvous.discover(tooLong))).rejects.toMatchObject({ name: 'InvalidParametersError' })
    await expect(collect(rendezvous.discover('A', { limit: -1 }))).rejects.toMatchObject({ name: 'InvalidParametersError' })
    await expect(rendezvous.register(tooLong)).rejects.toMatchObject({ name: 'InvalidParametersError' })
    // what a point grants is the point's to say, and more than a page holds is found on several
    await expect(rendezvous.register('A', { ttl: 73 * HOUR })).rejects.toMatchObject({ name: 'InvalidTtlError' })
    await expect(rendezvous.register('A', { ttl: 30_000 })).rejects.toMatchObject({ name: 'InvalidTtlError' })
    expect(await collect(rendezvous.discover('A', { limit: 3_000 }))).toEqual([])
  })

  describe('Node returns ERROR_CODE for invalid message', () => {
    it.each<[name: string, expected: string, message: (peer: RequestingPeer) => Promise<Uint8Array>]>([
      ['Register - Invalid Namespace', Status.E_INVALID_NAMESPACE, async peer => register('A'.repeat(300), await peer.record())],
      ['Register - Invalid Signed Peer Record', Status.E_INVALID_SIGNED_PEER_RECORD, async () => register('namespace', new Uint8Array())],
      ['Register - Invalid TTL', Status.E_INVALID_TTL, async peer => register('namespace', await peer.record(), 73n * 60n * 60n)],
      ['Discover - Invalid Namespace', Status.E_INVALID_NAMESPACE, async () => discover('A'.repeat(300))],
      ['Discover - Invalid Cookie', Status.E_INVALID_COOKIE, async () => discover('namespace', { cookie: Uint8Array.of(1) })],
      // some clients write an empty cookie for none
      ['Discover - Invalid Cookie: not an empty one', Status.OK, async () => discover('namespace', { cookie: new Uint8Array() })]
    ])('%s', async (_, expected, message) => {
      const peer = await requestingPeer(await pointNode())
      const response = await peer.ask(await message(peer))

      expect((response?.registerResponse ?? response?.discoverResponse)?.status).toBe(expected)
    })
  })
})
