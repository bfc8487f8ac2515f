import * as lp from 'it-length-prefixed'
import { setMaxListeners } from 'main-event'
import { pEvent } from 'p-event'
import { decodeRequest } from './codec.ts'
import { serveMessages } from './serve-messages.ts'
import { run, wait } from './steps.ts'
import { writeCounted } from './unsent.ts'
import type { Request } from './codec.ts'
import type { Pace } from './pace.ts'
import type { PointSettings } from './settings.ts'
import type { Steps } from './steps.ts'
import type { Outbox } from './unsent.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

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

/** Tells a peer's doing from other reasons for which a stream ends. */
export function asStreamEnded (err: Error): Error {
  const reason = REASONS[err.name]

  return reason == null ? err : new StreamEndedError(reason, err.message)
}

export interface AnswerRequest {
  /**
   * Returns the response, or undefined when the request has none. The signal aborts when an answer
   * would come too late, or nobody is there any more to read it.
   */
  (request: Request, signal: AbortSignal): MaybePromise<Uint8Array | undefined>
}

/**
 * The requests on one stream, answered in order, and the time each step of it may take.
 */
export class InboundStream {
  readonly #stream: Stream
  readonly #settings: PointSettings
  readonly #pace: Pace
  readonly #outbox: Outbox
  readonly #answer: AnswerRequest
  readonly #finished = Promise.withResolvers<void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Whether that is the one for the next request to begin. */
  #isIdleTimed = false
  #idleSince = 0
  /** Aborts when an answer to the request in hand is of no use any more. */
  #pointless = newController()
  /** Whether the peer waits for an answer to the request in hand. */
  #isAwaited = false
  /** What the stream was reset with, by whichever side. */
  #closedBy: Error | undefined
  #isIdle = true
  /** Whether a request has begun to arrive. */
  #isArriving = false
  /** Whether the point stops. */
  #isFinishing = false
  /** Whether this side has been closed. */
  #isEnded = false

  constructor (stream: Stream, settings: PointSettings, pace: Pace, outbox: Outbox, answer: AnswerRequest) {
    this.#stream = stream
    this.#settings = settings
    this.#pace = pace
    this.#outbox = outbox
    this.#answer = answer
  }

  /**
   * Resolves when the stream has been closed in good order.
   *
   * @throws {StreamEndedError} when the peer broke a rule; the stream is to be reset
   */
  async serve (): Promise<void> {
    this.#stream.addEventListener('close', ({ error }) => {
      this.#closedBy = error

      if (this.#isAwaited) {
        this.#pointless.abort()
      }
    })
    this.#awaitRequest()

    try {
      await serveMessages(this.#stream, {
        maxMessageSize: this.#settings.maxMessageSize,
        onPartial: () => { this.#awaitRest() }
      }, message => run(this.#serveRequest(message)))
      await this.#close()
    } catch (err: any) {
      // what is done on a closed stream fails in other words
      throw asStreamEnded(this.#closedBy ?? err)
    } finally {
      clearTimeout(this.#timer)
      this.#outbox.settle()
      this.#finished.resolve()
    }
  }

  /**
   * Closes the stream once the request in hand is answered, and what has come to be unregistered is.
   */
  async finish (): Promise<void> {
    this.#isFinishing = true

    if (this.#isIdle || this.#isEnded) {
      this.#endToStop()
    }

    await this.#finished.promise
  }

  * #serveRequest (message: Uint8ArrayList): Steps<void> {
    this.#isIdle = false
    this.#isArriving = false
    const turn = this.#pace.turn()

    if (turn != null) {
      this.#stopTimer()
      yield * wait(turn)
    }

    const request = decodeRequest(message)

    // what cannot be answered is not done, for its peer asks again elsewhere; UNREGISTER has no answer,
    // and its peer takes the end of the stream for one
    const isAwaited = request.type !== 'unregister'

    if (isAwaited && this.#stream.writeStatus !== 'writable') {
      return
    }

    this.#pace.begin()
    this.#isAwaited = isAwaited

    if (this.#pointless.signal.aborted) {
      this.#pointless = newController()
    }

    const answering = this.#answer(request, this.#pointless.signal)

    if (answering instanceof Promise) {
      this.#after(this.#settings.requestTimeout, () => { this.#pointless.abort() })
    }

    const response = yield * wait(answering)

    if (response != null) {
      yield * this.#write(response)
    }

    this.#awaitRequest()

    if (this.#isFinishing && !this.#isEnded) {
      this.#endToStop()
    }

    yield * wait(this.#pace.end())
  }

  * #write (response: Uint8Array): Steps<void> {
    const written = writeCounted(this.#stream, lp.encode.single(response), this.#outbox)

    if (written instanceof Promise) {
      this.#within('the response was not read')
    }

    yield * wait(written)
  }

  /** Now that the other side has closed the stream. */
  async #close (): Promise<void> {
    if (!this.#isEnded) {
      this.#end('the stream could not be closed')
    }

    if (this.#stream.status === 'open') {
      // the other side may still be reading the last response: a reset could overtake it
      await pEvent(this.#stream, 'close')
    }

    if (this.#closedBy != null) {
      throw this.#closedBy
    }
  }

  /** The rest of a request that has begun to arrive. */
  #awaitRest (): void {
    if (!this.#isArriving) {
      this.#isArriving = true
      this.#within('the request did not arrive')
    }
  }

  #awaitRequest (): void {
    this.#isIdle = true
    this.#idleSince = performance.now()

    // where nothing had to be waited for since, it looks at the clock when it is over: to set it anew takes longer
    if (!this.#isIdleTimed) {
      this.#awaitIdle(this.#settings.idleTimeout)
    }
  }

  #awaitIdle (ms: number): void {
    this.#after(ms, () => {
      const left = this.#idleSince + this.#settings.idleTimeout - performance.now()

      if (left > 0) {
        this.#awaitIdle(left)
      } else {
        this.#end('the stream stayed open')
      }
    })
    this.#isIdleTimed = true
  }

  /** Closes this side of the stream. The other has a while to close its own, whatever it still sends. */
  #end (otherwise: string): void {
    this.#within(otherwise)
    this.#isEnded = true
    this.#stream.close().catch(() => {})
  }

  /** The same for a point that stops, which is in a hurry. */
  #endToStop (): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.#reset(new Error('This rendezvous point has stopped')) }, STOP_GRACE)
    this.#isEnded = true
    this.#stream.close().catch(() => {})
  }

  /** Resets the stream when the next step takes longer. */
  #within (otherwise: string): void {
    const { requestTimeout } = this.#settings
    this.#after(requestTimeout, () => { this.#reset(new StreamEndedError('slow', `${otherwise} within ${requestTimeout} ms`)) })
  }

  /** One step at a time: the timer of the step before is gone. That of the end stays. */
  #after (ms: number, act: () => void): void {
    if (!this.#isEnded) {
      clearTimeout(this.#timer)
      this.#isIdleTimed = false
      this.#timer = setTimeout(act, ms)
    }
  }

  /** While it is the others' turn, the peer is not late with anything. */
  #stopTimer (): void {
    if (!this.#isEnded) {
      clearTimeout(this.#timer)
      this.#isIdleTimed = false
    }
  }

  #reset (reason: Error): void {
    this.#pointless.abort()
    this.#stream.abort(reason)
  }
}

function newController (): AbortController {
  const controller = new AbortController()
  setMaxListeners(Infinity, controller.signal)

  return controller
}
