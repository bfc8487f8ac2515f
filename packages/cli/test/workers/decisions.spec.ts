import { describe, expect, it } from 'vitest'
import { commands } from '../../src/commands.ts'
import { pointInit } from '../../src/point-init.ts'
import { roomFor } from '../../src/room.ts'
import { mergeMetrics } from '../../src/workers/metrics.ts'
import { placeEnv, placeOf } from '../../src/workers/place.ts'
import { pauseBefore } from '../../src/workers/restarts.ts'
import { shareOf } from '../../src/workers/shares.ts'
import type { Metrics } from '../../src/workers/metrics.ts'

describe('a worker that has ended is started again', () => {
  it('at once when it had served for ten seconds', () => {
    expect(pauseBefore(10_000, 0)).toBe(0)
    expect(pauseBefore(10_000, 30_000)).toBe(0)
  })

  it('after a pause that grows to half a minute when it ended sooner', () => {
    let pause = 0
    const pauses = Array.from({ length: 9 }, () => (pause = pauseBefore(9_999, pause)))

    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })
})

describe('the limits of a point', () => {
  it('are shared by its workers, and what is no whole number is rounded up', () => {
    expect(shareOf({ maxConnections: 100, maxConnectionRate: 5, maxSubscriptions: 9 }, 4)).toEqual({ maxConnections: 25, maxConnectionRate: 2, maxSubscriptions: 3 })
  })

  it('are the usual ones where they were not given', () => {
    const { maxConnections, maxConnectionRate } = roomFor({ workers: 3 })

    expect(shareOf({}, 3)).toEqual({
      maxConnections: Math.ceil(maxConnections / 3),
      maxConnectionRate: Math.ceil(maxConnectionRate / 3),
      maxSubscriptions: Math.ceil(Number(commands.point?.flags.maxSubscriptions?.default) / 3)
    })
  })
})

describe('a process', () => {
  it('is told its place among the workers by its environment', () => {
    expect(placeOf(placeEnv({ number: 2, of: 3 }))).toEqual({ number: 2, of: 3 })
    expect(placeOf({})).toBe(undefined)
  })
})

describe('workers without a store that they can share', () => {
  it('are refused', () => {
    expect(() => pointInit({ workers: 2 })).toThrow('--workers share a store, which has to be one for several processes: give --store valkey://HOST, too')
    expect(() => pointInit({ workers: 2, memory: true })).toThrow('give --store')
    expect(pointInit({ workers: 2, store: ['valkey://127.0.0.1'] })).toEqual({})
  })
})

describe('the metrics of workers', () => {
  const told = (value: number, labels = {}): Metrics => [{ name: 'held', help: 'Held', type: 'gauge', aggregator: 'average', collect: () => {}, values: [{ value, labels }] }] as any

  it('say of whom they are, and of who did not answer that it did not', async () => {
    const { text, contentType } = await mergeMetrics([{ metrics: told(3, { of: 'all' }), restarts: 0 }, { metrics: undefined, restarts: 2 }, { metrics: told(3, { of: 'all' }), restarts: 0 }])

    expect(contentType).toMatch(/^text\/plain/)
    expect(text.split('\n').filter(line => line !== '' && !line.startsWith('#'))).toEqual([
      'libp2p_rendezvous_point_worker_up{worker="1"} 1',
      'libp2p_rendezvous_point_worker_up{worker="2"} 0',
      'libp2p_rendezvous_point_worker_up{worker="3"} 1',
      'libp2p_rendezvous_point_worker_restarts_total{worker="1"} 0',
      'libp2p_rendezvous_point_worker_restarts_total{worker="2"} 2',
      'libp2p_rendezvous_point_worker_restarts_total{worker="3"} 0',
      'held{of="all",worker="1"} 3',
      'held{of="all",worker="3"} 3'
    ])
    expect(text.match(/^# TYPE held gauge$/mg)).toHaveLength(1)
  })
})
