import { peerDiscoverySymbol } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { WatchEvent, WatchRequest } from '../../src/protocol/watch.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import { addressOf, clientNode, openStreams, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeer } from '../fixtures/peers.ts'
import { granted, listing, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import { nothing, watchPoint } from '../fixtures/watch-point.ts'
import { WATCH_PROTOCOL } from '../fixtures/watcher.ts'
import type { RendezvousClientInit } from '../../src/index.ts'
import type { ClientNode, PointNode } from '../fixtures/nodes.ts'
import type { Tell } from '../fixtures/watch-point.ts'
import type { PeerDiscoveryProvider, Stream } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

const MINUTE = 60_000

afterEach(stopNodes)

const ids = (node: ClientNode): string[] => node.services.rendezvous.discovered.map(({ id }) => id.toString())

/** A node that would not look again by itself as long as a test takes. */
async function start (points: Array<PointNode | string>, init: RendezvousClientInit = {}, options?: Libp2pOptions): Promise<ClientNode> {
  return clientNode({
    points: points.map(point => typeof point === 'string' ? point : addressOf(point)),
    discoverInterval: 60 * MINUTE,
    ...init
  }, options)
}

/** Ends a node's connections without a word, as when its process is killed. */
function kill (node: ClientNode): void {
  node.getConnections().forEach(connection => { connection.abort(new Error('killed')) })
}

/** Two nodes that know each other. */
async function meet (points: PointNode[], init: RendezvousClientInit = {}): Promise<[ClientNode, ClientNode]> {
  const [one, two] = await Promise.all([start(points, { namespaces: ['x'], ...init }), start(points, { namespaces: ['x'] })])
  await expect.poll(() => [ids(one), ids(two)]).toEqual([[two.peerId.toString()], [one.peerId.toString()]])

  return [one, two]
}

describe('a client of a point that tells', () => {
  it('finds those that start with it, and asks for nothing', async () => {
    const point = await pointNode()
    const asked = allEvents(point.services.point, 'discover:served')
    const [one] = await meet([point])

    expect(asked).toEqual([])
    expect(openStreams(one)).toHaveLength(2)
  })

  it('hears at once of one that unregisters', async () => {
    const point = await pointNode()
    const [one, two] = await meet([point])
    const gone = nextEvent(one.services.rendezvous, 'peer:expired')
    await two.services.rendezvous.unregister('x')

    expect((await gone).id.equals(two.peerId)).toBe(true)
    expect(ids(one)).toEqual([])
  })

  it('hears at once of one that stops, and again when another of the same id starts', async () => {
    const point = await pointNode()
    const [one, two] = await meet([point])
    const found = nextEvent(one.services.rendezvous, 'peer')
    await two.stop()
    await expect.poll(() => ids(one)).toEqual([])
    await two.start()

    expect((await found).id.equals(two.peerId)).toBe(true)
  })

  it('hears of one that was killed after the grace, when that was live', async () => {
    const point = await pointNode({ presence: { grace: 100 } })
    const asked = allEvents(point.services.point, 'discover:served')
    let isDead = false
    const two = await start([point], { register: ['x'] }, { connectionGater: { denyDialMultiaddr: () => isDead } })
    const one = await start([point], { discover: ['x'] })
    await expect.poll(() => ids(one)).toEqual([two.peerId.toString()])
    const gone = nextEvent(one.services.rendezvous, 'peer:expired')
    // from here on nobody hears of it
    isDead = true
    kill(two)

    expect((await gone).id.equals(two.peerId)).toBe(true)
    expect(asked).toEqual([])
  })

  it('hears of nobody who was away for less than the grace', async () => {
    const point = await pointNode({ presence: { grace: MINUTE } })
    const [one, two] = await meet([point])
    const heard = [allEvents(one.services.rendezvous, 'peer:expired'), allEvents(one.services.rendezvous, 'peer')]
    kill(two)
    await two.dial(point.getMultiaddrs())
    await expect.poll(() => openStreams(two).length).toBeGreaterThan(0)

    expect(heard).toEqual([[], []])
    expect(ids(one)).toEqual([two.peerId.toString()])
  })

  it('has one stream for all namespaces, also those that are watched later, and ends what nobody watches', async () => {
    const point = await watchPoint(nothing)
    const node = await start([point.address], { discover: ['a', 'b'], live: false })
    const watching = node.services.rendezvous.watch('c')
    const next = watching.next()
    await expect.poll(() => point.told.map(({ subscribe }) => subscribe?.ns)).toEqual(['a', 'b', 'c'])

    const peer = await makePeer()
    point.tell({ id: 3, registrations: [await listed(peer, 'c')] })
    expect((await next).value.id.equals(peer.peerId)).toBe(true)
    await watching.return(undefined)
    await expect.poll(() => point.told.slice(3)).toMatchObject([{ unsubscribe: { id: 3 } }])
    expect(point.watchStreams).toHaveLength(1)
    expect(point.discovers).toBe(0)
  })

  it('polls where a point does not tell', async () => {
    const peer = await makePeer()
    const point = await scriptedPoint(listing(async () => [await listed(peer, 'ns')]))
    const node = await start([point.address], { discover: ['ns'] })

    await expect.poll(() => ids(node)).toEqual([peer.peerId.toString()])
  })

  it('listens to a point that has learnt to tell meanwhile, and asks one that has unlearnt it', async () => {
    const point = await scriptedPoint(listing(() => []))
    const node = await start([point.address], { discover: ['ns'], discoverInterval: 50 })
    await expect.poll(() => point.requests.length).toBeGreaterThan(2)
    const told: WatchRequest[] = []
    const streams: Stream[] = []
    await point.node.handle(WATCH_PROTOCOL, async stream => {
      streams.push(stream)

      for await (const bytes of lp.decode(stream)) {
        told.push(WatchRequest.decode(bytes))
        stream.send(lp.encode.single(WatchEvent.encode({ update: { id: 1, gone: [], registrations: [] } })))
      }
    })
    await node.hangUp(point.node.peerId)
    await expect.poll(() => told).toMatchObject([{ subscribe: { id: 1, ns: 'ns' } }])
    const asked = point.requests.length
    await point.node.unhandle(WATCH_PROTOCOL)
    streams.forEach(stream => { stream.abort(new Error('downgraded')) })

    await expect.poll(() => point.requests.length).toBeGreaterThan(asked + 2)
  })

  it('learns who is gone of a point that was restarted and has lost everything', async () => {
    const { privateKey } = await makePeer()
    const options = { privateKey, addresses: { listen: ['/memory/restarted'] } }
    const point = await pointNode({}, options)
    const [one, two] = await meet([point])
    const expired = allEvents(one.services.rendezvous, 'peer:expired')
    await point.stop()
    await two.stop()
    // the connection manager comes back to it in its own time
    await one.dial((await pointNode({}, options)).getMultiaddrs())

    await expect.poll(() => expired.map(({ id }) => id.toString()), { timeout: 10_000 }).toEqual([two.peerId.toString()])
  })

  it('takes nobody for gone whom another point lists', async () => {
    const points = [await pointNode(), await pointNode()]
    const [one, two] = await meet(points)
    const expired = allEvents(one.services.rendezvous, 'peer:expired')
    await expect.poll(() => points.map(({ services: { point } }) => point.size.registrations)).toEqual([2, 2])
    const [first, second] = points as [PointNode, PointNode]
    await two.services.rendezvous.unregister('x', { point: first.peerId })
    await expect.poll(() => one.services.rendezvous.discovered.map(({ point }) => point.toString())).toEqual([second.peerId.toString()])
    expect(expired).toEqual([])

    await two.services.rendezvous.unregister('x', { point: second.peerId })
    await expect.poll(() => expired).toHaveLength(1)
  })

  it('lists from the beginning where a cookie is refused, and takes those for gone who are not there', async () => {
    const [peer, lost, later] = await Promise.all([makePeer(), makePeer(), makePeer()])
    let life = 1
    const point = await watchPoint(async ({ subscribe }, tell) => {
      if (subscribe == null) {
        return
      }

      const { id = 0, cookie } = subscribe

      if (cookie != null && cookie[0] !== life) {
        tell({ id, status: WatchEvent.ResponseStatus.E_INVALID_COOKIE })
      } else {
        const registrations = await Promise.all((life === 1 ? [peer, lost] : [peer, later]).map(async one => listed(one, 'ns')))
        tell({ id, registrations: registrations.slice(0, 1), cookie: Uint8Array.of(life), more: true })
        tell({ id, registrations: registrations.slice(1), cookie: Uint8Array.of(life) })
      }
      // it may be asked while the stream is away, and what it lists then would be where to go on
    }, ({ message }) => message.discover == null ? granted(message.register?.ttl) : refusal(message, Message.ResponseStatus.E_UNAVAILABLE))
    const node = await start([point.address], { discover: ['ns'] })
    const expired = allEvents(node.services.rendezvous, 'peer:expired')
    await expect.poll(() => ids(node)).toEqual([peer, lost].map(({ peerId }) => peerId.toString()))
    life++
    point.watchStreams[0]?.abort(new Error('restarted'))

    await expect.poll(() => ids(node)).toEqual([peer, later].map(({ peerId }) => peerId.toString()))
    expect(expired.map(({ id }) => id.toString())).toEqual([lost.peerId.toString()])
    expect(point.told.map(({ subscribe }) => subscribe?.cookie?.[0])).toEqual([undefined, 1, undefined])
  })

  it('takes nobody for present whom the point has told to be gone while it was asked', async () => {
    const [peer, stays] = await Promise.all([makePeer(), makePeer()])
    let pages = [[peer, stays]]
    const point = await watchPoint(nothing, listing(async () => {
      const [page = []] = pages
      pages = []
      // what is listed is older by the time that it arrives
      point.tell({ id: 1, gone: page.slice(0, 1).map(({ peerId }) => peerId.toMultihash().bytes) })

      return Promise.all(page.map(async one => listed(one, 'ns')))
    }))
    const node = await start([point.address], { discover: ['ns'], live: false })
    await expect.poll(() => point.told.length).toBe(1)

    await Array.fromAsync(node.services.rendezvous.discover('ns'))

    expect(ids(node)).toEqual([stays.peerId.toString()])
  })

  it('polls where a subscription is refused, and tries again', async () => {
    const peer = await makePeer()
    let isFull = true
    const point = await watchPoint(({ subscribe }, tell) => {
      tell({ id: subscribe?.id ?? 0, ...(isFull ? { status: WatchEvent.ResponseStatus.E_UNAVAILABLE, statusText: 'full' } : {}) })
      isFull = false
    }, listing(async () => [await listed(peer, 'ns')]))
    const node = await start([point.address], { discover: ['ns'], live: false })

    await expect.poll(() => ids(node)).toEqual([peer.peerId.toString()])
    await expect.poll(() => point.told.length, { timeout: 5_000 }).toBe(2)
  })

  it('counts updates and listings from the beginning', async () => {
    const point = await pointNode()
    const { metrics, read } = readableMetrics()
    const node = await start([point], { namespaces: ['x'] }, { metrics })
    await expect.poll(async () => (await read('libp2p_rendezvous_client_watches_total'))['resync']).toBe(1)

    expect((await read('libp2p_rendezvous_client_watches_total'))['update']).toBeGreaterThan(0)
    expect(await read('libp2p_rendezvous_client_subscriptions')).toEqual({ libp2p_rendezvous_client_subscriptions: 1 })
    await node.stop()
  })

  it('ends its stream when it stops, without a reset', async () => {
    const point = await watchPoint(nothing)
    const node = await start([point.address], { discover: ['ns'] })
    await expect.poll(() => point.told.length).toBe(1)
    const [stream] = point.watchStreams
    await node.stop()

    await expect.poll(() => stream?.status).toBe('closed')
    await node.start()
    await expect.poll(() => point.watchStreams.length).toBe(2)
  })
})

describe('a client that is live', () => {
  /** Says that these are registered, whenever it is told that somebody is live. */
  const says = (namespaces: string[]) => (request: WatchRequest, tell: Tell): void => {
    nothing(request, tell)

    if (request.presence?.live === true) {
      tell({ event: { registered: { namespaces } } })
    }
  }
  const registers = ({ requests }: { requests: Message[] }): string[] => requests.flatMap(({ register }) => register?.ns ?? [])

  it('says so at a point where it keeps something registered, and nowhere else', async () => {
    const [keeps, follows] = [await watchPoint(nothing), await watchPoint(nothing)]
    const node = await start([keeps.address, follows.address], { discover: ['ns'] })
    await node.services.rendezvous.register('ns', { point: keeps.address })

    await expect.poll(() => keeps.told).toMatchObject([{ subscribe: {} }, { presence: { live: true } }])
    expect(follows.told).toMatchObject([{ subscribe: {} }])
  })

  it('has a stream for that alone where it follows nothing, until it keeps nothing', async () => {
    const point = await watchPoint(nothing)
    const node = await start([point.address], { register: ['ns'] })
    await expect.poll(() => point.told).toMatchObject([{ presence: { live: true } }])
    await node.services.rendezvous.unregister('ns')

    await expect.poll(() => point.watchStreams[0]?.status).toBe('closed')
  })

  it('does not say so when it is told not to be', async () => {
    const point = await watchPoint(nothing)
    const node = await start([point.address], { namespaces: ['ns'], live: false })
    await nextEvent(node.services.rendezvous, 'registration:granted')
    await expect.poll(() => point.told.length).toBe(1)
    await node.services.rendezvous.register('second')

    expect(point.told).toMatchObject([{ subscribe: {} }])
  })

  it('registers again what a point no longer has, and nothing that it has', async () => {
    const point = await watchPoint(says(['held']))
    const node = await start([point.address], { register: ['held', 'lost'] })
    await expect.poll(() => node.services.rendezvous.registrations.length).toBe(2)
    await expect.poll(() => point.told.length).toBe(1)
    const before = registers(point).length
    point.watchStreams[0]?.abort(new Error('lost'))

    await expect.poll(() => registers(point).slice(before), { timeout: 5_000 }).toEqual(['lost'])
  })

  it('asks no point that says what it has whether its cookies are still known, when that is back', async () => {
    const point = await pointNode()
    const asked = allEvents(point.services.point, 'discover:served')
    const refreshed = allEvents(point.services.point, 'registration:refreshed')
    const node = await start([point], { namespaces: ['one', 'two'] })
    const watching = (): number => point.getConnections(node.peerId).flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === WATCH_PROTOCOL).length
    await expect.poll(() => [node.services.rendezvous.registrations.length, watching()]).toEqual([2, 1])
    // it is told of somebody by the point, which is not asked from then on
    await Promise.all([nextEvent(node.services.rendezvous, 'peer'), start([point], { namespaces: ['one'] })])
    // what was asked before the point was known to tell is not about its return
    asked.splice(0)
    const before = [...node.getConnections(), ...point.getConnections(node.peerId)]
    kill(node)
    await expect.poll(() => before.filter(({ status }) => status === 'open').length).toBe(0)
    await node.dial(point.getMultiaddrs())
    await expect.poll(() => openStreams(node).length).toBeGreaterThan(0)
    await expect.poll(watching).toBe(1)

    expect([asked.filter(({ peer }) => node.peerId.equals(peer)), refreshed]).toEqual([[], []])
    expect(node.services.rendezvous.registrations).toHaveLength(2)
  })

  it('registers again what a point ends, and reports it', async () => {
    const point = await watchPoint(nothing)
    const node = await start([point.address], { register: ['ns'] })
    const { rendezvous } = node.services
    await expect.poll(() => point.told.length).toBe(1)
    await expect.poll(() => rendezvous.registrations.length).toBe(1)
    const [expired, failed, again] = [nextEvent(rendezvous, 'registration:expired'), nextEvent(rendezvous, 'registration:failed'), nextEvent(rendezvous, 'registration:granted')]
    point.tell({ event: { ended: { ns: 'ns', status: WatchEvent.ResponseStatus.E_UNAVAILABLE, statusText: 'others came' } } })

    expect(await expired).toMatchObject({ namespace: 'ns' })
    expect(await failed).toMatchObject({ namespace: 'ns', willRetry: true, error: { name: 'UnavailableError', statusText: 'others came' } })
    expect(await again).toMatchObject({ namespace: 'ns' })
  })

  it('keeps registered what a point ends that was not asked for it', async () => {
    const point = await watchPoint(nothing)
    const node = await start([point.address], { register: ['ns'] })
    const failed = allEvents(node.services.rendezvous, 'registration:failed')
    await expect.poll(() => point.told.length).toBe(1)
    point.tell({ event: { ended: { ns: 'other' } } })
    point.tell({ event: { registered: { namespaces: ['ns'] } } })
    // nobody asked a second time
    point.tell({ event: { registered: { namespaces: [] } } })
    await node.services.rendezvous.register('second')

    expect(registers(point)).toEqual(['ns', 'second'])
    expect(failed).toEqual([])
  })
})

describe('libp2p', () => {
  it('is told of a peer that is found as of any peer discovery, and its addresses stay certified', async () => {
    const peer = await makePeer()
    const point = await watchPoint(async ({ subscribe }, tell) => {
      tell({ id: subscribe?.id ?? 0, registrations: [await listed(peer, 'ns')] })
    })
    const node = await start([point.address], { discover: ['ns'], live: false })
    const discovered = nextEvent(node, 'peer:discovery', ({ id }) => id.equals(peer.peerId))
    const { [peerDiscoverySymbol]: discovery } = node.services.rendezvous as unknown as PeerDiscoveryProvider
    const found = nextEvent(discovery, 'peer')

    expect(await discovered).toMatchObject({ id: peer.peerId })
    expect(await found).toEqual({ id: peer.peerId, multiaddrs: [] })
    await new Promise(resolve => setImmediate(resolve))
    expect((await node.peerStore.get(peer.peerId)).addresses).toMatchObject([{ isCertified: true }])
  })
})
