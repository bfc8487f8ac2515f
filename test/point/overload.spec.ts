import { defaultLogger } from '@libp2p/logger'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Overload } from '../../src/point/overload.ts'
import type { ConnectionGater } from '@libp2p/interface'

/** By how much more than the timers the clock has gone on. */
let late = 0

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  late = 0
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + late)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function overloaded (connectionGater: ConnectionGater = {}): { overload: Overload, connectionGater: ConnectionGater, come: () => Promise<boolean | undefined> } {
  const overload = new Overload({ connectionGater, patience: 1_000, log: defaultLogger().forComponent('test') })
  overload.start()

  return { overload, connectionGater, come: async () => connectionGater.denyInboundConnection?.({} as any) }
}

/** Time goes by in looks, each of which comes late. */
async function looks (count: number, lateBy: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    late += lateBy
    await vi.advanceTimersByTimeAsync(20)
  }
}

describe('Overload', () => {
  it('lets sixteen newcomers in at once, and has the next wait for a look', async () => {
    const { come } = overloaded()
    const denied: unknown[] = []

    for (let i = 0; i < 20; i++) {
      come().then(is => denied.push(is), () => {})
    }

    await vi.advanceTimersByTimeAsync(0)
    expect(denied).toHaveLength(16)
    await vi.advanceTimersByTimeAsync(20)
    expect(denied).toEqual(Array(20).fill(false))
  })

  it('asks the gater that was there before, and has nobody wait whom that denies', async () => {
    const before = vi.fn().mockResolvedValue(true)
    const { come, connectionGater, overload } = overloaded({ denyInboundConnection: before })
    expect(await Promise.all(Array.from({ length: 20 }, come))).toEqual(Array(20).fill(true))
    expect(before).toHaveBeenCalledTimes(20)
    overload.stop()
    expect(connectionGater.denyInboundConnection).toBe(before)
  })

  it('leaves no gater where there was none, and turns away who waits, when it stops', async () => {
    const { come, connectionGater, overload } = overloaded()
    const denied = Promise.all(Array.from({ length: 20 }, come))
    await vi.advanceTimersByTimeAsync(0)
    overload.stop()
    expect((await denied).filter(is => is === true)).toHaveLength(4)
    expect(connectionGater).toEqual({})
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not look when nothing has come for a second', async () => {
    const { overload } = overloaded()
    expect(vi.getTimerCount()).toBe(0)
    expect(overload.list()).toBe(true)
    await vi.advanceTimersByTimeAsync(900)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(200)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('holds listings back when the event loop stays late, and refuses those that have waited too long', async () => {
    const { overload } = overloaded()
    expect(overload.list()).toBe(true)
    await looks(8, 101)
    const answers = Array.from({ length: 1_000 }, () => overload.list())
    expect(answers.filter(answer => answer === true)).toHaveLength(48)
    const settled = Promise.all(answers)
    await looks(20, 101)
    const all = await settled
    expect(all.filter(answer => answer)).toHaveLength(48 + 8 * 30)
    expect(all.slice(-600).some(answer => answer)).toBe(false)
  })
})
