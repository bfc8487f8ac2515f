import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Alarm } from '../../src/client/alarm.ts'

describe('Alarm', () => {
  let woken: number[]
  let alarm: Alarm

  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000 })
    woken = []
    alarm = new Alarm(() => Date.now(), () => { woken.push(Date.now()) })
  })

  afterEach(() => { vi.useRealTimers() })

  it('wakes at its time, once', () => {
    alarm.set(1_500)
    vi.advanceTimersByTime(499)
    expect(woken).toEqual([])
    vi.advanceTimersByTime(10_000)

    expect(woken).toEqual([1_500])
  })

  it('wakes at the time it was set to last, with one timer', () => {
    alarm.set(1_500)
    alarm.set(1_200)
    alarm.set(1_800)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(10_000)

    expect(woken).toEqual([1_800])
  })

  it('wakes at once where its time is past, and may be set again', () => {
    alarm.set(0)
    vi.advanceTimersByTime(0)
    alarm.set(0)
    vi.advanceTimersByTime(0)

    expect(woken).toEqual([1_000, 1_000])
  })

  it('wakes never, and when it is cleared', () => {
    alarm.set(Infinity)
    expect(vi.getTimerCount()).toBe(0)
    alarm.set(2_000)
    alarm.clear()

    expect(vi.getTimerCount()).toBe(0)
  })

  it('wakes after five minutes of a longer sleep, for it may have been a machine\'s', () => {
    alarm.set(1_000 + 60 * 60_000)
    vi.advanceTimersByTime(5 * 60_000)

    expect(woken).toEqual([1_000 + 5 * 60_000])
  })
})
