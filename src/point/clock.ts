/**
 * The time of one run of a point, in milliseconds since the epoch: the system's when it began, and what has
 * passed since. So registrations live for as long as they were granted when the system's clock is set: forward,
 * they would all be lost, and backward, they would be announced for longer than anybody asked for.
 */
export class Clock {
  readonly #ahead = Date.now() - performance.now()

  get now (): number {
    return Math.round(this.#ahead + performance.now())
  }
}
