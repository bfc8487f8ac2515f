/** What waits: it is let go when it is its turn, or turned away when it has waited too long. */
interface Waiting {
  since: number
  let: (isIn: boolean) => void
}

/**
 * A line of what waits for its turn, first come, first served.
 */
export class Turnstile {
  readonly #patience: number
  readonly #most: number
  #left = Infinity
  /** From `#first` on: to take the first out of an array would move all others. */
  #line: Waiting[] = []
  #first = 0

  /**
   * @param patience - milliseconds after which it is turned away
   * @param most - how many may wait; one more is turned away at once
   */
  constructor (patience: number, most: number) {
    this.#patience = patience
    this.#most = most
  }

  get waiting (): number {
    return this.#line.length - this.#first
  }

  /** Resolves with whether it may go on. There is no promise when it need not wait. */
  enter (now: number): true | Promise<boolean> {
    if (this.#left > 0 && this.waiting === 0) {
      this.#left--

      return true
    }

    if (this.waiting >= this.#most) {
      return Promise.resolve(false)
    }

    return new Promise(resolve => { this.#line.push({ since: now, let: resolve }) })
  }

  /** Turns away who has waited too long, and lets so many others in until this is called again. */
  turn (count: number, now: number): void {
    this.#left = count

    for (; this.#first < this.#line.length; this.#first++) {
      const { since, let: go } = this.#line[this.#first] as Waiting
      const isLate = now - since >= this.#patience

      if (!isLate && this.#left <= 0) {
        break
      }

      this.#left -= isLate ? 0 : 1
      go(!isLate)
    }

    if (this.#first > this.#line.length / 2) {
      this.#line = this.#line.slice(this.#first)
      this.#first = 0
    }
  }

  /** Turns everybody away, and lets everybody in from then on. */
  clear (): void {
    this.#left = Infinity
    this.#line.slice(this.#first).forEach(({ let: go }) => { go(false) })
    this.#line = []
    this.#first = 0
  }
}
