import { setImmediate } from 'node:timers/promises'
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

  describe('when it is time to rest', () => {
    let now = 0

    beforeEach(() => {
      vi.useRealTimers()
      vi.spyOn(performance, 'now').mockImplementation(() => now)
    })
    afterEach(() => { vi.restoreAllMocks() })

    /** Has so many requests come on streams of their own, each of which takes a millisecond. */
    function come (pace: Pace, count: number): number[] {
      const served: number[] = []

      for (let i = 0; i < count; i++) {
        const turn = pace.turn()
        const answer = (): void => {
          served.push(i)
          pace.begin()
          now++
          pace.end()?.catch(() => {})
        }

        if (turn == null) {
          answer()
        } else {
          turn.then(answer).catch(() => {})
        }
      }

      return served
    }

    it('serves a few of those who come at once, and the others in order, some in each turn', async () => {
      const served = come(new Pace(), 60)
      const inTurns = [served.length]

      while (served.length < 60) {
        const before = served.length
        await setImmediate()
        inTurns.push(served.length - before)
      }

      // six milliseconds of them, and sixteen more; from then on sixteen
      expect(inTurns).toEqual([22, 16, 16, 6])
      expect(served).toEqual(Array.from({ length: 60 }, (_, i) => i))
    })

    it('has those wait who come while others do', async () => {
      const pace = new Pace()
      come(pace, 60)
      await setImmediate()
      const served = come(pace, 1)
      expect(served).toEqual([])

      await setImmediate()
      await setImmediate()
      expect(served).toEqual([0])
      await setImmediate()
      expect(come(pace, 1)).toEqual([0])
    })
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
