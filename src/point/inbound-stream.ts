import { setMaxListeners } from 'main-event'
import { readMessages, writeMessage } from '../protocol/framing.ts'
import type { PointSettings } from './settings.ts'
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Unread bytes that a stream may hold: the window that a muxer grants a new stream. */
const MAX_READ_BUFFER = 256 * 1024

/** What a peer did that ended its stream. */
export type ResetReason = 'malformed' | 'oversized' | 'slow' | 'rate_limited'

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
  InvalidMessageLengthError: 'malformed',
  InvalidDataLengthLengthError: 'malformed',
  UnexpectedEOFError: 'malformed',
  InvalidDataLengthError: 'oversized',
  StreamBufferError: 'oversized'
}

export interface AnswerRequest {
  /** Resolves to the response, or to undefined when the request has none. */
  (request: Uint8ArrayList, signal: AbortSignal): Promise<Uint8Array | undefined>
}

/**
 * The requests on one stream, answered in order, and the time each step of it may take.
 */
export class InboundStream {
  readonly #stream: Stream
  readonly #settings: PointSettings
  readonly #answer: AnswerRequest
  readonly #finished = Promise.withResolvers<void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #isIdle = true
  #isFinishing = false

  constructor (stream: Stream, settings: PointSettings, answer: AnswerRequest) {
    this.#stream = stream
    this.#settings = settings
    this.#answer = answer
    stream.maxReadBufferLength = Math.max(MAX_READ_BUFFER, settings.maxMessageSize)
  }

  /**
   * Resolves when either side has ended the stream in good order.
   *
   * @throws {StreamEndedError} when the peer broke a rule; the stream is to be reset
   */
  async serve (): Promise<void> {
    try {
      await this.#serve()
    } catch (err: any) {
      const reason = REASONS[err.name]

      throw reason == null ? err : new StreamEndedError(reason, err.message)
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
      await this.#stream.close().catch(() => {})
      this.#stream.abort(new Error('This rendezvous point is stopping'))
    }

    await this.#finished.promise
  }

  async #serve (): Promise<void> {
    const { requestTimeout, maxMessageSize } = this.#settings
    const stream = this.#stream
    let isArriving = false
    let tooLate = new AbortController()

    const onChunk = (): void => {
      if (this.#isIdle && !isArriving) {
        isArriving = true
        this.#within(requestTimeout, 'the request did not arrive')
      }
    }

    this.#awaitRequest()

    for await (const request of readMessages(stream, { maxMessageSize, onChunk })) {
      this.#isIdle = false
      isArriving = false

      if (tooLate.signal.aborted) {
        tooLate = new AbortController()
      }

      setMaxListeners(Infinity, tooLate.signal)
      this.#after(requestTimeout, () => { tooLate.abort() })
      const response = await this.#answer(request, tooLate.signal)

      if (response != null) {
        this.#within(requestTimeout, 'the response was not read')
        await writeMessage(stream, response)
      }

      if (this.#isFinishing) {
        break
      }

      this.#awaitRequest()
    }

    this.#within(requestTimeout, 'the stream could not be closed')
    await stream.close()
  }

  #awaitRequest (): void {
    this.#isIdle = true
    this.#after(this.#settings.idleTimeout, () => {
      this.#within(this.#settings.requestTimeout, 'the stream stayed open')
      this.#stream.close().catch(() => {})
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
