import * as lp from 'it-length-prefixed'
import * as varint from 'uint8-varint'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { clientNode, openStreams, stopNodes } from '../fixtures/nodes.ts'
import { granted, page, rawPoint, scriptedPoint, send } from '../fixtures/scripted-point.ts'

const { MessageType } = Message

// One stream for as long as the point leaves it open, and another when it does not (CONTEXT.md).
describe('the stream to a point', () => {
  afterEach(stopNodes)

  it('is another when the point has closed it between requests', async () => {
    const point = await scriptedPoint(() => granted())
    const node = await clientNode({ points: [point.address] })
    const { rendezvous } = node.services

    await rendezvous.register('one')
    await point.streams[0]!.close()
    await expect.poll(() => openStreams(node)).toEqual([])
    await rendezvous.register('two')

    expect(point.requests.map(({ register }) => register?.ns)).toEqual(['one', 'two'])
    expect(point.streams).toHaveLength(2)
  })

  it('is another when the point has reset it between requests', async () => {
    const point = await scriptedPoint(() => granted())
    const node = await clientNode({ points: [point.address] })
    const { rendezvous } = node.services

    await rendezvous.register('one')
    point.streams[0]!.abort(new Error('bye'))
    await rendezvous.register('two')

    expect(point.requests.map(({ register }) => register?.ns)).toEqual(['one', 'two'])
    expect(point.streams).toHaveLength(2)
  })

  it.each([
    ['closes', 'close'] as const,
    ['resets', 'abort'] as const
  ])('is tried once more, on another, when the point %s a used one during a request', async (_, ending) => {
    const point = await scriptedPoint(async ({ stream, index }) => {
      if (index === 1) {
        await stream[ending](new Error('bye') as any)

        return
      }

      return granted()
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('one')
    await expect(rendezvous.register('two')).resolves.toHaveLength(1)

    expect(point.requests.map(({ register }) => register?.ns)).toEqual(['one', 'two', 'two'])
    expect(point.streams).toHaveLength(2)
  })

  it('is not tried again when it was fresh', async () => {
    const point = await scriptedPoint(async ({ stream }) => { await stream.close() })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
    expect(point.requests).toHaveLength(1)
    expect(point.streams).toHaveLength(1)
  })

  it('is not tried again for a response that is too long, which would be no shorter', async () => {
    const point = await scriptedPoint(({ stream, index }) => {
      if (index === 1) {
        stream.send(varint.encode(4 * 1024 * 1024 + 1))

        return
      }

      return granted()
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('one')
    await expect(rendezvous.discoverPage('two', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
    expect(point.requests).toHaveLength(2)
    expect(point.streams).toHaveLength(1)
  })

  it('serves those that wait as well when the point ends it during the first of three', async () => {
    const point = await scriptedPoint(({ stream, index }) => {
      if (index === 1) {
        stream.abort(new Error('bye'))

        return
      }

      return granted()
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('first')
    await Promise.all(['one', 'two', 'three'].map(async ns => rendezvous.register(ns)))

    expect(point.requests.map(({ register }) => register?.ns)).toEqual(['first', 'one', 'one', 'two', 'three'])
    expect(point.streams).toHaveLength(2)
  })

  it('leads to no storm when every stream is reset', async () => {
    const point = await scriptedPoint(({ stream }) => { stream.abort(new Error('bye')) })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const failed = await Promise.allSettled(Array.from({ length: 10 }, async (_, index) => rendezvous.discoverPage(`ns-${index}`, { point: point.address })))

    expect(failed.every(({ status }) => status === 'rejected')).toBe(true)
    expect(point.requests).toHaveLength(10)
  })

  it('is one, and its requests one after the other, when many are made at once', async () => {
    let open = 0
    let most = 0
    const point = await scriptedPoint(async ({ message }) => {
      most = Math.max(most, ++open)
      await new Promise(resolve => setImmediate(resolve))
      open--

      return message.type === MessageType.REGISTER ? granted() : page([])
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await Promise.all([
      ...Array.from({ length: 10 }, async (_, index) => rendezvous.register(`ns-${index}`)),
      ...Array.from({ length: 10 }, async (_, index) => rendezvous.discoverPage(`ns-${index}`, { point: point.address }))
    ])

    expect(most).toBe(1)
    expect(point.streams).toHaveLength(1)
    expect(point.requests).toHaveLength(20)
  })

  it('is another after a request that took too long, so that its late answer is nobody else\'s', async () => {
    const late = Promise.withResolvers<void>()
    const point = await rawPoint(async stream => {
      for await (const bytes of lp.decode(stream)) {
        const { discover } = Message.decode(bytes)

        if (discover?.ns === 'slow') {
          late.promise.then(() => { send(stream, page([], new TextEncoder().encode('slow'))) }).catch(() => {})
        } else {
          if (discover?.ns === 'after') {
            late.resolve()
          }

          send(stream, page([], new TextEncoder().encode(discover!.ns)))
        }
      }
    })
    const node = await clientNode({ points: [point.address], timeout: 200 })
    const { rendezvous } = node.services

    await rendezvous.discoverPage('before', { point: point.address })
    await expect(rendezvous.discoverPage('slow', { point: point.address })).rejects.toMatchObject({ name: 'TimeoutError' })
    const { cookie } = await rendezvous.discoverPage('after', { point: point.address })

    expect(new TextDecoder().decode(cookie)).toBe('after')
    expect(point.streams).toHaveLength(2)
    expect(openStreams(node)).toHaveLength(1)
  })

  it('is another after a request that its caller has aborted', async () => {
    const asked = Promise.withResolvers<void>()
    const point = await scriptedPoint(({ message }) => {
      if (message.discover?.ns === 'slow') {
        asked.resolve()

        return
      }

      return page([])
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const controller = new AbortController()
    const aborted = rendezvous.discoverPage('slow', { point: point.address, signal: controller.signal })
    const waiting = rendezvous.discoverPage('next', { point: point.address })
    await asked.promise
    controller.abort()

    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    await expect(waiting).resolves.toMatchObject({ peers: [] })
  })

  it('is left alone by a request that is aborted while it waits', async () => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const point = await scriptedPoint(async () => {
      asked.resolve()
      await answer.promise

      return page([])
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const controller = new AbortController()
    const first = rendezvous.discoverPage('first', { point: point.address })
    const second = rendezvous.discoverPage('second', { point: point.address, signal: controller.signal })
    await asked.promise
    controller.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    answer.resolve()

    await expect(first).resolves.toMatchObject({ peers: [] })
    expect(point.requests).toHaveLength(1)
    expect(point.streams).toHaveLength(1)
  })

  it('is another, on another connection, after the connection was lost', async () => {
    const point = await scriptedPoint(() => page([]))
    const node = await clientNode({ points: [point.address] })
    const { rendezvous } = node.services

    await rendezvous.discoverPage('one', { point: point.address })
    await Promise.all(node.getConnections().map(async connection => connection.close()))
    await rendezvous.discoverPage('two', { point: point.address })

    expect(point.requests).toHaveLength(2)
    expect(point.streams).toHaveLength(2)
  })
})
