import { afterEach, describe, expect, it } from 'vitest'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'

describe('a point and its peers', () => {
  afterEach(stopNodes)

  it('finds a peer that has registered', async () => {
    const point = await pointNode()
    const points = [addressOf(point)]
    const [alice, bob] = await Promise.all([clientNode({ points }), clientNode({ points })])

    const registrations = await alice.services.rendezvous.register('my-app')
    const found = await collect(bob.services.rendezvous.discover('my-app'))

    expect(registrations).toHaveLength(1)
    expect(registrations[0]).toMatchObject({ namespace: 'my-app', ttl: 2 * 60 * 60 * 1000 })
    expect(found.map(peer => peer.id.toString())).toEqual([alice.peerId.toString()])
    await expect(bob.dial(found[0]!.id)).resolves.toBeDefined()
  })

  it('does not find a peer that has unregistered', async () => {
    const point = await pointNode()
    const points = [addressOf(point)]
    const [alice, bob] = await Promise.all([clientNode({ points }), clientNode({ points })])

    await alice.services.rendezvous.register('my-app')
    await alice.services.rendezvous.unregister('my-app')

    expect(await collect(bob.services.rendezvous.discover('my-app'))).toEqual([])
    expect(alice.services.rendezvous.registrations).toEqual([])
    expect(point.services.point.size.registrations).toBe(0)
  })

  it('never lists the peer that asks', async () => {
    const point = await pointNode()
    const alice = await clientNode({ points: [addressOf(point)] })

    await alice.services.rendezvous.register('my-app')

    expect(await collect(alice.services.rendezvous.discover('my-app'))).toEqual([])
  })

  it('registers and discovers by itself what the init names', async () => {
    const point = await pointNode()
    const init = { points: [addressOf(point)], namespaces: ['my-app'], discoverInterval: 50 }
    const alice = await clientNode(init)
    const bob = await clientNode(init)
    const [foundByAlice, foundByBob] = await Promise.all([alice, bob].map(async node => {
      const watch = node.services.rendezvous.watch('my-app')
      const { value } = await watch.next()
      await watch.return(undefined)

      return value.id.toString()
    }))

    expect(foundByAlice).toBe(bob.peerId.toString())
    expect(foundByBob).toBe(alice.peerId.toString())
  })

  it('takes every connected peer that speaks the protocol for a point when none is configured', async () => {
    const point = await pointNode()
    const alice = await clientNode({ namespaces: ['my-app'] })
    const granted = new Promise<CustomEvent>(resolve => {
      alice.services.rendezvous.addEventListener('registration:granted', resolve)
    })

    await alice.dial(point.getMultiaddrs())

    expect((await granted).detail.point.toString()).toBe(point.peerId.toString())
  })

  it('unregisters when it stops', async () => {
    const point = await pointNode()
    const alice = await clientNode({ points: [addressOf(point)] })

    await alice.services.rendezvous.register('one')
    await alice.services.rendezvous.register('two')
    expect(point.services.point.size.registrations).toBe(2)
    await alice.stop()

    expect(point.services.point.size.registrations).toBe(0)
  })
})
