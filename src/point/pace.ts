import { othersHadTheirTurn } from '../store/others-turn.ts'

/** How long requests may keep the event loop to themselves, in milliseconds. */
const STRETCH = 5

/** As long without a request, in milliseconds, and other work has had its turn. */
const GAP = 1

/**
 * Keeps requests that come in one go from holding the event loop: a peer may send a thousand at once, and
 * each may have a signature to verify. After a while, all streams of a point rest until other work has had
 * its turn.
 */
export class Pace {
  #since = -Infinity
  #last = -Infinity
  #rest: Promise<void> | undefined

  /** When a request was last served. */
  get last (): number {
    return this.#last
  }

  /** While other work has its turn, there is a promise. */
  get rest (): Promise<void> | undefined {
    return this.#rest
  }

  /**
   * Before a request is served.
   *
   * @returns the time
   */
  begin (): number {
    const now = performance.now()

    if (now - this.#last > GAP) {
      this.#since = now
    }

    return now
  }

  /** After a request was served. When there is a promise, the next one is to wait for it. */
  end (): Promise<void> | undefined {
    this.#last = performance.now()

    if (this.#last - this.#since > STRETCH) {
      this.#rest ??= this.#untilOthersHadTheirTurn()

      return this.#rest
    }
  }

  async #untilOthersHadTheirTurn (): Promise<void> {
    await othersHadTheirTurn()
    this.#since = performance.now()
    this.#last = this.#since
    this.#rest = undefined
  }
}
