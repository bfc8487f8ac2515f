import { AbortError, TimeoutError } from '@libp2p/interface'
import { setMaxListeners } from 'main-event'

/**
 * The time that a piece of work has: a signal that aborts when the time is over, when the caller's signal
 * does, or when it is told to. It is to be cleared when the work is done before, so that nothing of it
 * stays on the caller's signal.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly signal = this.#controller.signal
  readonly #caller: AbortSignal | undefined
  readonly #timer: ReturnType<typeof setTimeout>
  /** What rejects when it is over, once somebody waits for that. */
  #over: PromiseWithResolvers<never> | undefined

  /**
   * @param ms - milliseconds
   * @param what - what is being done, for the error's message
   */
  constructor (ms: number, what: string, caller?: AbortSignal) {
    setMaxListeners(Infinity, this.signal)
    this.#caller = caller
    this.#timer = setTimeout(() => { this.end(new TimeoutError(`${what} took longer than ${ms} ms`)) }, ms)
    caller?.addEventListener('abort', this.#onAbort)

    if (caller?.aborted === true) {
      this.#onAbort()
    }
  }

  get isOver (): boolean {
    return this.signal.aborted
  }

  /**
   * Waits for something no longer than the deadline.
   *
   * @throws {TimeoutError} when the time is over
   * @throws {AbortError} when the caller's signal has aborted
   */
  async race <T> (work: Promise<T>): Promise<T> {
    if (this.#over == null) {
      this.#over = Promise.withResolvers()
      // nobody may be there any more when it rejects
      this.#over.promise.catch(() => {})

      if (this.isOver) {
        this.#over.reject(this.signal.reason)
      }
    }

    return Promise.race([this.#over.promise, work])
  }

  end (reason: Error): void {
    this.clear()
    this.#controller.abort(reason)
    this.#over?.reject(reason)
  }

  clear (): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => { this.end(new AbortError()) }
}

/**
 * @throws {AbortError} whatever the reason that the signal gives
 */
export function throwIfAborted (signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new AbortError()
  }
}
