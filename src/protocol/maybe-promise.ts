/**
 * What is there, or will be. A request that needs no waiting is answered in the very event that brings
 * it: to wait for a promise, even a settled one, would take a third longer (bench/README.md).
 */
export type MaybePromise<T> = T | Promise<T>

/** What somebody else's code returns, whose promises may be of another kind. */
export function maybePromise <T> (value: T | PromiseLike<T>): MaybePromise<T> {
  return isPromiseLike(value) ? Promise.resolve(value) : value
}

/** Goes on with a value: at once when it is there, and else when it comes. */
export function andThen <T, R> (value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Does some work, and goes on with its error when it fails, at once or later. */
export function orElse <T> (work: () => MaybePromise<T>, otherwise: (err: unknown) => T): MaybePromise<T> {
  try {
    const value = work()

    return value instanceof Promise ? value.catch(otherwise) : value
  } catch (err) {
    return otherwise(err)
  }
}

function isPromiseLike <T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function'
}
