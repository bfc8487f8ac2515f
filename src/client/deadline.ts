import { AbortError, TimeoutError } from '@libp2p/interface'
import { setMaxListeners } from 'main-event'
import { raceSignal } from 'race-signal'

/**
 * The time that a piece of work has. It ends when the time is over, when the caller's signal aborts, or
 * when it is told to, and is to be cleared when the work is done before.
 */
export class Deadline {
  readonly #signal: AbortSignal | undefined
  readonly #timer: ReturnType<typeof setTimeout>
  /** Made only for work that takes one: most work is done in microseconds and takes none. */
  #controller: AbortController | undefined
  #reason: Error | undefined

  /** Ends what is being done now. */
  onEnd: ((reason: Error) => void) | undefined

  /**
   * @param ms - milliseconds
   * @param what - what is being done, for the error's message
   */
  constructor (ms: number, what: string, signal?: AbortSignal) {
    this.#signal = signal
    this.#timer = setTimeout(() => { this.end(new TimeoutError(`${what} took longer than ${ms} ms`)) }, ms)
    signal?.addEventListener('abort', this.#onAbort)

    if (signal?.aborted === true) {
      this.#onAbort()
    }
  }

  get isOver (): boolean {
    return this.#reason != null
  }

  /** Aborts when the deadline ends. */
  get signal (): AbortSignal {
    if (this.#controller == null) {
      this.#controller = new AbortController()
      setMaxListeners(Infinity, this.#controller.signal)

      if (this.#reason != null) {
        this.#controller.abort(this.#reason)
      }
    }

    return this.#controller.signal
  }

  /**
   * @throws {TimeoutError} when the time is over
   * @throws {AbortError} when the caller's signal has aborted
   */
  throwIfOver (): void {
    if (this.#reason != null) {
      throw this.#reason
    }
  }

  /**
   * Waits for something no longer than the deadline.
   *
   * @throws what `throwIfOver` throws
   */
  async race <T> (work: Promise<T>): Promise<T> {
    return raceSignal(work, this.signal)
  }

  end (reason: Error): void {
    if (this.#reason == null) {
      this.#reason = reason
      this.clear()
      this.#controller?.abort(reason)
      this.onEnd?.(reason)
    }
  }

  clear (): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
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
