import { RANGES, SERIES, SERIES_NAMES } from './browser/series.ts'
import type { Bucket, Columns, Range, Series } from './browser/series.ts'

/** What there is at a moment; of counters, how far they are. */
export type Sample = Record<Series, number>

/** A part of time that is being filled. */
interface Part {
  /** Which one, counted from the epoch. */
  number: number
  /** The highest of a gauge, what a counter has grown by. */
  values: Sample
  /** Of that, in milliseconds: so long counters have been watched in it. */
  watched: number
}

/** Digits behind the point are for what happens less than once in a second. */
const PRECISION = 1_000

/**
 * What a point had over time, finely for a while and coarsely for longer. It is as large as its ranges have parts, whatever
 * happens, and is not kept beyond the process.
 */
export class History {
  readonly #parts: Record<Range, Part[]> = { '15m': [], '6h': [], '7d': [] }
  #last: { now: number, sample: Sample } | undefined

  /** @param now - milliseconds since the epoch; a clock that goes back is taken to stand still */
  add (now: number, sample: Sample): void {
    const at = Math.max(now, this.#last?.now ?? now)
    const grown = this.#grown(sample)
    const watched = this.#last == null ? 0 : at - this.#last.now

    for (const range of Object.keys(RANGES) as Range[]) {
      this.#fill(range, at, grown, watched)
    }

    this.#last = { now: at, sample }
  }

  columns (range: Range): Columns {
    const { width, capacity } = RANGES[range]
    const buckets = this.#parts[range].map(part => bucketOf(part, width))

    return {
      width,
      capacity,
      at: buckets.map(({ at }) => at),
      values: Object.fromEntries(SERIES_NAMES.map(name => [name, buckets.map(({ values }) => values[name])])) as Columns['values']
    }
  }

  /** The newest part, so far; undefined before anything was added. */
  last (range: Range): Bucket | undefined {
    const part = this.#parts[range].at(-1)

    return part == null ? undefined : bucketOf(part, RANGES[range].width)
  }

  #fill (range: Range, now: number, grown: Sample, watched: number): void {
    const { width, capacity } = RANGES[range]
    const parts = this.#parts[range]
    const number = Math.floor(now / width)
    const last = parts.at(-1)

    if (last?.number === number) {
      last.watched += watched

      for (const name of SERIES_NAMES) {
        last.values[name] = SERIES[name] === 'gauge' ? Math.max(last.values[name], grown[name]) : last.values[name] + grown[name]
      }

      return
    }

    parts.push({ number, values: { ...grown }, watched })

    while ((parts[0] as Part).number <= number - capacity) {
      parts.shift()
    }
  }

  /** Gauges as they are, counters as what they have grown by: one that is lower than before has begun anew. */
  #grown (sample: Sample): Sample {
    const last = this.#last?.sample

    return Object.fromEntries(SERIES_NAMES.map(name => {
      const value = sample[name]
      const before = last?.[name] ?? value

      return [name, SERIES[name] === 'gauge' ? value : value >= before ? value - before : value]
    })) as Sample
  }
}

function bucketOf ({ number, values, watched }: Part, width: number): Bucket {
  return {
    at: number * width,
    values: Object.fromEntries(SERIES_NAMES.map(name => {
      const value = SERIES[name] === 'gauge' ? values[name] : watched === 0 ? null : values[name] / watched * 1_000

      return [name, value == null ? null : Math.round(value * PRECISION) / PRECISION]
    })) as Bucket['values']
  }
}
