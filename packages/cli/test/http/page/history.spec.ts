import { describe, expect, it } from 'vitest'
import { RANGES, SERIES_NAMES, withBucket } from '../../../src/http/page/browser/series.ts'
import { History } from '../../../src/http/page/history.ts'
import type { Columns, Range } from '../../../src/http/page/browser/series.ts'
import type { Sample } from '../../../src/http/page/history.ts'

/** At the beginning of a part of each range. */
const NOW = 1_800_000 * 1_000_000
const SECOND = 1_000
const HOUR = 3_600_000

function sample (values: Partial<Sample> = {}): Sample {
  return { ...Object.fromEntries(SERIES_NAMES.map(name => [name, 0])) as Sample, ...values }
}

describe('the history', () => {
  it('is empty before anything was read', () => {
    const history = new History()

    expect(history.last('15m')).toBe(undefined)
    expect(history.columns('15m')).toMatchObject({ width: 5_000, capacity: 180, at: [], values: { requests: [] } })
  })

  it('has the highest of a gauge in each part of time', () => {
    const history = new History()
    history.add(NOW, sample({ connections: 3 }))
    history.add(NOW + 2 * SECOND, sample({ connections: 7 }))
    history.add(NOW + 4 * SECOND, sample({ connections: 5 }))
    history.add(NOW + 6 * SECOND, sample({ connections: 1 }))

    expect(history.columns('15m').at).toEqual([NOW, NOW + 5 * SECOND])
    expect(history.columns('15m').values.connections).toEqual([7, 1])
    expect(history.columns('7d').values.connections).toEqual([7])
  })

  it('has of a counter how much it grows in a second, once it was read twice', () => {
    const history = new History()
    history.add(NOW, sample({ requests: 1_000 }))
    expect(history.columns('15m').values.requests).toEqual([null])

    history.add(NOW + 4 * SECOND, sample({ requests: 1_002 }))
    expect(history.columns('15m').values.requests).toEqual([0.5])

    history.add(NOW + 6 * SECOND, sample({ requests: 1_042 }))
    expect(history.columns('15m').values.requests).toEqual([0.5, 20])
    expect(history.columns('6h').values.requests).toEqual([7])
  })

  it('takes a counter that is lower than before for one that has begun anew', () => {
    const history = new History()
    history.add(NOW, sample({ requests: 1_000 }))
    history.add(NOW + 10 * SECOND, sample({ requests: 20 }))

    expect(history.last('15m')?.values.requests).toBe(2)
  })

  it('has a gap where nothing was read', () => {
    const history = new History()
    history.add(NOW, sample())
    history.add(NOW + 60 * SECOND, sample())

    expect(history.columns('15m').at).toEqual([NOW, NOW + 60 * SECOND])
  })

  it.each(Object.keys(RANGES) as Range[])('holds no more of the last %s than it has parts', range => {
    const { width, capacity } = RANGES[range]
    const history = new History()

    for (let part = 0; part < capacity + 10; part++) {
      history.add(NOW + part * width, sample({ memory: part }))
    }

    const { at, values } = history.columns(range)
    expect(at).toHaveLength(capacity)
    expect(at[0]).toBe(NOW + 10 * width)
    expect(values.memory).toHaveLength(capacity)
    expect(values.memory[0]).toBe(10)
  })

  it('forgets what is too old also when nothing was read in between', () => {
    const history = new History()
    history.add(NOW, sample())
    history.add(NOW + 100 * HOUR, sample())

    expect(history.columns('15m').at).toEqual([NOW + 100 * HOUR])
    expect(history.columns('7d').at).toHaveLength(2)
  })

  it('stands still while a clock is behind', () => {
    const history = new History()
    history.add(NOW + HOUR, sample({ connections: 1 }))
    history.add(NOW, sample({ connections: 2 }))

    expect(history.columns('15m').at).toEqual([NOW + HOUR])
    expect(history.columns('15m').values.connections).toEqual([2])
  })
})

describe('columns that are kept up with buckets', () => {
  const follow = (range: Range, times: number[]): [Columns, Columns] => {
    const history = new History()
    let columns = history.columns(range)

    times.forEach((time, index) => {
      history.add(NOW + time, sample({ connections: index, requests: index * index }))
      columns = withBucket(columns, history.last(range)!)
    })

    return [columns, history.columns(range)]
  }

  it.each([
    ['as they come', [0, 2, 4, 6, 8, 10].map(second => second * SECOND)],
    ['for longer than is kept', Array.from({ length: 1_000 }, (_, index) => index * 2 * SECOND)],
    ['after a gap', [0, 2, 60, 62].map(second => second * SECOND)],
    ['after a gap that is longer than what is kept', [0, 2, 10_000, 10_002].map(second => second * SECOND)]
  ])('are those of the history, %s', (_, times) => {
    const [columns, expected] = follow('15m', times)

    expect(columns).toEqual(expected)
  })
})
