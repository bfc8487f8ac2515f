import { AbortError, TimeoutError } from '@libp2p/interface'
import { setMaxListeners } from 'main-event'
import { raceSignal } from 'race-signal'

/**
 * Does work that ends, one way or the other, within a time and before the caller's signal aborts.
 *
 * @param ms - milliseconds
 * @param what - what is being done, for the error's message
 * @throws {TimeoutError} when the time is over
 * @throws {AbortError} when the caller's signal aborts
 */
export async function withinTime <T> (ms: number, what: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  setMaxListeners(Infinity, controller.signal)

  const onAbort = (): void => { controller.abort(new AbortError()) }
  const timer = setTimeout(() => {
    controller.abort(new TimeoutError(`${what} took longer than ${ms} ms`))
  }, ms)

  signal?.addEventListener('abort', onAbort)

  try {
    if (signal?.aborted === true) {
      onAbort()
      controller.signal.throwIfAborted()
    }

    return await raceSignal(work(controller.signal), controller.signal)
  } catch (err) {
    // whatever the work made of being aborted, the reason is the one given here
    throw controller.signal.aborted ? controller.signal.reason : err
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}
