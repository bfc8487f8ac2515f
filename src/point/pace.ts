import { othersHadTheirTurn } from '../store/others-turn.ts'

/** How long requests may keep the event loop to themselves, in milliseconds. */
const STRETCH = 5

/** As long without a request, in milliseconds, and other work has had its turn. */
const GAP = 1

/** Requests that are served in one turn all the same where they come on streams that have not rested. */
const SPARE = 16

/**
 * Keeps requests that come in one go from holding the event loop, and from filling the memory, which the system gives back
 * between its turns: a peer may send a thousand at once, each of which may have a signature to verify, and five thousand peers
 * may send one each. After a while, all streams of a point rest until other work has had its turn.
 */
export class Pace {
  #since = -Infinity
  #last = -Infinity
  #rest: Promise<void> | undefined
  /** Requests that need not wait for the end of the rest. */
  #spare = 0
  /** Those that do, in the order in which they came. */
  readonly #waiting: Array<() => void> = []

  /** When a request was last served. */
  get last (): number {
    return this.#last
  }

  /** While other work has its turn, there is a promise. */
  get rest (): Promise<void> | undefined {
    return this.#rest
  }

  /** When a request has come: there is a promise while others are to be served before. */
  turn (): Promise<void> | undefined {
    if (this.#rest == null) {
      return
    }

    if (this.#spare > 0) {
      this.#spare--
      return
    }

    return new Promise(resolve => { this.#waiting.push(resolve) })
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
      if (this.#rest == null) {
        this.#spare = SPARE
        this.#rest = this.#untilOthersHadTheirTurn()
      }

      return this.#rest
    }
  }

  async #untilOthersHadTheirTurn (): Promise<void> {
    await othersHadTheirTurn()
    this.#since = performance.now()
    this.#last = this.#since
    this.#waiting.splice(0, SPARE).forEach(serve => { serve() })
    // who comes while others wait, waits
    this.#rest = this.#waiting.length > 0 ? this.#untilOthersHadTheirTurn() : undefined
  }
}
