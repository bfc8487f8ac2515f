import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Monitor } from '../../../src/http/page/monitor.ts'
import { merged } from '../../../src/http/page/readings.ts'
import { POINT, reading } from './fixtures.ts'
import type { MonitorSources } from '../../../src/http/page/monitor.ts'

const NOW = 1_700_000_000_000

beforeEach(() => { vi.useFakeTimers({ now: NOW }) })
afterEach(() => { vi.useRealTimers() })

function monitorOf (sources: Partial<MonitorSources> = {}): Monitor {
  return new Monitor({
    version: '1.2.3',
    limits: { maxConnections: 100 },
    self: () => ({ peerId: POINT, addresses: ['/ip4/127.0.0.1/tcp/1'] }),
    isServing: () => true,
    read: async () => reading(),
    fullest: async () => [{ namespace: 'my-app', registrations: 4 }],
    closed: () => [],
    ...sources
  }, Date.now)
}

describe('a monitor', () => {
  it('reads at once, and every two seconds until it is stopped', async () => {
    const read = vi.fn(async () => reading())
    const monitor = monitorOf({ read })
    await monitor.start()
    expect(monitor.status).toMatchObject({ peerId: POINT, version: '1.2.3', isServing: true, since: NOW, at: NOW, reading: { connections: 3 } })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(read).toHaveBeenCalledTimes(6)
    expect(monitor.status?.at).toBe(NOW + 10_000)
    expect(monitor.history.columns('15m').at).toHaveLength(3)
    monitor.stop()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(read).toHaveBeenCalledTimes(6)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('tells who waits for the next reading', async () => {
    const monitor = monitorOf()
    await monitor.start()
    const told = vi.fn()
    monitor.next.then(told, () => {})
    await vi.advanceTimersByTimeAsync(1_999)
    expect(told).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(told).toHaveBeenCalledOnce()
    monitor.stop()
  })

  it('goes on when nobody answers, and keeps what there was', async () => {
    let isAway = false
    const monitor = monitorOf({ read: async () => isAway ? undefined : reading() })
    await monitor.start()
    isAway = true
    await vi.advanceTimersByTimeAsync(10_000)
    expect(monitor.status?.at).toBe(NOW)
    isAway = false
    await vi.advanceTimersByTimeAsync(2_000)
    expect(monitor.status?.at).toBe(NOW + 12_000)
    monitor.stop()
  })

  it('does not ask again before it was answered', async () => {
    const answer = Promise.withResolvers<undefined>()
    const read = vi.fn(async () => read.mock.calls.length === 1 ? reading() : answer.promise)
    const monitor = monitorOf({ read })
    await monitor.start()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(read).toHaveBeenCalledTimes(2)
    answer.resolve(undefined)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(read).toHaveBeenCalledTimes(3)
    monitor.stop()
  })

  it('counts namespaces for those who look, and for nobody else', async () => {
    const fullest = vi.fn(async () => [{ namespace: 'my-app', registrations: 4 }])
    const monitor = monitorOf({ fullest })
    await monitor.start()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(fullest).not.toHaveBeenCalled()
    expect(monitor.status?.fullest).toBe(undefined)

    monitor.look()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(monitor.status?.fullest).toEqual([{ namespace: 'my-app', registrations: 4 }])
    expect(monitor.status?.limits.map(({ flag, used }) => [flag, used])).toContainEqual(['--max-registrations-per-namespace', 4])

    await vi.advanceTimersByTimeAsync(100_000)
    const counts = fullest.mock.calls.length
    expect(counts).toBeLessThan(20)
    await vi.advanceTimersByTimeAsync(100_000)
    expect(fullest).toHaveBeenCalledTimes(counts)
    monitor.stop()
  })

  it('rests after a count for much longer than it took', async () => {
    const fullest = vi.fn(async () => {
      await new Promise(resolve => setTimeout(resolve, 3_000))

      return []
    })
    const monitor = monitorOf({ fullest })
    await monitor.start()
    const looking = setInterval(() => { monitor.look() }, 1_000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(fullest).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(fullest).toHaveBeenCalledTimes(2)
    clearInterval(looking)
    monitor.stop()
  })
})

describe('the readings of several processes', () => {
  it('are one: what each has is added, and of the store all say the same', () => {
    const both = merged([
      reading({ connections: 3, requests: 10, refusals: { E_UNAVAILABLE: 1 }, delay: 9, refused: [] }),
      reading({ connections: 4, requests: 20, refusals: { E_UNAVAILABLE: 2, E_INVALID_TTL: 1 }, delay: 2, refused: [] })
    ])

    expect(both).toEqual({ ...reading(), connections: 7, subscriptions: 2, requests: 30, refusals: { E_UNAVAILABLE: 3, E_INVALID_TTL: 1 }, memory: 180_000_000, delay: 9, refused: [] })
  })
})
