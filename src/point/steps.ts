import { raceSignal } from 'race-signal'
import type { MaybePromise } from '../protocol/maybe-promise.ts'

/**
 * Work that may have to wait, written as if it had not: `yield * wait(…)` where an async function has
 * `await`. Where there is no promise it does not wait, so a request that is answered from memory is
 * answered in the very event that brings it: to wait for a promise, even a settled one, would take a
 * third longer (bench/README.md).
 */
export type Steps<T> = Generator<Promise<unknown>, T, any>

/** Does work: at once as far as nothing has to be waited for. */
export function run <T> (steps: Steps<T>): MaybePromise<T> {
  const { done, value } = steps.next()

  return done === true ? value : runFrom(steps, value)
}

/**
 * A value that may be somebody else's promise, of whatever kind.
 *
 * @param signal - ends the waiting
 */
export function * wait <T> (value: T | PromiseLike<T>, signal?: AbortSignal): Steps<T> {
  return isPromiseLike(value) ? yield raceSignal(Promise.resolve(value), signal) : value
}

async function runFrom <T> (steps: Steps<T>, waitedFor: Promise<unknown>): Promise<T> {
  while (true) {
    const { done, value } = await waitedFor.then(value => steps.next(value), err => steps.throw(err))

    if (done === true) {
      return value
    }

    waitedFor = value
  }
}

function isPromiseLike <T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function'
}
