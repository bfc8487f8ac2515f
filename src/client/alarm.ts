import { MAX_SLEEP } from './schedule.ts'

/**
 * The one timer of something that says when it wants to be woken, by a clock of its own.
 */
export class Alarm {
  readonly #clock: () => number
  readonly #wake: () => void
  #at = Infinity
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor (clock: () => number, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  /** @param at - infinite for never */
  set (at: number): void {
    if (at === this.#at) {
      return
    }

    clearTimeout(this.#timer)
    this.#at = at

    if (at < Infinity) {
      this.#timer = setTimeout(() => {
        // a timer may be early, and is where the sleep was cut short: what is woken looks at the clock
        this.#at = Infinity
        this.#wake()
      }, Math.min(Math.max(Math.ceil(at - this.#clock()), 0), MAX_SLEEP))
    }
  }

  clear (): void {
    this.set(Infinity)
  }
}
