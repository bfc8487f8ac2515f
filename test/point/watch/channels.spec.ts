import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Channels } from '../../../src/point/watch/channels.ts'
import type { Subscription } from '../../../src/point/watch/channels.ts'

const subscription = (namespace: string): Subscription => ({ namespace, gone: undefined, resync: false })

describe('channels', () => {
  it('tells the first and the last subscription of a namespace', () => {
    const channels = new Channels()
    const [one, two] = [subscription('a'), subscription('a')]

    expect(channels.add(one)).toBe(true)
    expect(channels.add(two)).toBe(false)
    expect(channels.add(subscription('b'))).toBe(true)
    expect(channels.delete(one)).toBe(false)
    expect(channels.delete(one)).toBe(false)
    expect(channels.delete(two)).toBe(true)
    expect(channels.delete(two)).toBe(false)
    expect(channels.add(two)).toBe(true)
  })

  it('tells everybody in a namespace in which something happened, and nobody else, once', () => {
    const channels = new Channels()
    const [one, two, other] = [subscription('a'), subscription('a'), subscription('b')]
    ;[one, two, other].forEach(each => channels.add(each))
    channels.changed('a', [], 10)

    expect([...channels.take(10)]).toEqual([one, two])
    expect([...channels.take(10)]).toEqual([])
  })

  it('lets what happens gather until the time of the first', () => {
    const channels = new Channels()
    const one = subscription('a')
    channels.add(one)
    channels.changed('a', ['p'], 10)
    channels.changed('a', ['q'], 15)

    expect(channels.due).toBe(10)
    expect([...channels.take(9)]).toEqual([])
    expect([...channels.take(10)]).toEqual([one])
    expect(one.gone).toEqual(['p', 'q'])
    expect(channels.due).toBeUndefined()
  })

  it('keeps nothing of namespaces without subscriptions', () => {
    const channels = new Channels()
    const one = subscription('a')
    channels.changed('a', ['p'], 10)
    expect(channels.due).toBeUndefined()

    channels.add(one)
    channels.changed('a', ['q'], 10)
    channels.delete(one)
    expect(channels.due).toBeUndefined()

    channels.add(one)
    channels.changed('a', [], 20)
    expect([...channels.take(20)]).toEqual([one])
    expect(one.gone).toBeUndefined()
  })

  it('has a subscription that was not told of those who left before find out by itself', () => {
    const channels = new Channels()
    const [slow, quick] = [subscription('a'), subscription('a')]
    channels.add(slow)
    channels.add(quick)

    for (const peer of ['p', 'q']) {
      channels.changed('a', [peer], 0)
      expect([...channels.take(0)]).toHaveLength(2)
      expect(quick.gone).toEqual([peer])
      quick.gone = undefined
    }

    expect(slow).toMatchObject({ gone: ['p'], resync: true })
    expect(quick.resync).toBe(false)
  })

  it('has a subscription that reads slowly miss nothing when nobody has left', () => {
    const channels = new Channels()
    const slow = subscription('a')
    channels.add(slow)
    channels.changed('a', ['p'], 0)
    expect([...channels.take(0)]).toHaveLength(1)
    channels.changed('a', [], 0)
    expect([...channels.take(0)]).toHaveLength(1)

    expect(slow).toMatchObject({ gone: ['p'], resync: false })
  })

  it('has everybody find out when it is not known who left', () => {
    const channels = new Channels()
    const [one, other] = [subscription('a'), subscription('b')]
    channels.add(one)
    channels.add(other)
    channels.changed('a', ['p'], 0)
    channels.changed('a', undefined, 0)
    channels.changed('b', [], 0)
    expect([...channels.take(0)]).toHaveLength(2)

    expect(one).toMatchObject({ gone: undefined, resync: true })
    expect(other.resync).toBe(false)

    // and knows again who leaves next
    one.resync = false
    channels.changed('a', ['q'], 0)
    expect([...channels.take(0)]).toEqual([one])
    expect(one).toMatchObject({ gone: ['q'], resync: false })
  })

  it('names a thousand peers at the most', () => {
    const channels = new Channels()
    const one = subscription('a')
    channels.add(one)
    channels.changed('a', Array.from({ length: 1_000 }, (_, i) => `p${i}`), 0)
    expect([...channels.take(0)]).toHaveLength(1)
    expect(one.gone).toHaveLength(1_000)
    expect(one.resync).toBe(false)

    one.gone = undefined
    channels.changed('a', Array.from({ length: 1_001 }, (_, i) => `p${i}`), 0)
    expect([...channels.take(0)]).toHaveLength(1)
    expect(one).toMatchObject({ gone: undefined, resync: true })
  })

  it('tells each subscription of everybody who left, by name or by flag, whenever it is read', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('leave' as const), peer: fc.constantFrom('p', 'q', 'r') }),
      fc.record({ type: fc.constant('tell' as const) }),
      fc.record({ type: fc.constant('read' as const), who: fc.nat(2) })
    )

    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const channels = new Channels()
      const all = [0, 1, 2].map(() => ({ ...subscription('a'), missed: new Set<string>() }))
      const told = new Set<object>()
      all.forEach(each => channels.add(each))

      const read = (each: typeof all[number]): void => {
        if (told.delete(each)) {
          for (const peer of each.missed) {
            expect(each.resync || each.gone?.includes(peer)).toBe(true)
          }

          each.missed.clear()
          each.gone = undefined
          each.resync = false
        }
      }

      for (const [now, step] of steps.entries()) {
        if (step.type === 'leave') {
          channels.changed('a', [step.peer], now)
          all.forEach(each => each.missed.add(step.peer))
        } else if (step.type === 'tell') {
          [...channels.take(now)].forEach(each => told.add(each))
        } else {
          // what is waiting to be told is told before
          [...channels.take(now)].forEach(each => told.add(each))
          read(all[step.who] as typeof all[number])
        }
      }
    }))
  })
})
