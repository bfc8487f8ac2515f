import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { addressOf, clientNode, openStreams, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { granted, page, rawPoint, scriptedPoint } from '../fixtures/scripted-point.ts'
import type { ClientNode } from '../fixtures/nodes.ts'

const { MessageType } = Message
const NOWHERE = '/memory/nowhere/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq'

function timers (): number {
  return process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
}

/** Stops the client but not its node, so that what it leaves behind is its own. */
async function stopClient ({ services: { rendezvous } }: ClientNode): Promise<number> {
  const start = performance.now()
  await (rendezvous as any).beforeStop()
  await (rendezvous as any).stop()

  return performance.now() - start
}

describe('a client that stops', () => {
  afterEach(stopNodes)

  it('leaves no timer, listener or stream behind, whatever it was doing', async () => {
    const asked = Promise.withResolvers<void>()
    const silent = await rawPoint(() => { asked.resolve() })
    const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? granted() : page([]))
    const before = timers()

    const stopping = await clientNode({ points: [point.address, silent.address], namespaces: ['one', 'two'], discoverInterval: 10, timeout: 300 })
    const { signal } = new AbortController()
    const busy = stopping.services.rendezvous
    const watched = (async () => {
      for await (const peer of busy.watch('ns', { signal })) {
        expect(peer).toBeUndefined()
      }
    })()
    const pending = [
      busy.register('ns', { signal }),
      busy.discoverPage('ns', { point: silent.address, signal }),
      (async () => {
        for await (const peer of busy.discover('ns', { signal })) {
          expect(peer).toBeUndefined()
        }
      })(),
      busy.unregister('other', { signal })
    ].map(async work => work.then(() => 'done', err => err.name))
    await busy.register('granted', { point: point.address })
    await asked.promise
    await stopClient(stopping)
    await watched
    await Promise.all(pending)

    expect(openStreams(stopping)).toEqual([])
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(busy.registrations).toEqual([])
    expect(busy.discovered).toEqual([])

    await stopping.stop()
    await expect.poll(timers).toBeLessThanOrEqual(before)
  })

  it('takes its listener from the node\'s events and its topology from the registrar', async () => {
    const node = await clientNode()
    const components = (node as any).components
    const topologies = (): number => components.registrar.getTopologies('/rendezvous/1.0.0').length
    expect(getEventListeners(components.events, 'self:peer:update').length).toBeGreaterThan(0)
    const listeners = getEventListeners(components.events, 'self:peer:update').length
    expect(topologies()).toBe(1)

    await stopClient(node)

    expect(getEventListeners(components.events, 'self:peer:update')).toHaveLength(listeners - 1)
    expect(topologies()).toBe(0)
  })

  it('unregisters everywhere it is registered', async () => {
    const points = await Promise.all([pointNode(), pointNode()])
    const node = await clientNode({ points: points.map(addressOf), namespaces: ['one', 'two'] })
    await expect.poll(() => points.map(({ services }) => services.point.size.registrations)).toEqual([2, 2])

    await node.stop()

    expect(points.map(({ services }) => services.point.size.registrations)).toEqual([0, 0])
  })

  it('unregisters what it asked for and was not answered', async () => {
    const asked = Promise.withResolvers<void>()
    const point = await scriptedPoint(async ({ message }) => {
      if (message.type === MessageType.REGISTER) {
        asked.resolve()
      }
    })
    const node = await clientNode({ points: [point.address] })
    const registered = node.services.rendezvous.register('ns').catch(err => err.name)
    await asked.promise
    await node.stop()

    expect(await registered).toBe('AbortError')
    expect(point.requests.map(({ type }) => type)).toEqual([MessageType.REGISTER, MessageType.UNREGISTER])
  })

  it('ends within its time when a point hangs', async () => {
    const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? granted() : undefined)
    const hanging = await scriptedPoint(async ({ index }) => index < 10 ? granted() : new Promise(() => {}))
    const node = await clientNode({ points: [hanging.address, point.address], timeout: 300 })
    await Promise.all(Array.from({ length: 10 }, async (_, index) => node.services.rendezvous.register(`ns-${index}`)))

    expect(await stopClient(node)).toBeLessThan(1_000)
    expect(point.requests.filter(({ type }) => type === MessageType.UNREGISTER)).toHaveLength(10)
    expect(openStreams(node)).toEqual([])
  })

  it('does not wait for a point that it cannot even reach', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [NOWHERE, addressOf(point)], namespaces: ['ns'] })
    await expect.poll(() => point.services.point.size.registrations).toBe(1)

    expect(await stopClient(node)).toBeLessThan(500)
    expect(point.services.point.size.registrations).toBe(0)
  })

  it('can be stopped before it has done anything, and twice', async () => {
    const node = await clientNode()

    await stopClient(node)
    await stopClient(node)
    expect((node.services.rendezvous as any).isStarted()).toBe(false)
  })

  it('does its work again when it is started again', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [addressOf(point)], namespaces: ['ns'], discoverInterval: 20 })
    const { rendezvous } = node.services
    await expect.poll(() => rendezvous.registrations.length).toBe(1)
    await rendezvous.register('for-now')
    await node.stop()
    expect(rendezvous.registrations).toEqual([])
    await node.start()

    await expect.poll(() => rendezvous.registrations.map(({ namespace }) => namespace)).toEqual(['ns'])
    expect(point.services.point.size.registrations).toBe(1)
  })

  it.each<[string, (node: ClientNode) => Promise<unknown>]>([
    ['register', async ({ services }) => services.rendezvous.register('ns')],
    ['unregister', async ({ services }) => services.rendezvous.unregister('ns')],
    ['discover', async ({ services }) => services.rendezvous.discover('ns').next()],
    ['watch', async ({ services }) => services.rendezvous.watch('ns').next()],
    ['discoverPage', async ({ services }) => services.rendezvous.discoverPage('ns', { point: NOWHERE })]
  ])('refuses to %s from then on', async (_, call) => {
    const node = await clientNode()
    await node.stop()

    await expect(call(node)).rejects.toMatchObject({ name: 'NotStartedError' })
  })
})
