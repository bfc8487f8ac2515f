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
