/**
 * When to try again. `random` is a number from 0 to 1, as Math.random gives it; durations are
 * milliseconds.
 */

const FIRST_RETRY = 1_000
const LAST_RETRY = 5 * 60_000

/** How long to wait before renewing a registration that was granted for `ttl`. */
export function refreshDelay (ttl: number, refreshBuffer: number, random: number): number {
  const latest = ttl - Math.min(refreshBuffer, ttl / 2)

  return latest * (1 - 0.1 * random)
}

/** How long to wait after the given number of failures in a row: twice as long each time. */
export function retryDelay (failures: number, random: number): number {
  return Math.min(FIRST_RETRY * 2 ** (failures - 1), LAST_RETRY) * (0.5 + 0.5 * random)
}

/** How long to wait before looking for new peers again. */
export function pollDelay (interval: number, random: number): number {
  return interval * (0.9 + 0.2 * random)
}
