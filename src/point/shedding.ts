/**
 * How late the event loop may be, in milliseconds: below the first there is time to spare, above the second there is
 * more to do than can be done.
 */
const EARLY = 50
const LATE = 100

/** How long it is until the next look when nothing is late, in milliseconds. */
export const LOOK = 20

/** Newcomers that are let in between two such looks, at the most and at the least: a quarter of what a processor can do. */
const MOST_NEWCOMERS = 16
const FEWEST_NEWCOMERS = 1

/** Listings that are answered between two such looks, when they are held back. */
const MOST_LISTINGS = 64
const FEWEST_LISTINGS = 5

/** Newcomers of so many looks at the most come in at once, when one was long overdue. */
const MOST_LOOKS = 4

/**
 * Decides what waits while there is more to do than can be done. Newcomers wait first: each takes as much as
 * hundreds of requests, and is nobody's peer yet. When fewer of them are not enough, listings wait too. What
 * keeps a registration never waits, for that is what would be lost.
 *
 * It is told how late the event loop is, every now and then: what is late is halved, and let rise slowly again, as
 * TCP does with what it sends.
 */
export class Shedding {
  #newcomers = MOST_NEWCOMERS
  #listings = Infinity

  /**
   * How many newcomers may come in until the next look.
   *
   * @param elapsed - milliseconds since the last one
   */
  newcomers (elapsed: number): number {
    return Math.floor(this.#newcomers * Math.min(Math.max(elapsed / LOOK, 1), MOST_LOOKS))
  }

  /**
   * How many listings may be answered until the next look; infinite when none is held back. Where it is others that
   * keep the processor busy, looks are rare, and yet listings go on.
   *
   * @param elapsed - milliseconds since the last one
   */
  listings (elapsed: number): number {
    return Math.floor(this.#listings * Math.max(elapsed / LOOK, 1))
  }

  /** @param late - by how many milliseconds the event loop is late */
  look (late: number): void {
    if (late > LATE) {
      this.#hold()
    } else if (late < EARLY) {
      this.#release()
    }
  }

  #hold (): void {
    if (this.#newcomers > FEWEST_NEWCOMERS) {
      this.#newcomers = Math.max(FEWEST_NEWCOMERS, Math.floor(this.#newcomers / 2))
    } else {
      this.#listings = Math.max(FEWEST_LISTINGS, Math.floor(Math.min(this.#listings, 2 * MOST_LISTINGS) / 2))
    }
  }

  /** Who was held back last is let go first. */
  #release (): void {
    if (this.#listings < MOST_LISTINGS) {
      this.#listings = Math.min(MOST_LISTINGS, this.#listings + Math.max(1, Math.floor(this.#listings / 4)))
    } else if (this.#listings !== Infinity) {
      this.#listings = Infinity
    } else {
      this.#newcomers = Math.min(MOST_NEWCOMERS, this.#newcomers + 1)
    }
  }
}
