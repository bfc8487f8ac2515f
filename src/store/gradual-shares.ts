import { FairShares } from './fair-shares.ts'
import type { Share } from './fair-shares.ts'

/** What is counted with each that comes. From half of a limit on, that is all before the limit is reached. */
const STEP = 8

/** Where the shares of what is counted are kept. */
export interface ShareAccess<E, T extends Share> {
  /** The share of one that has been counted. */
  of: (entry: E) => T | undefined
  /** @param shares - those that are counted so far */
  make: (entry: E, shares: FairShares<T>) => T
  /** The entry is counted no longer. */
  drop: (entry: E) => void
}

/**
 * Fair shares that nobody pays for while their limit is far away: a store that is half empty makes room for
 * nobody. From there on it has these, and they are counted a few at a time, so that no request waits
 * for many. How old an entry is it knows itself, so it makes no difference when it is counted.
 */
export class GradualShares<E, T extends Share> {
  /** The shares of those that are counted so far. */
  readonly soFar = new FairShares<T>()
  readonly #uncounted: Iterator<E>
  readonly #access: ShareAccess<E, T>
  #areAllCounted = false

  /**
   * @param entries - all there are; what comes or goes while they are gone through may be among them or not
   */
  constructor (entries: Iterable<E>, access: ShareAccess<E, T>) {
    this.#uncounted = entries[Symbol.iterator]()
    this.#access = access
  }

  /** Whether it would take no time to have all. */
  get isComplete (): boolean {
    return this.#areAllCounted
  }

  /** The shares of all entries. */
  get all (): FairShares<T> {
    this.#count(Infinity)

    return this.soFar
  }

  /** Counts up to `most` more, and returns whether all are counted. */
  countMore (most: number): boolean {
    this.#count(most)

    return this.#areAllCounted
  }

  /** An entry is to be among all, in the place of another if there was one, which may be there still. */
  put (entry: E, previous?: E): void {
    this.#count(STEP)
    const share = previous == null ? undefined : this.#access.of(previous)

    if (share == null) {
      this.soFar.add(this.#access.make(entry, this.soFar))
    } else {
      this.soFar.replace(share, this.#access.make(entry, this.soFar))
      this.#access.drop(previous as E)
    }
  }

  /** An entry is, or is to be, no longer among all. */
  remove (entry: E): void {
    const share = this.#access.of(entry)

    if (share != null) {
      this.soFar.remove(share)
      this.#access.drop(entry)
    }
  }

  #count (most: number): void {
    for (let i = 0; i < most && !this.#areAllCounted; i++) {
      const { value: entry, done } = this.#uncounted.next()

      if (done === true) {
        this.#areAllCounted = true
      } else if (this.#access.of(entry) == null) {
        this.soFar.add(this.#access.make(entry, this.soFar))
      }
    }
  }
}
