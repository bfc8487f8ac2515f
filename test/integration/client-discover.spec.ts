import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeers } from '../fixtures/peers.ts'
import { listing, page, rawPoint, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { ScriptedPoint } from '../fixtures/scripted-point.ts'
import type { DiscoveredPeer } from '../../src/index.ts'

const { MessageType, ResponseStatus: Status } = Message
const ids = (peers: DiscoveredPeer[]): string[] => peers.map(({ id }) => id.toString())

describe('discover', () => {
  let peers: Peer[]
  let expected: string[]

  beforeEach(async () => {
    peers = await makePeers(7)
    expected = peers.map(({ peerId }) => peerId.toString())
  })

  afterEach(stopNodes)

  /** A point that lists these peers. */
  async function lists (some: Peer[], fields: { sequence?: bigint, addresses?: string[] } = {}): Promise<ScriptedPoint> {
    return scriptedPoint(listing(async () => Promise.all(some.map(async peer => listed(peer, 'ns', fields)))))
  }

  async function discoverer (points: ScriptedPoint[], init = {}): Promise<(options?: any) => AsyncGenerator<DiscoveredPeer>> {
    const { services } = await clientNode({ points: points.map(({ address }) => address), ...init })

    return options => services.rendezvous.discover('ns', options)
  }

  it('yields what is on any page of any point, each peer once', async () => {
    const cookies: Array<Uint8Array | undefined> = []
    const small = await scriptedPoint(async request => {
      cookies.push(request.message.discover!.cookie)
      request.message.discover!.limit = 2n

      return listing(async () => Promise.all(peers.slice(0, 5).map(async peer => listed(peer, 'ns'))))(request)
    })
    const discover = await discoverer([small, await lists(peers.slice(3))])

    expect(ids(await collect(discover())).sort()).toEqual([...expected].sort())
    expect(cookies).toHaveLength(4)
  })

  it('yields no more than its limit, from however many pages and points', async () => {
    const one = await lists(peers.slice(0, 4))
    const two = await lists(peers.slice(2))
    const discover = await discoverer([one, two])

    for (const limit of [1, 3, 5, 7]) {
      expect(ids(await collect(discover({ limit })))).toHaveLength(limit)
    }

    expect(new Set(ids(await collect(discover({ limit: 100 }))))).toEqual(new Set(expected))
    expect(one.requests.every(({ discover }) => discover!.limit! <= 100n)).toBe(true)
  })

  it('asks no point for more than is wanted', async () => {
    const point = await lists(peers)
    const discover = await discoverer([point])

    await collect(discover({ limit: 3 }))

    expect(point.requests.map(({ discover }) => discover!.limit)).toEqual([3n])
  })

  it('finds the one it wants behind a hundred of its own registrations', async () => {
    const { services: { rendezvous } } = await clientNode()
    const point = await pointNode({ rateLimit: false })
    await rendezvous.register('ns-0', { point: addressOf(point) })
    const address = addressOf(point)
    await Promise.all(Array.from({ length: 99 }, async (_, index) => rendezvous.register(`ns-${index + 1}`, { point: address })))
    const other = await clientNode({ points: [address] })
    await other.services.rendezvous.register('ns')

    expect(ids(await collect(rendezvous.discover(undefined, { limit: 1, point: address })))).toEqual([other.peerId.toString()])
  })

  it('knows the newest record of a peer that points have different ones of, and yields it from then on', async () => {
    const older = await lists([peers[0]!], { sequence: 1n, addresses: ['/ip4/192.0.2.1/tcp/1'] })
    const newer = await lists([peers[0]!], { sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })

    for (const points of [[older, newer], [newer, older]]) {
      const { services: { rendezvous } } = await clientNode()

      for (const { address } of points) {
        await collect(rendezvous.discover('ns', { point: address }))
      }

      expect((await collect(rendezvous.discover('ns', { point: older.address }))).map(({ multiaddrs }) => multiaddrs.join())).toEqual(['/ip4/192.0.2.2/tcp/2'])
    }
  })

  it('does not wait for a point that is silent, or cannot be reached, with what others list', async () => {
    const silent = await rawPoint(() => {})
    const discover = await discoverer([silent, await lists(peers)], { timeout: 600_000 })
    const found = discover()

    for (const id of expected) {
      expect((await found.next()).value.id.toString()).toBe(id)
    }

    await found.return(undefined)
  })

  it('throws the point\'s own error where one is named', async () => {
    const full = await scriptedPoint(({ message }) => refusal(message, Status.E_UNAVAILABLE))
    const { services: { rendezvous } } = await clientNode()

    await expect(collect(rendezvous.discover('ns', { point: full.address }))).rejects.toMatchObject({ name: 'UnavailableError', status: Status.E_UNAVAILABLE })
  })

  it('loses nothing of the others to a point that is dead, and ends after its timeout', async () => {
    const silent = await rawPoint(() => {})
    const nowhere = { ...silent, address: `/memory/nowhere/p2p/${peers[0]!.peerId}` }
    const resetting = await rawPoint(stream => { stream.abort(new Error('bye')) })
    const discover = await discoverer([silent, await lists(peers.slice(0, 4)), nowhere, resetting, await lists(peers.slice(4))], { timeout: 300 })
    const start = performance.now()

    expect(new Set(ids(await collect(discover())))).toEqual(new Set(expected))
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  it('keeps what a point listed before it died', async () => {
    const dying = await scriptedPoint(async ({ message }) => message.discover?.cookie == null
      ? page([await listed(peers[0]!, 'ns')], new Uint8Array(8))
      : refusal(message, Status.E_UNAVAILABLE))
    const discover = await discoverer([dying, await lists([peers[1]!])])

    expect(new Set(ids(await collect(discover())))).toEqual(new Set(expected.slice(0, 2)))
  })

  it('throws the reasons of all points when none could be read', async () => {
    const full = await scriptedPoint(({ message }) => refusal(message, Status.E_UNAVAILABLE))
    const silent = await rawPoint(() => {})
    const discover = await discoverer([full, silent], { timeout: 200 })
    const error = await collect(discover()).catch(err => err)

    expect(error).toBeInstanceOf(AggregateError)
    expect(error.errors.map(({ name }: Error) => name).sort()).toEqual(['TimeoutError', 'UnavailableError'])
  })

  it('starts a listing over when the point has forgotten its cookie on the way', async () => {
    let hasRestarted = false
    const point = await scriptedPoint(async ({ message }) => {
      const cookie = message.discover?.cookie?.[0]

      if (cookie === 1 && !hasRestarted) {
        hasRestarted = true

        return refusal(message, Status.E_INVALID_COOKIE)
      }

      const index = hasRestarted ? (cookie ?? 9) - 9 : cookie ?? 0

      return index === 3 ? page([]) : page([await listed(peers[index]!, 'ns')], new Uint8Array([hasRestarted ? index + 10 : index + 1]))
    })
    const discover = await discoverer([point])

    expect(ids(await collect(discover()))).toEqual(expected.slice(0, 3))
  })

  it('stops asking when its caller stops taking', async () => {
    const point = await scriptedPoint(async ({ message }) => {
      const index = message.discover?.cookie?.[0] ?? 0

      return page([await listed(peers[index]!, 'ns')], new Uint8Array([index + 1]))
    })
    const discover = await discoverer([point])

    const listing = discover()
    expect((await listing.next()).value.id.toString()).toBe(expected[0])
    // what `break` does
    await listing.return(undefined)

    await collect(discover({ limit: 1 }))
    expect(point.requests).toHaveLength(2)
  })

  it('finds the peers of all namespaces when it is given none', async () => {
    const point = await pointNode()
    const points = [addressOf(point)]
    const [alice, bob, carol] = await Promise.all([clientNode({ points }), clientNode({ points }), clientNode({ points })])
    await alice.services.rendezvous.register('one')
    await bob.services.rendezvous.register('two')
    const found = await collect(carol.services.rendezvous.discover())

    expect(found.map(({ id, namespace }) => `${id} ${namespace}`)).toEqual([`${alice.peerId} one`, `${bob.peerId} two`])
  })

  it('leaves found peers in the peer store, where they can be dialled by id', async () => {
    const point = await pointNode()
    const points = [addressOf(point)]
    const [alice, bob] = await Promise.all([clientNode({ points }), clientNode({ points })])
    await alice.services.rendezvous.register('ns')
    const discovery = nextEvent(bob, 'peer:discovery', ({ id }) => id.equals(alice.peerId))

    for await (const peer of bob.services.rendezvous.discover('ns')) {
      const stored = await bob.peerStore.get(peer.id)
      expect(stored.addresses.length).toBeGreaterThan(0)
      expect(stored.addresses.every(({ isCertified }) => isCertified)).toBe(true)
      expect(stored.peerRecordEnvelope).toEqual(peer.peerRecordEnvelope)
      await expect(bob.dial(peer.id)).resolves.toBeDefined()
    }

    expect((await discovery).id.equals(alice.peerId)).toBe(true)
  })

  it('makes libp2p report the peers in its namespaces', async () => {
    const point = await pointNode()
    const init = { points: [addressOf(point)], namespaces: ['ns'], discoverInterval: 20 }
    const alice = await clientNode(init)
    const bob = await clientNode(init)
    const discovery = await nextEvent(bob, 'peer:discovery', ({ id }) => id.equals(alice.peerId))

    expect(discovery.multiaddrs.map(String)).toEqual(alice.getMultiaddrs().map(address => address.decapsulate(`/p2p/${alice.peerId}`).toString()))
    await expect.poll(async () => (await bob.peerStore.get(alice.peerId)).addresses.map(({ isCertified }) => isCertified)).toEqual([true])
  })
})

describe('watch', () => {
  afterEach(stopNodes)

  it('yields who is there and then each new peer, once', async () => {
    const point = await pointNode()
    const init = { points: [addressOf(point)], discoverInterval: 20 }
    const watcher = await clientNode(init)
    const alice = await clientNode(init)
    await alice.services.rendezvous.register('ns')
    const watch = watcher.services.rendezvous.watch('ns')
    expect((await watch.next()).value.id.equals(alice.peerId)).toBe(true)

    await alice.services.rendezvous.register('ns')
    const bob = await clientNode(init)
    await bob.services.rendezvous.register('ns')
    expect((await watch.next()).value.id.equals(bob.peerId)).toBe(true)
    await watch.return(undefined)
  })

  it('survives a point that restarts, and yields nobody twice', async () => {
    const address = '/memory/watched'
    const first = await pointNode({}, { addresses: { listen: [address] } })
    const { privateKey } = (first as any).components
    const init = { points: [addressOf(first)], discoverInterval: 20 }
    const [watcher, alice, bob] = await Promise.all([clientNode(init), clientNode(init), clientNode(init)])
    await alice.services.rendezvous.register('ns')
    const watch = watcher.services.rendezvous.watch('ns')
    expect((await watch.next()).value.id.equals(alice.peerId)).toBe(true)
    await first.stop()
    const second = await pointNode({}, { addresses: { listen: [address] }, privateKey })
    await expect.poll(() => second.services.point.size.registrations, { timeout: 5_000 }).toBe(1)
    await bob.services.rendezvous.register('ns')

    expect((await watch.next()).value.id.equals(bob.peerId)).toBe(true)
    await watch.return(undefined)
  })

  it('goes on after E_INVALID_COOKIE from the beginning', async () => {
    const [peer, late] = await makePeers(2)
    let isWiped = false
    const point = await scriptedPoint(async ({ message }) => {
      const cookie = message.discover?.cookie?.[0]

      if (isWiped && cookie === 1) {
        return refusal(message, Status.E_INVALID_COOKIE)
      }

      return cookie == null
        ? page([await listed(peer!, 'ns'), ...(isWiped ? [await listed(late!, 'ns')] : [])], new Uint8Array([isWiped ? 2 : 1]))
        : page([], new Uint8Array([cookie]))
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address], discoverInterval: 10 })
    const watch = rendezvous.watch('ns')
    expect((await watch.next()).value.id.equals(peer!.peerId)).toBe(true)
    isWiped = true

    expect((await watch.next()).value.id.equals(late!.peerId)).toBe(true)
    await watch.return(undefined)
  })

  it('yields a peer again that registers after it had expired', async () => {
    const point = await pointNode({ minTtl: 1_000 })
    const init = { points: [addressOf(point)], discoverInterval: 20 }
    const [watcher, alice] = await Promise.all([clientNode(init), clientNode({ ...init, autoRefresh: false })])
    await alice.services.rendezvous.register('ns', { ttl: 1_000 })
    const watch = watcher.services.rendezvous.watch('ns')
    const expired = nextEvent(watcher.services.rendezvous, 'peer:expired')
    expect((await watch.next()).value.id.equals(alice.peerId)).toBe(true)
    expect((await expired).id.equals(alice.peerId)).toBe(true)
    expect(watcher.services.rendezvous.discovered).toEqual([])
    await alice.services.rendezvous.register('ns', { ttl: 1_000 })

    expect((await watch.next()).value.id.equals(alice.peerId)).toBe(true)
    await watch.return(undefined)
  })

  it('of one point yields only what that lists, whatever was found elsewhere before', async () => {
    const [shared, elsewhere] = await makePeers(2)
    const one = await scriptedPoint(listing(async () => [await listed(shared!, 'ns')]))
    const two = await scriptedPoint(listing(async () => [await listed(shared!, 'ns', { sequence: 2n }), await listed(elsewhere!, 'ns')]))
    const { services: { rendezvous } } = await clientNode({ points: [one.address, two.address], namespaces: ['ns'], discoverInterval: 10 })
    await expect.poll(() => rendezvous.discovered.length).toBe(2)
    await expect.poll(() => one.requests.length).toBeGreaterThan(2)
    const watch = rendezvous.watch('ns', { point: one.address })

    expect((await watch.next()).value.id.equals(shared!.peerId)).toBe(true)
    await watch.return(undefined)
  })

  it('ends when the node stops', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [addressOf(point)] })
    const watched = collect(node.services.rendezvous.watch('ns'))
    await node.services.rendezvous.register('ns')
    await node.stop()

    expect(await watched).toEqual([])
  })

  it('ends with AbortError when its signal aborts', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [addressOf(point)] })
    const controller = new AbortController()
    const watched = collect(node.services.rendezvous.watch('ns', { signal: controller.signal }))
    await node.services.rendezvous.register('ns')
    controller.abort()

    await expect(watched).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('stops polling when nobody watches any longer', async () => {
    const point = await scriptedPoint(() => page([]))
    const { services: { rendezvous } } = await clientNode({ points: [point.address], discoverInterval: 10 })
    const controllers = [new AbortController(), new AbortController()]
    const watched = controllers.map(async ({ signal }) => collect(rendezvous.watch('ns', { signal })).catch(() => {}))
    await expect.poll(() => point.requests.length).toBeGreaterThan(2)
    controllers[0]!.abort()
    await watched[0]
    const before = point.requests.length
    await expect.poll(() => point.requests.length).toBeGreaterThan(before + 2)
    controllers[1]!.abort()
    await watched[1]
    // answers come in order, so that after this one nothing is on its way
    await rendezvous.discoverPage('last', { point: point.address })
    const after = point.requests.length
    await new Promise(resolve => setTimeout(resolve, 60))

    expect(point.requests).toHaveLength(after)
  })

  it('waits for points when there are none', async () => {
    const point = await pointNode()
    const [watcher, alice] = await Promise.all([clientNode({ discoverInterval: 20 }), clientNode({ points: [addressOf(point)] })])
    await alice.services.rendezvous.register('ns')
    const next = watcher.services.rendezvous.watch('ns').next()
    await watcher.dial(point.getMultiaddrs())

    expect((await next).value.id.equals(alice.peerId)).toBe(true)
  })

  it('is not slowed down by a point that is silent', async () => {
    const silent = await rawPoint(() => {})
    const point = await pointNode()
    const watcher = await clientNode({ points: [silent.address, addressOf(point)], discoverInterval: 20 })
    const found = allEvents(watcher.services.rendezvous, 'peer')
    const watch = watcher.services.rendezvous.watch('ns')
    const next = watch.next()
    const start = performance.now()

    for (let count = 1; count <= 3; count++) {
      const alice = await clientNode({ points: [addressOf(point)] })
      await alice.services.rendezvous.register('ns')
      await expect.poll(() => found.length).toBe(count)
    }

    expect(performance.now() - start).toBeLessThan(5_000)
    await next
    await watch.return(undefined)
  })
})

describe('discoverPage', () => {
  afterEach(stopNodes)

  it('is one request, with the limit and the cookie it is given', async () => {
    const point = await scriptedPoint(() => page([], new Uint8Array([7])))
    const { services: { rendezvous } } = await clientNode()
    const { cookie } = await rendezvous.discoverPage('ns', { point: point.address })
    await rendezvous.discoverPage(undefined, { point: point.node.peerId, limit: 3, cookie: cookie! })

    expect(point.requests).toMatchObject([
      { type: MessageType.DISCOVER, discover: { ns: 'ns', limit: 500n } },
      { type: MessageType.DISCOVER, discover: { limit: 3n, cookie: new Uint8Array([7]) } }
    ])
    expect(point.requests[1]!.discover!.ns).toBeUndefined()
  })

  it('leaves E_INVALID_COOKIE to its caller', async () => {
    const point = await scriptedPoint(({ message }) => refusal(message, Status.E_INVALID_COOKIE))
    const { services: { rendezvous } } = await clientNode()

    await expect(rendezvous.discoverPage('ns', { point: point.address, cookie: new Uint8Array(8) })).rejects.toMatchObject({ name: 'InvalidCookieError' })
    expect(point.requests).toHaveLength(1)
  })
})
