import { ProtocolError } from '@libp2p/interface'
import { MAX_ACCEPTED_RESPONSE_SIZE } from '../protocol/constants.ts'
import { readMessages, writeMessage } from '../protocol/framing.ts'
import { withinTime } from './deadline.ts'
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** How long a point may take to end a stream after a message that has no response. */
const UNANSWERED_GRACE = 1_000

export interface SessionInit {
  /** Opens a stream to the point, dialling it where need be. */
  openStream: (signal: AbortSignal) => Promise<Stream>
  /** Milliseconds that a request may take, waiting for its turn included. */
  timeout: number
  /** The point, for error messages. */
  name: string
}

/** An open stream and what arrives on it. */
interface Channel {
  stream: Stream
  responses: AsyncGenerator<Uint8ArrayList>
}

/** A response that no other stream would make better. */
const BROKEN_RESPONSE = new Set(['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError'])

/**
 * Requests to one point, one after the other, on one stream for as long as the point leaves it open:
 * some points answer one request on a stream, others any number.
 *
 * A request that was not answered on a stream that had been used before is tried once on a fresh one:
 * the point may have closed the stream while the request was on its way. Requests are idempotent.
 */
export class Session {
  readonly #init: SessionInit
  #channel: Channel | undefined
  #lastTurn: Promise<unknown> = Promise.resolve()

  constructor (init: SessionInit) {
    this.#init = init
  }

  /**
   * Sends a message and resolves to the response.
   *
   * @throws {ProtocolError} when the response is broken or too long
   * @throws {TimeoutError}
   * @throws {AbortError}
   */
  async request (message: Uint8Array, signal?: AbortSignal): Promise<Uint8ArrayList> {
    return this.#inTurn(signal, async channel => {
      await writeMessage(channel.stream, message)
      const { value } = await channel.responses.next()

      if (value == null) {
        throw new ProtocolError(`${this.#init.name} closed the stream without an answer`)
      }

      return value
    })
  }

  /**
   * Sends a message that has no response, and resolves when the point has taken it: it ends the
   * stream then. One that leaves the stream open is given a moment.
   *
   * @throws {TimeoutError}
   * @throws {AbortError}
   */
  async tell (message: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#inTurn(signal, async ({ stream, responses }, isFresh) => {
      await writeMessage(stream, message)
      await stream.close()

      try {
        await withinTime(UNANSWERED_GRACE, 'Ending the stream', undefined, async () => responses.next())
      } catch (err: any) {
        // some points end a stream that has no response with a reset
        if (!isFresh && err.name !== 'TimeoutError') {
          throw err
        }
      } finally {
        this.#drop(stream)
      }
    })
  }

  /** Ends the stream. The next request opens another. */
  close (): void {
    const stream = this.#channel?.stream
    this.#channel = undefined
    stream?.close().catch(() => {}).finally(() => {
      stream.abort(new Error('The session was closed'))
    })
  }

  async #inTurn <T> (signal: AbortSignal | undefined, exchange: (channel: Channel, isFresh: boolean) => Promise<T>): Promise<T> {
    const { timeout, name } = this.#init

    return withinTime(timeout, `A request to ${name}`, signal, async signal => {
      const turn = this.#lastTurn.then(async () => {
        signal.throwIfAborted()

        return this.#exchange(signal, exchange)
      })
      this.#lastTurn = turn.catch(() => {})

      return turn
    })
  }

  async #exchange <T> (signal: AbortSignal, exchange: (channel: Channel, isFresh: boolean) => Promise<T>): Promise<T> {
    const channel = this.#channel

    if (channel?.stream.status === 'open' && channel.stream.remoteWriteStatus === 'writable') {
      try {
        return await this.#on(channel, signal, async () => exchange(channel, false))
      } catch (err: any) {
        if (signal.aborted || BROKEN_RESPONSE.has(err.name)) {
          throw asProtocolError(err)
        }
      }
    }

    const fresh = await this.#open(signal)

    return this.#on(fresh, signal, async () => exchange(fresh, true)).catch(err => {
      throw asProtocolError(err)
    })
  }

  async #open (signal: AbortSignal): Promise<Channel> {
    const stream = await this.#init.openStream(signal)

    if (signal.aborted) {
      // nobody waits for it any more
      stream.abort(signal.reason)
      signal.throwIfAborted()
    }

    // a stream that the point has closed is of no use for another request
    stream.addEventListener('remoteCloseWrite', () => {
      this.#drop(stream)
      stream.close().catch(() => {})
    })
    stream.addEventListener('close', () => { this.#drop(stream) })

    this.#channel = {
      stream,
      responses: readMessages(stream, { maxMessageSize: MAX_ACCEPTED_RESPONSE_SIZE })
    }

    return this.#channel
  }

  /** Ends the stream with the work that fails on it: nobody knows what would arrive there next. */
  async #on <T> ({ stream }: Channel, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const onAbort = (): void => { stream.abort(signal.reason) }
    signal.addEventListener('abort', onAbort)

    try {
      return await work()
    } catch (err: any) {
      this.#drop(stream)
      stream.abort(err)
      throw err
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #drop (stream: Stream): void {
    if (this.#channel?.stream === stream) {
      this.#channel = undefined
    }
  }
}

function asProtocolError (err: any): Error {
  return BROKEN_RESPONSE.has(err.name) ? new ProtocolError(`The response cannot be read: ${err.message}`) : err
}
