import { FairShares, UNSHARED } from './fair-shares.ts'
import type { Network, Share } from './fair-shares.ts'

interface Place<T> extends Share {
  readonly holder: T
}

/**
 * Places of which there are so many and no more, shared max-min fairly between networks: when all are taken, a newcomer
 * gets that of the youngest of the network that has most, if that has more than the newcomer's would have then.
 */
export class FairPlaces<T> {
  readonly #onDisplaced: (holder: T) => void
  readonly #shares = new FairShares<Place<T>>()
  readonly #places = new Map<T, Place<T>>()

  /**
   * @param onDisplaced - told who has lost a place to another, once it is gone
   */
  constructor (onDisplaced: (holder: T) => void) {
    this.#onDisplaced = onDisplaced
  }

  /** How many places are taken. */
  get taken (): number {
    return this.#places.size
  }

  /** Who has a place, in the order in which they came. */
  get holders (): T[] {
    return [...this.#places.keys()]
  }

  has (holder: T): boolean {
    return this.#places.has(holder)
  }

  /**
   * Whether a newcomer from there would get none.
   *
   * @param max - how many places there are
   */
  isFull (network: Network, max: number): boolean {
    return this.taken >= max && this.#shares.victim(network, 1) == null
  }

  /**
   * Takes a place, and has others lose theirs where that takes it.
   *
   * @param max - how many places there are, which need not be what it was before
   * @returns false when there is none for this network; true also for who has one already
   */
  take (holder: T, network: Network, max: number): boolean {
    while (this.taken >= max && !this.has(holder)) {
      const victim = this.#shares.victim(network, 1)

      if (victim == null) {
        return false
      }

      this.release(victim.holder)
      this.#onDisplaced(victim.holder)
    }

    this.add(holder, network)

    return true
  }

  /** Gives a place to who cannot be refused. */
  add (holder: T, network: Network): void {
    if (!this.has(holder)) {
      const place: Place<T> = { ...UNSHARED, network, weight: 1, holder }
      this.#places.set(holder, place)
      this.#shares.add(place)
    }
  }

  /** Somebody needs none any more; who has none may say so, too. */
  release (holder: T): void {
    const place = this.#places.get(holder)

    if (place != null) {
      this.#places.delete(holder)
      this.#shares.remove(place)
    }
  }
}
