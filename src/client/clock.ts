/** By how much the clocks may differ before one is believed to have stood still or to have been set, in milliseconds. */
const TOLERANCE = 1_000

/**
 * Milliseconds that only go forward, by whichever clock says that more have passed: the system's is set
 * back now and then, and the steady one may stand still while a machine sleeps. To take a registration
 * for older than it is does no harm; to take it for younger loses it.
 */
export class Clock {
  #ahead = Date.now() - performance.now()
  #slept = 0

  get now (): number {
    const steady = performance.now()
    const ahead = Date.now() - steady

    if (ahead > this.#ahead + TOLERANCE) {
      this.#slept += ahead - this.#ahead
      this.#ahead = ahead
    } else if (ahead < this.#ahead) {
      this.#ahead = ahead
    }

    return steady + this.#slept
  }
}
