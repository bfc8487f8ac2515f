/**
 * Tells how long ago it was made, by whichever clock says more: the system's stands still or runs
 * backwards when it is set, and the steady one may stand still while a machine sleeps. To take a
 * registration for older than it is does no harm; to take it for younger loses it.
 */
export class Stopwatch {
  readonly #set = Date.now()
  readonly #steady = performance.now()

  /** Milliseconds. */
  get elapsed (): number {
    return Math.max(Date.now() - this.#set, performance.now() - this.#steady)
  }
}
