/**
 * When to do things again. `random` is a number from 0 to 1, as Math.random gives it; durations are
 * milliseconds.
 */

const FIRST_RETRY = 1_000
const LAST_RETRY = 5 * 60_000

/** Registrations are not renewed more often than this, whatever a point grants. */
export const MIN_REFRESH = 30_000

/** How long after a registration a point is asked for a cookie, when it has given none. */
const MARK_DELAY = 5_000

/** What a timer can wait at the most; one that is to wait longer does not wait at all. */
export const MAX_TIMER = 2 ** 31 - 1

/** The longest sleep: timers stand still while a machine sleeps, so it is looked up once in a while what the time is. */
export const MAX_SLEEP = 5 * 60_000

/**
 * How long to wait before renewing a registration that was granted for `ttl`. It may be longer than
 * that: then the registration cannot be kept.
 */
export function refreshDelay (ttl: number, refreshBuffer: number, random: number): number {
  const latest = ttl - Math.min(refreshBuffer, ttl / 2)

  return Math.max(latest * (1 - 0.1 * random), MIN_REFRESH)
}

/**
 * How long to wait after the given number of failures in a row: twice as long each time, but never
 * past the end of what is still held.
 *
 * @param left - what is left of the registration; infinite when there is none to lose
 */
export function retryDelay (failures: number, random: number, left: number = Infinity): number {
  const delay = Math.min(FIRST_RETRY * 2 ** (failures - 1), LAST_RETRY) * (0.5 + 0.5 * random)

  return left > 0 ? Math.min(delay, Math.max(left / 2, FIRST_RETRY / 2)) : delay
}

/** How long to wait before a point is asked for a first cookie. */
export function markDelay (random: number): number {
  return MARK_DELAY * (0.5 + 0.5 * random)
}

/** Peers that start together are found 1, 2, 5 and 15 seconds after the first look; these are the waits between. */
const FIRST_WAITS = [1_000, 1_000, 3_000, 10_000]

/**
 * How long to wait before looking for new peers again.
 *
 * @param looks - how often they were looked for before, since there was a reason to be quick
 */
export function pollDelay (interval: number, looks: number, random: number): number {
  return Math.min(Math.min(FIRST_WAITS[looks] ?? Infinity, interval) * (0.9 + 0.2 * random), MAX_TIMER)
}
