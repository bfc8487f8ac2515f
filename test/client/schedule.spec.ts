import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { markDelay, MAX_TIMER, pollDelay, refreshDelay, retryDelay } from '../../src/client/schedule.ts'

const MINUTE = 60_000
const random = fc.double({ min: 0, max: 1, noNaN: true })

describe('refreshDelay', () => {
  it('is the buffer before the end, less a tenth at the most', () => {
    expect(refreshDelay(120 * MINUTE, 5 * MINUTE, 0)).toBe(115 * MINUTE)
    expect(refreshDelay(120 * MINUTE, 5 * MINUTE, 1)).toBeCloseTo(0.9 * 115 * MINUTE)
  })

  it('is half the TTL when that is sooner', () => {
    expect(refreshDelay(6 * MINUTE, 5 * MINUTE, 0)).toBe(3 * MINUTE)
  })

  it('is never less than half a minute', () => {
    expect(refreshDelay(1_000, 5 * MINUTE, 0)).toBe(30_000)
    expect(refreshDelay(MINUTE, 5 * MINUTE, 1)).toBe(30_000)
  })

  it('leaves at least half the TTL or the buffer, and never asks in the first four tenths', () => {
    fc.assert(fc.property(fc.integer({ min: MINUTE, max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 40 }), random, (ttl, buffer, random) => {
      const delay = refreshDelay(ttl, buffer, random)

      return delay <= ttl - Math.min(buffer, ttl / 2) && delay >= 0.44 * ttl
    }))
  })
})

/** Numbers as random as this needs, the same ones each time. */
function * numbers (): Generator<number, never> {
  for (let seed = 1; ;) {
    seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0
    yield seed / 2 ** 32
  }
}

/**
 * Clients that lose their point at the same instant, each of which tries again by itself until the point takes it.
 *
 * @param away - how long the point is away, in seconds
 * @param taken - how many it takes in a second, when it is back; it refuses others
 * @returns how many ask in each second after it is back
 */
function comeBack (clients: number, away: number, taken: number): number[] {
  const random = numbers()
  const tries: Array<Array<{ at: number, failures: number }>> = []
  const plan = (at: number, failures: number): void => {
    const next = at + retryDelay(failures, random.next().value)
    ;(tries[Math.floor(next / 1_000)] ??= []).push({ at: next, failures })
  }
  const asked: number[] = []
  let left = clients

  for (let i = 0; i < clients; i++) {
    plan(0, 1)
  }

  for (let second = 0; left > 0; second++) {
    const now = tries[second] ?? []
    let room = second < away ? 0 : taken

    // who is refused early may ask once more in the same second
    for (const { at, failures } of now) {
      if (room > 0) {
        room--
        left--
      } else {
        plan(at, failures + 1)
      }
    }

    if (second >= away) {
      asked.push(now.length)
    }
  }

  return asked
}

describe('100,000 clients whose point was away for a minute', () => {
  const CLIENTS = 100_000

  it('ask within about as long again, in no second more than three times what would be even', () => {
    const asked = comeBack(CLIENTS, 60, Infinity)

    expect(asked.length).toBeLessThanOrEqual(65)
    expect(Math.max(...asked)).toBeLessThan(3 * CLIENTS / 60)
  })

  it('are all registered in twice the time that it takes at the least, if it takes 200 in a second', () => {
    const asked = comeBack(CLIENTS, 60, 200)

    expect(asked.length).toBeLessThan(2 * CLIENTS / 200)
    expect(Math.max(...asked)).toBeLessThan(3 * CLIENTS / 60)
  })
})

describe('retryDelay', () => {
  it('doubles from a second to five minutes, of which half is left to chance', () => {
    expect([1, 2, 3, 8, 9, 10, 1000].map(failures => retryDelay(failures, 1))).toEqual([1, 2, 4, 128, 256, 300, 300].map(seconds => seconds * 1_000))
    expect(retryDelay(3, 0)).toBe(2_000)
  })

  it('tries again before what is held has lapsed', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), random, fc.integer({ min: 1_001, max: 10 * MINUTE }), (failures, random, left) => retryDelay(failures, random, left) < left))
  })

  it('leaves at least half a second between attempts', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), random, fc.double({ min: -1e6, max: 1e6, noNaN: true }), (failures, random, left) => retryDelay(failures, random, left) >= 500))
  })
})

describe('markDelay', () => {
  it('is five seconds at the most, of which half is left to chance', () => {
    expect([0, 1].map(markDelay)).toEqual([2_500, 5_000])
  })
})

describe('pollDelay', () => {
  it('is the interval, give or take a tenth', () => {
    expect(pollDelay(MINUTE, 4, 0)).toBeCloseTo(54_000)
    expect(pollDelay(MINUTE, 4, 1)).toBeCloseTo(66_000)
  })

  it('is short at first: 1, 2, 5 and 15 seconds after the first look', () => {
    let time = 0
    const times = Array.from({ length: 5 }, (_, looks) => (time += pollDelay(MINUTE, looks, 0.5)))

    expect(times).toEqual([1_000, 2_000, 5_000, 15_000, 75_000])
    expect(pollDelay(MINUTE, 0, 0)).toBeCloseTo(900)
    expect(pollDelay(MINUTE, 0, 1)).toBeCloseTo(1_100)
  })

  it('is never longer than the interval', () => {
    expect(pollDelay(2_000, 3, 0.5)).toBe(2_000)
  })

  it('is never more than a timer can wait', () => {
    expect(pollDelay(MAX_TIMER, 4, 1)).toBe(MAX_TIMER)
  })
})
