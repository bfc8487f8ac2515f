/** What is drawn over time. */

/** A gauge is as high as its highest in each part of time; a counter only grows, and is shown as what it grows by in a second. */
export type Kind = 'gauge' | 'counter'

export const SERIES = {
  registrations: 'gauge',
  namespaces: 'gauge',
  connections: 'gauge',
  subscriptions: 'gauge',
  requests: 'counter',
  refusals: 'counter',
  memory: 'gauge',
  delay: 'gauge'
} as const satisfies Record<string, Kind>

export type Series = keyof typeof SERIES
export const SERIES_NAMES = Object.keys(SERIES) as Series[]

/** Ranges of time that can be looked at, each in parts of one width: milliseconds, and how many parts. */
export const RANGES = {
  '15m': { width: 5_000, capacity: 180, label: '15 minutes' },
  '6h': { width: 60_000, capacity: 360, label: '6 hours' },
  '7d': { width: 1_800_000, capacity: 336, label: '7 days' }
} as const

export type Range = keyof typeof RANGES

/** A part of time: when it began, and what there was. A counter has nothing before it was read twice. */
export interface Bucket {
  at: number
  values: Record<Series, number | null>
}

/** The parts of a range, the newest last; where nothing was read there is none. */
export interface Columns {
  width: number
  capacity: number
  at: number[]
  values: Record<Series, Array<number | null>>
}

/** With a part added, or in the place of the last if it is about the same time; what is too old is left out. */
export function withBucket ({ width, capacity, at, values }: Columns, bucket: Bucket): Columns {
  const oldest = bucket.at - (capacity - 1) * width
  const from = Math.max(at.findIndex(time => time >= oldest), 0)
  const to = at.at(-1) === bucket.at ? at.length - 1 : at.length
  const isKept = at.length > 0 && (at.at(-1) as number) >= oldest
  const merged = <T>(before: T[], value: T): T[] => [...(isKept ? before.slice(from, to) : []), value]

  return {
    width,
    capacity,
    at: merged(at, bucket.at),
    values: Object.fromEntries(SERIES_NAMES.map(name => [name, merged(values[name], bucket.values[name])])) as Columns['values']
  }
}
