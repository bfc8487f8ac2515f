import { setMaxListeners } from 'main-event'
import { pEvent } from 'p-event'
import { andThen } from '../protocol/maybe-promise.ts'
import { writeMessage } from '../protocol/write-message.ts'
import { serveMessages } from './serve-messages.ts'
import type { Pace } from './pace.ts'
import type { PointSettings } from './settings.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * Unread bytes that a stream may hold: a hundred usual requests sent at once. A muxer would let more
 * through, and what comes in small pieces takes many times its size.
 */
const MAX_READ_BUFFER = 32 * 1024

/** How long the other side may take to close a stream that this point has closed because it stops. */
const STOP_GRACE = 500

/**
 * Why a point reset a stream. `refused` is the answer to an UNREGISTER that could not be carried out,
 * which has no response.
 */
export type ResetReason = 'malformed' | 'oversized' | 'slow' | 'refused' | 'too_many_streams'

/** A stream was ended because of what the peer on it did, or did not do. */
export class StreamEndedError extends Error {
  static override name = 'StreamEndedError'
  override name = 'StreamEndedError'

  constructor (readonly reason: ResetReason, message: string) {
    super(message)
  }
}

/** How errors of the layers below tell of a peer's doing. */
const REASONS: Record<string, ResetReason> = {
  InvalidMessageError: 'malformed',
  InvalidDataLengthLengthError: 'malformed',
  InvalidDataLengthError: 'oversized',
  StreamBufferError: 'oversized'
}

export interface AnswerRequest {
  /**
   * Returns the response, or undefined when the request has none. The signal aborts when an answer
   * would come too late, or nobody is there any more to read it.
   */
  (request: Uint8ArrayList, signal: AbortSignal): MaybePromise<Uint8Array | undefined>
}

/**
 * The requests on one stream, answered in order, and the time each step of it may take.
 */
export class InboundStream {
  readonly #stream: Stream
  readonly #settings: PointSettings
  readonly #pace: Pace
  readonly #answer: AnswerRequest
  readonly #finished = Promise.withResolvers<void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Aborts when an answer to the request in hand is of no use any more. */
  #pointless = newController()
  /** What the stream was reset with, by whichever side. */
  #closedBy: Error | undefined
  #isIdle = true
  /** Whether a request has begun to arrive. */
  #isArriving = false
  #isFinishing = false

  constructor (stream: Stream, settings: PointSettings, pace: Pace, answer: AnswerRequest) {
    this.#stream = stream
    this.#settings = settings
    this.#pace = pace
    this.#answer = answer
    stream.maxReadBufferLength = Math.max(MAX_READ_BUFFER, settings.maxMessageSize)
  }

  /**
   * Resolves when the stream has been closed in good order.
   *
   * @throws {StreamEndedError} when the peer broke a rule; the stream is to be reset
   */
  async serve (): Promise<void> {
    this.#stream.addEventListener('close', ({ error }) => {
      this.#closedBy = error
      this.#pointless.abort()
    })
    this.#awaitRequest()

    try {
      await serveMessages(this.#stream, {
        maxMessageSize: this.#settings.maxMessageSize,
        onPartial: () => { this.#awaitRest() }
      }, request => this.#serveRequest(request))
      await this.#close()
    } catch (err: any) {
      // what is done on a closed stream fails in other words
      const cause = this.#closedBy ?? err
      const reason = REASONS[cause.name]

      throw reason == null ? cause : new StreamEndedError(reason, cause.message)
    } finally {
      clearTimeout(this.#timer)
      this.#finished.resolve()
    }
  }

  /**
   * Closes the stream once the request in hand is answered.
   */
  async finish (): Promise<void> {
    this.#isFinishing = true

    if (this.#isIdle) {
      this.#closeSoon()
    }

    await this.#finished.promise
  }

  /** From now on, no more may wait on this stream than one request. */
  restrict (): void {
    this.#stream.maxReadBufferLength = this.#settings.maxMessageSize
  }

  #serveRequest (request: Uint8ArrayList): MaybePromise<void> {
    // where an answer cannot be sent any more, nothing is done
    if (this.#isFinishing || this.#stream.writeStatus !== 'writable') {
      return
    }

    this.#pace.begin()
    this.#isIdle = false
    this.#isArriving = false

    if (this.#pointless.signal.aborted) {
      this.#pointless = newController()
    }

    const response = this.#answer(request, this.#pointless.signal)

    if (response instanceof Promise) {
      this.#after(this.#settings.requestTimeout, () => { this.#pointless.abort() })
    }

    return andThen(response, response => andThen(this.#respond(response), () => {
      this.#endRequest()

      return this.#pace.end()
    }))
  }

  #respond (response: Uint8Array | undefined): MaybePromise<void> {
    if (response == null) {
      return
    }

    const written = writeMessage(this.#stream, response)

    if (written instanceof Promise) {
      this.#within(this.#settings.requestTimeout, 'the response was not read')
    }

    return written
  }

  #endRequest (): void {
    this.#awaitRequest()

    if (this.#isFinishing) {
      this.#closeSoon()
    }
  }

  async #close (): Promise<void> {
    const stream = this.#stream

    if (this.#isFinishing) {
      this.#resetAfterGrace()
    } else {
      this.#within(this.#settings.requestTimeout, 'the stream could not be closed')
    }

    await stream.close()

    if (stream.status === 'open') {
      // the other side may still be reading the last response: a reset could overtake it
      await pEvent(stream, 'close')
    }
  }

  /** The rest of a request that has begun to arrive. */
  #awaitRest (): void {
    if (!this.#isArriving && !this.#isFinishing) {
      this.#isArriving = true
      this.#within(this.#settings.requestTimeout, 'the request did not arrive')
    }
  }

  #awaitRequest (): void {
    this.#isIdle = true
    this.#after(this.#settings.idleTimeout, () => {
      this.#within(this.#settings.requestTimeout, 'the stream stayed open')
      this.#stream.close().catch(() => {})
    })
  }

  /** Closes a stream that is to be closed because this point stops. */
  #closeSoon (): void {
    this.#resetAfterGrace()
    this.#stream.close().catch(() => {})
  }

  #resetAfterGrace (): void {
    this.#after(STOP_GRACE, () => {
      this.#stream.abort(new Error('This rendezvous point has stopped'))
    })
  }

  /** Resets the stream when the next step takes longer. */
  #within (ms: number, otherwise: string): void {
    this.#after(ms, () => {
      this.#stream.abort(new StreamEndedError('slow', `${otherwise} within ${ms} ms`))
    })
  }

  /** One step at a time: the timer of the step before is gone. */
  #after (ms: number, act: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(act, ms)
  }
}

function newController (): AbortController {
  const controller = new AbortController()
  setMaxListeners(Infinity, controller.signal)

  return controller
}
