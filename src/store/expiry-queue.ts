import TinyQueue from 'tinyqueue'

/** Entries that expire within the same second are removed together. */
const GRANULARITY = 1_000

/** A link in the chain of entries that expire within the same second. */
export interface Expiring {
  readonly expires: number
  earlier?: Expiring | undefined
  later?: Expiring | undefined
}

/** Those that expire within a second, linked from the last to the first; none when all were removed. */
interface Chain<T> {
  last: T | undefined
}

/**
 * Entries by the second in which they expire. Adding and removing one costs the same however many
 * there are; only the first entry of a second costs the logarithm of the number of seconds in use.
 */
export class ExpiryQueue<T extends Expiring> {
  readonly #chains = new Map<number, Chain<T>>()
  /** Each second at most once, so that registering and unregistering in turns does not fill it. */
  readonly #seconds = new TinyQueue<number>()

  add (entry: T): void {
    const second = secondOf(entry)
    const chain = this.#chains.get(second)

    if (chain == null) {
      this.#chains.set(second, { last: entry })
      this.#seconds.push(second)

      return
    }

    if (chain.last != null) {
      chain.last.later = entry
      entry.earlier = chain.last
    }

    chain.last = entry
  }

  remove (entry: T): void {
    const { earlier, later } = entry

    if (earlier != null) {
      earlier.later = later
    }

    if (later != null) {
      later.earlier = earlier
    } else {
      (this.#chains.get(secondOf(entry)) as Chain<T>).last = earlier as T | undefined
    }

    // a removed entry may be held by others, and must not hold its neighbours
    entry.earlier = undefined
    entry.later = undefined
  }

  /** The last entry of the earliest second that is due, or undefined when none is due at `now`. */
  peek (now: number): T | undefined {
    const first = this.#first()

    // of no second at all, no multiple is due
    return (this.#seconds.peek() as number) * GRANULARITY <= now ? first : undefined
  }

  /** When the next entry is due. */
  nextExpiry (): number | undefined {
    if (this.#first() != null) {
      return (this.#seconds.peek() as number) * GRANULARITY
    }
  }

  /** The last entry of the earliest second that has any. */
  #first (): T | undefined {
    for (let second = this.#seconds.peek(); second != null; second = this.#seconds.peek()) {
      const { last } = this.#chains.get(second) as Chain<T>

      if (last != null) {
        return last
      }

      this.#chains.delete(second)
      this.#seconds.pop()
    }
  }
}

/** The second at whose end an entry is removed: not before its time. */
function secondOf (entry: Expiring): number {
  return Math.ceil(entry.expires / GRANULARITY)
}
