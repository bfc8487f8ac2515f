/** What is there, or will be. */
export type MaybePromise<T> = T | Promise<T>
