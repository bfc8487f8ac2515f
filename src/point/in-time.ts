import { TimeoutError } from '@libp2p/interface'
import { raceSignal } from 'race-signal'
import type { MaybePromise } from '../protocol/maybe-promise.ts'

/**
 * What a store answers: one that does not must not keep the point from stopping.
 *
 * @param ms - how long it is waited for
 * @throws {TimeoutError} when there is no answer by then
 */
export async function inTime <T> (answer: MaybePromise<T>, ms: number): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => { controller.abort(new TimeoutError('The store did not answer')) }, ms)

  try {
    return await raceSignal(Promise.resolve(answer), controller.signal)
  } finally {
    clearTimeout(timer)
  }
}
