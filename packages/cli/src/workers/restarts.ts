/** Who has served for so long was well when it was started. Milliseconds, as all here. */
const SETTLED = 10_000

const SHORTEST_PAUSE = 250
const LONGEST_PAUSE = 30_000

/**
 * How long to wait before a worker that has ended is started again: not at all, unless it ended soon after its start;
 * then twice as long each time.
 *
 * @param served - how long it had been ready for work
 * @param before - how long was waited the last time
 */
export function pauseBefore (served: number, before: number): number {
  return served >= SETTLED ? 0 : Math.min(Math.max(SHORTEST_PAUSE, 2 * before), LONGEST_PAUSE)
}
