import { summarize } from './measure.ts'
import type { Summary } from './measure.ts'

/**
 * One line of the table. `floor` is what the row is compared with: the least it could cost, the same at
 * another size, or what somebody else's code takes for it. It was measured in the same run.
 */
export interface Row extends Summary {
  name: string
  size: number
  unit: Unit
  floor: number | null
  /** How the row compares with its floor, as its target counts it: a rate, or a cost. */
  ratio: number | null
  target: string | null
  ok: boolean | null
}

export type Unit = 'µs' | 'ms' | '1/s' | 'bytes' | 'updates' | 'requests'

/** A row, and the words that the table has beside it. */
export interface TableRow extends Row {
  /** What the floor is. */
  against: string | undefined
  counts: 'rate' | 'cost' | undefined
}

export interface RowInit {
  name: string
  size: number
  unit: Unit
  /** In the unit of the row. */
  samples: number[]
  against?: Against | undefined
  target?: Target | undefined
}

export interface Against {
  name: string
  /** In the unit of the row. */
  samples: number[]
  /**
   * Whether the ratio says how much of the floor's rate this reaches (higher is better), or how many
   * times its cost this has (lower is better).
   */
  counts: 'rate' | 'cost'
}

export interface Target {
  /** The highest median, in the unit of the row. */
  atMost?: number
  /** The bound of the ratio: the least for a rate, the most for a cost. */
  ratio?: number
}

export function row ({ name, size, unit, samples, against, target }: RowInit): TableRow {
  const summary = summarize(samples)
  const floor = against == null ? null : summarize(against.samples).median
  const ratio = against == null || floor == null ? null : ratioOf(summary.median, floor, unit, against.counts)

  return {
    name,
    size,
    unit,
    ...summary,
    floor,
    ratio,
    target: target == null ? null : describe(target, unit, against),
    ok: target == null ? null : isMet(target, summary.median, ratio, against),
    against: against?.name,
    counts: against?.counts
  }
}

function ratioOf (median: number, floor: number, unit: Unit, counts: 'rate' | 'cost'): number {
  // a rate is already the inverse of a cost
  return (unit === '1/s') === (counts === 'rate') ? median / floor : floor / median
}

function describe ({ atMost, ratio }: Target, unit: Unit, against: Against | undefined): string {
  const bounds: string[] = []

  if (atMost != null) {
    bounds.push(`≤ ${atMost} ${unit}`)
  }

  if (ratio != null) {
    bounds.push(against?.counts === 'rate' ? `≥ ${ratio} × the rate` : `≤ ${ratio} × the cost`)
  }

  return bounds.join(', ')
}

function isMet (target: Target, median: number, ratio: number | null, against: Against | undefined): boolean {
  return median <= (target.atMost ?? Infinity) &&
    (target.ratio == null || (ratio != null && (against?.counts === 'rate' ? ratio >= target.ratio : ratio <= target.ratio)))
}
