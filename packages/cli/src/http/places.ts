/** Who holds places, by network. */
type Holders<T> = Map<string, Set<T>>

/**
 * A number of places, shared between networks: where there are as many as there may be, the youngest of the network that
 * has most makes way for a newcomer whose network has fewer.
 */
export class Places<T> {
  readonly #max: number
  readonly #holders: Holders<T> = new Map()
  #taken = 0

  constructor (max: number) {
    this.#max = max
  }

  get taken (): number {
    return this.#taken
  }

  /**
   * Takes a place.
   *
   * @returns whether there is one, and who has lost his for it
   */
  take (network: string, newcomer: T): { isTaken: boolean, displaced?: T } {
    if (this.#taken < this.#max) {
      this.#add(network, newcomer)

      return { isTaken: true }
    }

    const [largest, holders] = [...this.#holders].reduce((a, b) => b[1].size > a[1].size ? b : a)

    if (holders.size <= (this.#holders.get(network)?.size ?? 0) + 1) {
      return { isTaken: false }
    }

    const displaced = [...holders].at(-1) as T
    this.leave(largest, displaced)
    this.#add(network, newcomer)

    return { isTaken: true, displaced }
  }

  leave (network: string, holder: T): void {
    const holders = this.#holders.get(network)

    if (holders?.delete(holder) !== true) {
      return
    }

    this.#taken--

    if (holders.size === 0) {
      this.#holders.delete(network)
    }
  }

  #add (network: string, newcomer: T): void {
    const holders = this.#holders.get(network) ?? new Set()
    this.#holders.set(network, holders.add(newcomer))
    this.#taken++
  }
}
