/** What a point may say in a minute: as much as is read of one that is asked each minute. */
const PER_MINUTE = 10_000

/** What it may say at once: as much as is read of one that is asked for the first time, in a quarter of a minute. */
const AT_ONCE = 50_000

/** So much more that is wrong than right, and a point is not listened to any longer. */
const MAX_WRONG = 100

/**
 * How far a point that tells by itself is listened to: as fast as it would be asked, and no longer than
 * what it says can be believed.
 */
export class Trust {
  #wrong = 0
  #left = AT_ONCE
  #at: number

  /** @param now - milliseconds of a clock that is never set */
  constructor (now: number) {
    this.#at = now
  }

  /** Whether it has said too much that is wrong. */
  get isLost (): boolean {
    return this.#wrong >= MAX_WRONG
  }

  /** Notes how much of what it said could be believed, and how much is what no honest point says. */
  judge (right: number, wrong: number): void {
    this.#wrong = Math.max(this.#wrong - right, 0) + wrong
  }

  /** @returns milliseconds after which to listen to what follows */
  spend (amount: number, now: number): number {
    const perMillisecond = PER_MINUTE / 60_000
    this.#left = Math.min(this.#left + (now - this.#at) * perMillisecond, AT_ONCE) - amount
    this.#at = now

    return Math.max(-this.#left / perMillisecond, 0)
  }
}
