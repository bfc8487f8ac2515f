import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Allowance } from '../../src/point/allowance.ts'
import { identity } from '../fixtures/records.ts'
import type { PeerId } from '@libp2p/interface'

const KIB = 1024

let alice: PeerId
let bob: PeerId

beforeAll(async () => {
  [alice, bob] = (await Promise.all([identity(), identity()])).map(({ peerId }) => peerId) as [PeerId, PeerId]
})

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

describe('an allowance', () => {
  it('lasts for so many requests, and tells how long to wait then', () => {
    const allowance = new Allowance({ requests: 3, interval: 1_000 })

    expect([1, 2, 3].map(() => allowance.request(alice))).toEqual([0, 0, 0])
    vi.advanceTimersByTime(400)
    expect(allowance.request(alice)).toBe(600)
  })

  it('is renewed after the interval', () => {
    const allowance = new Allowance({ requests: 1, interval: 1_000 })
    allowance.request(alice)
    expect(allowance.request(alice)).toBe(1_000)
    vi.advanceTimersByTime(1_000)

    expect(allowance.request(alice)).toBe(0)
  })

  it('is each peer\'s own', () => {
    const allowance = new Allowance({ requests: 1, interval: 1_000 })
    allowance.request(alice)

    expect(allowance.request(bob)).toBe(0)
    expect(allowance.request(alice)).toBeGreaterThan(0)
  })

  it('is spent by large responses too', () => {
    const allowance = new Allowance({ requests: 4, interval: 1_000 })
    const costs = (bytes: number): number => {
      allowance.clear()
      allowance.answer(alice, { response: new Uint8Array(bytes), work: 0 })
      let left = 0

      while (allowance.request(alice) === 0) {
        left++
      }

      return 4 - left
    }

    expect([0, 1, 32 * KIB - 1, 32 * KIB, 64 * KIB, 100 * KIB].map(costs)).toEqual([0, 0, 0, 1, 2, 3])
  })

  it.each<[string, number, (allowance: Allowance) => void]>([
    ['a stream', 2, allowance => { allowance.stream(alice) }],
    ['a stream that is reset', 10, allowance => { allowance.reset(alice) }],
    ['a look at who this node is', 10, allowance => { allowance.identify(alice) }],
    ['an answer without a response', 0, allowance => { allowance.answer(alice, { response: undefined, work: 0 }) }],
    ['a search through five pages', 4, allowance => { allowance.answer(alice, { response: undefined, work: 4 }) }]
  ])('is spent by %s', (_, cost, spend) => {
    const allowance = new Allowance({ requests: 20, interval: 1_000 })
    spend(allowance)
    let left = 0

    while (allowance.request(alice) === 0) {
      left++
    }

    expect(20 - left).toBe(cost)
  })

  it('is flooded by a hundred more than it allows', () => {
    const allowance = new Allowance({ requests: 10, interval: 1_000 })
    expect(allowance.isFlooded(alice)).toBe(false)

    for (let i = 0; i < 110; i++) {
      allowance.request(alice)
    }

    expect(allowance.isFlooded(alice)).toBe(false)
    allowance.request(alice)
    expect(allowance.isFlooded(alice)).toBe(true)
    expect(allowance.isFlooded(bob)).toBe(false)
    vi.advanceTimersByTime(1_000)
    expect(allowance.isFlooded(alice)).toBe(false)
  })

  it('remembers no peer longer than the interval, and none once cleared', () => {
    const allowance = new Allowance({ requests: 10, interval: 1_000 })
    allowance.request(alice)
    allowance.request(bob)
    expect(vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(1_000)
    expect(vi.getTimerCount()).toBe(0)
    allowance.request(alice)
    allowance.clear()
    expect(vi.getTimerCount()).toBe(0)
  })
})
