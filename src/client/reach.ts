/** What may be missing: a point that can be reached, or an own address under which others reach this node. */
export type Missing = 'points' | 'self'

/** What is wanted and there is. */
export interface Reached {
  /** Whether points are wanted for anything. */
  wantsPoint: boolean
  /** Whether any was reached when it was last tried. */
  hasPoint: boolean
  /** Whether anything is to be registered. */
  wantsAddress: boolean
  hasAddress: boolean
}

/** After how long without it is told what is missing, in milliseconds: a dial that nobody answers takes six seconds. */
export const PATIENCE = 8_000

/**
 * Decides when to tell that nobody can be met: once for each time that something is missing for a while. An address
 * comes from a relay, which is a point as a rule, so it is not asked for before there is one.
 *
 * Times are milliseconds of a clock that is never set.
 */
export class Reach {
  #missing: { what: Missing, since: number, isTold: boolean } | undefined

  /** When to look again; infinite when nothing is waited for. */
  get wakeAt (): number {
    return this.#missing == null || this.#missing.isTold ? Infinity : this.#missing.since + PATIENCE
  }

  /** @returns what is to be told now */
  look (reached: Reached, now: number): Missing | undefined {
    const what = missing(reached)

    if (what !== this.#missing?.what) {
      this.#missing = what == null ? undefined : { what, since: now, isTold: false }
    }

    if (this.#missing != null && now >= this.wakeAt) {
      this.#missing.isTold = true

      return what
    }
  }
}

function missing ({ wantsPoint, hasPoint, wantsAddress, hasAddress }: Reached): Missing | undefined {
  if (wantsPoint && !hasPoint) {
    return 'points'
  }

  return wantsAddress && !hasAddress ? 'self' : undefined
}
