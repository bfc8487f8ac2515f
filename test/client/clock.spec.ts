import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Clock } from '../../src/client/clock.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

describe('Clock', () => {
  beforeEach(() => { vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'] }) })
  afterEach(() => { vi.useRealTimers() })

  /** Both clocks go on. */
  function pass (ms: number): void {
    vi.advanceTimersByTime(ms)
  }

  /** Only the system's clock changes. */
  function set (ms: number): void {
    vi.setSystemTime(Date.now() + ms)
  }

  it('goes as fast as time does', () => {
    const clock = new Clock()
    const start = clock.now

    for (let minute = 1; minute <= 1_000; minute++) {
      pass(MINUTE)
      expect(clock.now - start).toBeCloseTo(minute * MINUTE)
    }
  })

  it('does not run ahead by looking often, however the two clocks round', () => {
    const clock = new Clock()
    const start = clock.now

    for (let look = 0; look < 10_000; look++) {
      pass(1)
      set(look % 2 === 0 ? 1 : -1)
      expect(clock.now - start).toBeCloseTo(look + 1)
    }
  })

  it.each([-DAY, -20 * MINUTE, -2_000])('goes on when the system\'s is set back by %d ms', change => {
    const clock = new Clock()
    const start = clock.now
    pass(MINUTE)
    set(change)
    expect(clock.now - start).toBeCloseTo(MINUTE)
    pass(MINUTE)

    expect(clock.now - start).toBeCloseTo(2 * MINUTE)
  })

  it('counts the time that the machine slept, in which the steady clock stood still', () => {
    const clock = new Clock()
    const start = clock.now
    pass(MINUTE)
    set(8 * 60 * MINUTE)
    expect(clock.now - start).toBeCloseTo(8 * 60 * MINUTE + MINUTE)
    pass(MINUTE)

    expect(clock.now - start).toBeCloseTo(8 * 60 * MINUTE + 2 * MINUTE)
  })

  it('counts a sleep also after it was set back', () => {
    const clock = new Clock()
    const start = clock.now
    set(-DAY)
    expect(clock.now).toBeCloseTo(start)
    set(30 * MINUTE)

    expect(clock.now - start).toBeCloseTo(30 * MINUTE)
  })
})
