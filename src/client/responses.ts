import { UnexpectedEOFError } from '@libp2p/utils'
import { MessageDecoder } from '../protocol/message-decoder.ts'
import type { Deadline } from './deadline.ts'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * The responses on a stream, taken one by one. `lpStream` of @libp2p/utils waits for a promise for each byte of a length,
 * and leaves the stream running between two responses, so that the muxer says that there is room again before the
 * response is handed on: a request took a quarter longer with it (bench/README.md).
 */
export class Responses {
  readonly #stream: Stream
  readonly #decoder: MessageDecoder
  #waiting: PromiseWithResolvers<Uint8ArrayList> | undefined
  #failure: Error | undefined

  /**
   * @param maxLength - bytes of a response
   */
  constructor (stream: Stream, maxLength: number) {
    this.#stream = stream
    this.#decoder = new MessageDecoder(maxLength)
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('close', this.#onClose)
    // the last bytes may come with it, and right after it
    stream.addEventListener('remoteCloseWrite', () => { queueMicrotask(this.#onEnd) })
  }

  /** Whether more has come than was asked for: what comes next may be no answer to what is asked next. */
  get isAhead (): boolean {
    return this.#waiting == null && (this.#decoder.isInside || this.#stream.readBufferLength > 0)
  }

  /**
   * Resolves to the next one.
   *
   * @throws {InvalidDataLengthError | InvalidDataLengthLengthError} when its length is wrong
   * @throws {UnexpectedEOFError} when the stream ends before
   * @throws what the stream was aborted with, and what the deadline ends with
   */
  async next (deadline: Deadline): Promise<Uint8ArrayList> {
    const waiting = this.#waiting = Promise.withResolvers<Uint8ArrayList>()
    const next = deadline.race(waiting.promise)
    this.#settle()

    if (this.#waiting === waiting && this.#stream.readStatus === 'paused') {
      // hands over what arrived meanwhile before it returns
      this.#stream.resume()
    }

    return next
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    // in one piece: a list of a thousand small ones takes many times their size
    this.#decoder.push(data.subarray())
    this.#settle()

    // what nobody waits for is held back
    if (this.#waiting == null && this.#stream.readStatus === 'readable') {
      this.#stream.pause()
    }
  }

  readonly #onClose = (event: StreamCloseEvent): void => {
    this.#failure = event.error ?? new UnexpectedEOFError('The stream was closed before a response was there')
    this.#settle()
  }

  readonly #onEnd = (): void => {
    this.#failure ??= new UnexpectedEOFError('The stream ended before a response was there')
    this.#settle()
  }

  #settle (): void {
    const waiting = this.#waiting

    if (waiting == null) {
      return
    }

    try {
      const response = this.#decoder.take()

      if (response != null) {
        this.#waiting = undefined
        waiting.resolve(response)
      } else if (this.#failure != null) {
        throw this.#failure
      }
    } catch (err) {
      this.#waiting = undefined
      waiting.reject(err)
    }
  }
}
