/**
 * How late the event loop may be, in milliseconds: below the first there is time to spare, above the second there is
 * more to do than can be done.
 */
const EARLY = 15
const LATE = 40

/** Newcomers that are let in between two looks, at the most and at the least. */
const MOST_NEWCOMERS = 16
const FEWEST_NEWCOMERS = 1

/** Listings that are answered between two looks, when they are held back. */
const MOST_LISTINGS = 64
const FEWEST_LISTINGS = 1

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

  /** How many newcomers may come in until the next look. */
  get newcomers (): number {
    return this.#newcomers
  }

  /** How many listings may be answered until the next look; infinite when none is held back. */
  get listings (): number {
    return this.#listings
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
