import { FairShares } from './fair-shares.ts'
import type { Share } from './fair-shares.ts'

/** Entries counted with each registration, once a limit comes into sight: all are before it is reached. */
const STEP = 8

interface Entry {
  readonly sequence: number
}

/** Where the shares of entries are kept. */
export interface ShareAccess<E extends Entry, T extends Share> {
  /** The share of an entry that has been counted. */
  of: (entry: E) => T | undefined
  make: (entry: E) => T
  /** The entry is counted no longer. */
  drop: (entry: E) => void
}

/** All entries, in the order of their sequence. */
interface Entries<E> {
  after: (sequence: number, limit: number, now: number) => E[]
}

/**
 * Fair shares that nobody pays for while their limit is far away: a store that is half empty makes room for
 * nobody. From there on the entries are counted, a few with each registration, so that no request waits
 * for many. The age of an entry is its share's to know, so it makes no difference when it is counted.
 */
export class GradualShares<E extends Entry, T extends Share> {
  readonly #entries: Entries<E>
  readonly #access: ShareAccess<E, T>
  #shares: FairShares<T> | undefined
  /** The entries up to here are counted, and those that came since counting began. */
  #counted = -Infinity
  #areAllCounted = false

  constructor (entries: Entries<E>, access: ShareAccess<E, T>) {
    this.#entries = entries
    this.#access = access
  }

  /** Whether it would take no time to have all. */
  get isComplete (): boolean {
    return this.#areAllCounted
  }

  /** A limit is in sight. */
  prepare (): void {
    if (!this.#areAllCounted) {
      this.#shares ??= new FairShares()
      this.#countSome(this.#shares, STEP)
    }
  }

  /** The shares of all entries. */
  get all (): FairShares<T> {
    const shares = this.#shares ??= new FairShares()

    while (!this.#areAllCounted) {
      this.#countSome(shares, 1_000)
    }

    return shares
  }

  /** An entry was added, in the place of another if there was one. */
  put (entry: E, previous: E | undefined): void {
    const share = previous == null ? undefined : this.#access.of(previous)

    if (this.#shares != null) {
      if (share == null) {
        this.#shares.add(this.#access.make(entry))
      } else {
        this.#shares.replace(share, this.#access.make(entry))
      }
    }

    if (previous != null) {
      this.#access.drop(previous)
    }
  }

  remove (entry: E): void {
    const share = this.#access.of(entry)

    if (share != null) {
      this.#shares?.remove(share)
      this.#access.drop(entry)
    }
  }

  #countSome (shares: FairShares<T>, count: number): void {
    const entries = this.#entries.after(this.#counted, count, -Infinity)

    for (const entry of entries) {
      if (this.#access.of(entry) == null) {
        shares.add(this.#access.make(entry))
      }
    }

    this.#counted = entries.at(-1)?.sequence ?? this.#counted
    this.#areAllCounted = entries.length < count
  }
}
