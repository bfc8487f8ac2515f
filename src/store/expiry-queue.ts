import TinyQueue from 'tinyqueue'

/** Entries that expire within the same second are removed together. */
const GRANULARITY = 1_000

/** A link in the chain of entries that expire within the same second. */
export interface Expiring {
  readonly expires: number
  earlier?: Expiring | undefined
  later?: Expiring | undefined
}

/**
 * Entries by the second in which they expire. Adding and removing one costs the same however many
 * there are; only the first entry of a second costs the logarithm of the number of seconds in use.
 */
export class ExpiryQueue<T extends Expiring> {
  /** The last entry of each queued second's chain; undefined when all of them were removed. */
  readonly #chains = new Map<number, T | undefined>()
  /** Each second at most once, so that registering and unregistering in turns does not fill it. */
  readonly #seconds = new TinyQueue<number>()

  add (entry: T): void {
    const second = dueAt(entry)
    const last = this.#chains.get(second)

    if (last != null) {
      last.later = entry
      entry.earlier = last
    } else if (!this.#chains.has(second)) {
      this.#seconds.push(second)
    }

    this.#chains.set(second, entry)
  }

  remove (entry: T): void {
    const { earlier, later } = entry

    if (earlier != null) {
      earlier.later = later
    }

    if (later != null) {
      later.earlier = earlier
    } else {
      this.#chains.set(dueAt(entry), earlier as T | undefined)
    }

    // a removed entry may be held by others, and must not hold its neighbours
    entry.earlier = undefined
    entry.later = undefined
  }

  /** The last entry of the earliest second that is due, or undefined when none is due at `now`. */
  peek (now: number): T | undefined {
    const second = this.nextExpiry()

    if (second != null && second <= now) {
      return this.#chains.get(second)
    }
  }

  /** When the next entry is due. */
  nextExpiry (): number | undefined {
    let second = this.#seconds.peek()

    while (second != null && this.#chains.get(second) == null) {
      this.#chains.delete(second)
      this.#seconds.pop()
      second = this.#seconds.peek()
    }

    return second
  }
}

/** The end of the second in which an entry expires: nothing is removed before its time. */
function dueAt (entry: Expiring): number {
  return Math.ceil(entry.expires / GRANULARITY) * GRANULARITY
}
