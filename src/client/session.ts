import { AbortError, ProtocolError, StreamResetError } from '@libp2p/interface'
import { MAX_ACCEPTED_RESPONSE_SIZE } from '../protocol/constants.ts'
import { writeMessage } from '../protocol/write-message.ts'
import { Deadline } from './deadline.ts'
import { readMessages } from './read-messages.ts'
import type { Stream, StreamCloseEvent } from '@libp2p/interface'
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

type Exchange<T> = (channel: Channel, isFresh: boolean) => Promise<T>

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
  /** Of the request on its way, and of those that wait. */
  readonly #deadlines = new Set<Deadline>()
  /** Whether a request is on its way. */
  #isBusy = false
  /** Those that wait for their turn. */
  readonly #waiting = new Set<() => void>()

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
    return this.#inTurn(signal, async ({ stream, responses }) => {
      await writeMessage(stream, message)
      const { value } = await responses.next()

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
      const grace = new Deadline(UNANSWERED_GRACE, 'Ending the stream')

      try {
        await grace.race(responses.next())
      } catch (err) {
        // some points end a stream that has no response with a reset
        if (!isFresh && !grace.isOver) {
          throw err
        }
      } finally {
        grace.clear()
        this.#drop(stream)
        // does nothing to a stream that has ended
        stream.abort(new Error('The stream was left open'))
      }
    })
  }

  /** Ends the stream: what follows on it cannot be trusted. The next request opens another. */
  reset (): void {
    const stream = this.#channel?.stream
    this.#channel = undefined
    stream?.abort(new Error('The session was reset'))
  }

  /** Ends the stream, and every request that is on its way or waits for its turn. */
  close (): void {
    this.#deadlines.forEach(deadline => { deadline.end(new AbortError()) })
    const stream = this.#channel?.stream
    this.#channel = undefined
    stream?.close().catch(() => {}).finally(() => {
      stream.abort(new Error('The session was closed'))
    })
  }

  async #inTurn <T> (signal: AbortSignal | undefined, exchange: Exchange<T>): Promise<T> {
    const { timeout, name } = this.#init
    const deadline = new Deadline(timeout, `A request to ${name}`, signal)
    this.#deadlines.add(deadline)

    try {
      deadline.throwIfOver()

      if (this.#isBusy) {
        await this.#turn(deadline)
      }

      this.#isBusy = true

      try {
        return await this.#exchange(deadline, exchange)
      } finally {
        this.#endTurn()
      }
    } catch (err) {
      // whatever the work made of being ended, this is why
      deadline.throwIfOver()
      throw asError(err, name)
    } finally {
      deadline.clear()
      this.#deadlines.delete(deadline)
    }
  }

  /** Resolves when it is this one's turn, in the order of asking. */
  async #turn (deadline: Deadline): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    deadline.onEnd = reason => {
      this.#waiting.delete(resolve)
      reject(reason)
    }

    await promise
    deadline.onEnd = undefined

    if (deadline.isOver) {
      // it ended after its turn had come
      this.#endTurn()
    }

    deadline.throwIfOver()
  }

  #endTurn (): void {
    const [next] = this.#waiting
    // where somebody waits it stays busy, so that nobody who comes now overtakes them
    this.#isBusy = next != null

    if (next != null) {
      this.#waiting.delete(next)
      next()
    }
  }

  async #exchange <T> (deadline: Deadline, exchange: Exchange<T>): Promise<T> {
    const channel = this.#channel

    if (channel?.stream.status === 'open' && channel.stream.remoteWriteStatus === 'writable') {
      try {
        return await this.#on(channel, deadline, exchange, false)
      } catch (err: any) {
        if (deadline.isOver || BROKEN_RESPONSE.has(err.name)) {
          throw asProtocolError(err)
        }
      }
    }

    const fresh = await this.#open(deadline)

    return this.#on(fresh, deadline, exchange, true).catch(err => {
      throw asProtocolError(err)
    })
  }

  async #open (deadline: Deadline): Promise<Channel> {
    const stream = await deadline.race(this.#init.openStream(deadline.signal).then(stream => {
      if (deadline.isOver) {
        stream.abort(new Error('Nobody waits for the stream any more'))
      }

      return stream
    }))

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
  async #on <T> (channel: Channel, deadline: Deadline, exchange: Exchange<T>, isFresh: boolean): Promise<T> {
    const { stream } = channel
    deadline.onEnd = reason => { stream.abort(reason) }

    try {
      const result = await exchange(channel, isFresh)
      deadline.throwIfOver()

      return result
    } catch (err: any) {
      this.#drop(stream)
      stream.abort(err)
      throw err
    } finally {
      deadline.onEnd = undefined
    }
  }

  #drop (stream: Stream): void {
    if (this.#channel?.stream === stream) {
      this.#channel = undefined
    }
  }
}

/** libp2p rejects some promises with the event that ended what they waited for. */
function asError (reason: unknown, name: string): Error {
  return reason instanceof Error ? reason : (reason as StreamCloseEvent).error ?? new StreamResetError(`${name} closed the stream`)
}

function asProtocolError (err: any): Error {
  return BROKEN_RESPONSE.has(err.name) ? new ProtocolError(`The response cannot be read: ${err.message}`) : err
}
