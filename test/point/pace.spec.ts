import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Pace } from '../../src/point/pace.ts'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

/** Serves a request that takes so many milliseconds. */
function serve (pace: Pace, ms: number): Promise<void> | undefined {
  pace.begin()
  vi.advanceTimersByTime(ms)

  return pace.end()
}

describe('the pace of a point', () => {
  it('lets requests follow each other for a while, and then lets others have a turn', async () => {
    const pace = new Pace()

    expect([1, 1, 1, 1, 1].map(ms => serve(pace, ms))).toEqual([undefined, undefined, undefined, undefined, undefined])
    const rest = serve(pace, 1)
    expect(rest).toBeInstanceOf(Promise)

    await vi.advanceTimersByTimeAsync(0)
    await rest
    expect(serve(pace, 5)).toBeUndefined()
  })

  it('has all streams rest together, once', async () => {
    const pace = new Pace()
    const rests = [serve(pace, 6), serve(pace, 1), serve(pace, 1)]

    expect(new Set(rests).size).toBe(1)
    await vi.advanceTimersByTimeAsync(0)
    await Promise.all(rests)
    expect(serve(pace, 4)).toBeUndefined()
    expect(serve(pace, 4)).toBeInstanceOf(Promise)
  })

  it('begins anew when nothing was asked for a while', () => {
    const pace = new Pace()
    expect(serve(pace, 4)).toBeUndefined()
    vi.advanceTimersByTime(2)

    expect(serve(pace, 4)).toBeUndefined()
  })

  it('counts a request that takes long by itself', () => {
    expect(serve(new Pace(), 100)).toBeInstanceOf(Promise)
  })
})
