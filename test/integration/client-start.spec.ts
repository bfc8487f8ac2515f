import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { addressOf, clientNode, collect, plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { granted, page, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'

const { MessageType, ResponseStatus: Status } = Message

describe('a client that is given points and namespaces', () => {
  afterEach(stopNodes)

  it('dials, registers, discovers and reports, with nothing more said', async () => {
    const points = await Promise.all([pointNode(), pointNode()])
    const init = { points: points.map(addressOf), namespaces: ['one', 'two'], discoverInterval: 20 }
    const alice = await clientNode(init)
    const bob = await clientNode(init)
    const peers = allEvents(bob.services.rendezvous, 'peer')

    await expect.poll(() => points.map(({ services }) => services.point.size.registrations)).toEqual([4, 4])
    await expect.poll(() => peers.map(({ id, namespace }) => `${id} ${namespace}`).sort()).toEqual([
      `${alice.peerId} one`, `${alice.peerId} two`
    ])
    expect(bob.services.rendezvous.discovered).toHaveLength(2)
    expect(bob.services.rendezvous.registrations).toHaveLength(4)
  })

  it('goes on reporting who comes later', async () => {
    const point = await pointNode()
    const init = { points: [addressOf(point)], namespaces: ['ns'], discoverInterval: 20 }
    const bob = await clientNode(init)
    const peers = allEvents(bob.services.rendezvous, 'peer')

    for (let count = 1; count <= 3; count++) {
      const late = await clientNode(init)
      await expect.poll(() => peers.map(({ id }) => id.toString())).toContain(late.peerId.toString())
    }

    expect(peers).toHaveLength(3)
  })

  it('polls with the cookie of the page before', async () => {
    let pages = 0
    const enough = Promise.withResolvers<void>()
    const point = await scriptedPoint(({ message }) => {
      if (message.type !== MessageType.DISCOVER) {
        return granted()
      }

      if (++pages === 4) {
        enough.resolve()
      }

      return page([], new TextEncoder().encode(`${pages}`))
    })
    await clientNode({ points: [point.address], namespaces: ['ns'], discoverInterval: 10 })
    await enough.promise

    const cookies = point.requests.filter(({ discover }) => discover != null).map(({ discover }) => new TextDecoder().decode(discover!.cookie))
    expect(cookies.slice(0, 4)).toEqual(['', '1', '2', '3'])
  })

  it('keeps trying a point that is not there yet', async () => {
    const point = await pointNode({}, { start: false })
    const listen = '/memory/not-there-yet'
    const late = await pointNode({}, { privateKey: (point as any).components.privateKey, addresses: { listen: [listen] }, start: false })
    const node = await clientNode({ points: [`${listen}/p2p/${late.peerId}`], namespaces: ['ns'] })
    const { rendezvous } = node.services
    const failure = await nextEvent(rendezvous, 'registration:failed')
    expect(failure).toMatchObject({ namespace: 'ns', willRetry: true })
    expect(failure.point.equals(late.peerId)).toBe(true)
    await late.start()

    await expect.poll(() => rendezvous.registrations.length, { timeout: 5_000 }).toBe(1)
  })

  it('registers again at a point that was lost and has forgotten it', async () => {
    const address = '/memory/restarting'
    const first = await pointNode({}, { addresses: { listen: [address] } })
    const node = await clientNode({ points: [addressOf(first)], namespaces: ['ns'] })
    await nextEvent(node.services.rendezvous, 'registration:granted')
    const { privateKey } = (first as any).components
    await first.stop()
    const second = await pointNode({}, { addresses: { listen: [address] }, privateKey })

    await expect.poll(() => second.services.point.size.registrations, { timeout: 5_000 }).toBe(1)
    expect(node.services.rendezvous.registrations).toHaveLength(1)
  })

  it('reports a refusal that cannot be mended once', async () => {
    const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? refusal(message, Status.E_NOT_AUTHORIZED, 'no') : page([]))
    const node = await clientNode({ points: [point.address], namespaces: ['ns'], discoverInterval: 10 })
    const failures = allEvents(node.services.rendezvous, 'registration:failed')
    await expect.poll(() => point.requests.filter(({ type }) => type === MessageType.DISCOVER).length).toBeGreaterThan(5)

    expect(failures).toMatchObject([{ namespace: 'ns', willRetry: false, error: { name: 'NotAuthorizedError', statusText: 'no' } }])
    expect(point.requests.filter(({ type }) => type === MessageType.REGISTER)).toHaveLength(1)
  })

  it('takes several addresses of one point for one point', async () => {
    const point = await pointNode()
    const address = addressOf(point)
    const node = await clientNode({ points: [`/memory/wrong/p2p/${point.peerId}`, address] })

    expect(await node.services.rendezvous.register('ns')).toHaveLength(1)
  })

  it('uses only the points it was given', async () => {
    const [given, other] = await Promise.all([pointNode(), pointNode()])
    const node = await clientNode({ points: [addressOf(given)], namespaces: ['ns'] })
    await node.dial(other.getMultiaddrs())
    await nextEvent(node.services.rendezvous, 'registration:granted')
    await collect(node.services.rendezvous.discover('ns'))

    expect(node.services.rendezvous.registrations.map(({ point }) => point.toString())).toEqual([given.peerId.toString()])
    expect(other.services.point.size.registrations).toBe(0)
  })
})

describe('a client that is given no points', () => {
  afterEach(stopNodes)

  it('uses every connected peer that speaks the protocol, and none that does not', async () => {
    const points = await Promise.all([pointNode(), pointNode()])
    const plain = await plainNode()
    const node = await clientNode({ namespaces: ['ns'] })
    const { rendezvous } = node.services
    await node.dial(plain.getMultiaddrs())
    await expect(rendezvous.register('other')).rejects.toMatchObject({ name: 'NoPointsError' })
    await expect(collect(rendezvous.discover('other'))).rejects.toMatchObject({ name: 'NoPointsError' })
    await Promise.all(points.map(async point => node.dial(point.getMultiaddrs())))

    await expect.poll(() => points.map(({ services }) => services.point.size.registrations)).toEqual([2, 2])
    expect(rendezvous.registrations).toHaveLength(4)
  })

  it('lets what a point held lapse when it goes, and registers again when it returns', async () => {
    const point = await pointNode()
    const node = await clientNode({ namespaces: ['ns'] })
    const { rendezvous } = node.services
    await node.dial(point.getMultiaddrs())
    await nextEvent(rendezvous, 'registration:granted')
    await node.hangUp(point.peerId)
    await expect.poll(async () => rendezvous.discover('ns').next().catch(err => err.name)).toBe('NoPointsError')
    expect(rendezvous.registrations).toHaveLength(1)

    const again = nextEvent(rendezvous, 'registration:granted', ({ namespace }) => namespace === 'ns')
    await node.dial(point.getMultiaddrs())
    await again
  })

  it('does not register again where it was unregistered by name, until it is told to', async () => {
    const points = await Promise.all([pointNode(), pointNode()])
    const [left, kept] = points as [typeof points[0], typeof points[0]]
    const node = await clientNode({ namespaces: ['ns'] })
    const { rendezvous } = node.services
    await Promise.all(points.map(async point => node.dial(point.getMultiaddrs())))
    await expect.poll(() => rendezvous.registrations.length).toBe(2)
    await rendezvous.unregister('ns', { point: left.peerId })
    await Promise.all(points.map(async point => node.hangUp(point.peerId)))
    await expect.poll(async () => rendezvous.discover('ns').next().catch(err => err.name)).toBe('NoPointsError')
    const again = nextEvent(rendezvous, 'registration:granted')
    await node.dial(left.getMultiaddrs())
    await node.dial(kept.getMultiaddrs())

    expect((await again).point.equals(kept.peerId)).toBe(true)
    expect(left.services.point.size.registrations).toBe(0)
    // the other may be the first to grant it
    await rendezvous.register('ns')
    await expect.poll(() => left.services.point.size.registrations).toBe(1)
  })

  it('asks a point that has refused it for good again only when it comes back', async () => {
    const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? refusal(message, Status.E_NOT_AUTHORIZED) : page([]))
    const node = await clientNode({ namespaces: ['ns'], discoverInterval: 10 })
    const failures = allEvents(node.services.rendezvous, 'registration:failed')

    for (const times of [1, 2]) {
      await node.dial(point.node.getMultiaddrs())
      await expect.poll(() => failures.length).toBe(times)
      await node.hangUp(point.node.peerId)
    }

    expect(point.requests.filter(({ type }) => type === MessageType.REGISTER)).toHaveLength(2)
  })

  it('finds at a point what it is told to find there by name', async () => {
    const point = await pointNode()
    const [alice, bob] = await Promise.all([clientNode(), clientNode()])
    await alice.services.rendezvous.register('ns', { point: addressOf(point) })

    for (const name of [addressOf(point), point.getMultiaddrs()[0]!, point.peerId, point.peerId.toString()]) {
      expect(await collect(bob.services.rendezvous.discover('ns', { point: name }))).toHaveLength(1)
    }
  })

  it('returns by itself to a point that it registered at by name', async () => {
    const point = await pointNode()
    const node = await clientNode()
    await node.services.rendezvous.register('ns', { point: addressOf(point) })
    const again = nextEvent(node.services.rendezvous, 'registration:granted')
    await Promise.all(point.getConnections().map(async connection => connection.close()))

    expect((await again).point.equals(point.peerId)).toBe(true)
  })
})
