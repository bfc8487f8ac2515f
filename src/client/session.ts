import { AbortError, ProtocolError, StreamResetError } from '@libp2p/interface'
import { UnexpectedEOFError } from '@libp2p/utils'
import { pEvent } from 'p-event'
import { MAX_ACCEPTED_RESPONSE_SIZE } from '../protocol/constants.ts'
import { writeMessage } from '../protocol/write-message.ts'
import { Deadline } from './deadline.ts'
import { BROKEN_MESSAGE } from './read-messages.ts'
import { Responses } from './responses.ts'
import type { Stream, StreamCloseEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** How long a point may take to end a stream after a message that has no response. */
const UNANSWERED_GRACE = 1_000

export interface SessionInit {
  /** Opens a stream to the point, dialling it where need be. */
  openStream: (signal: AbortSignal) => Promise<Stream>
  /** Milliseconds that a step may take, waiting for its turn included. */
  timeout: number
  /** The point, for error messages. */
  name: string
}

/** The requests of one step. */
export interface Turn {
  /**
   * Sends a message and resolves to the response.
   *
   * @throws {ProtocolError} when the response is broken or too long
   */
  request: (message: Uint8Array) => Promise<Uint8ArrayList>
  /**
   * Sends a message that has no response, and resolves when the point has taken it: it ends the stream
   * then. One that leaves the stream open is given a moment.
   */
  tell: (message: Uint8Array) => Promise<void>
  /** Waits for something else, no longer than the step may take. */
  wait: <T>(work: Promise<T>) => Promise<T>
  /** Ends the stream: what follows on it cannot be trusted. The next request opens another. */
  reset: () => void
}

/** An open stream, and whether no request has been made on it yet. */
interface Channel {
  stream: Stream
  responses: Responses
  isFresh: boolean
}

/**
 * Steps of one request or more to one point, one after the other, on one stream for as long as the point
 * leaves it open: some points answer one request on a stream, others any number.
 *
 * A request that was not answered on a stream that had been used before is tried once on a fresh one:
 * the point may have closed the stream while the request was on its way. Requests are idempotent.
 */
export class Session {
  readonly #init: SessionInit
  #channel: Channel | undefined
  /** Of the step that is being taken, and of those that wait. */
  readonly #deadlines = new Set<Deadline>()
  /** Resolves when every step that was asked for has been taken. */
  #last: Promise<unknown> | undefined

  constructor (init: SessionInit) {
    this.#init = init
  }

  /** Whether nothing is being asked, and nothing waits to be. */
  get isIdle (): boolean {
    return this.#deadlines.size === 0
  }

  /**
   * Takes a step when it is its turn: nothing else is sent between its requests.
   *
   * @throws {TimeoutError}
   * @throws {AbortError} when the signal aborts
   * @throws what the session was closed with
   */
  async step <T> (work: (turn: Turn) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { timeout, name } = this.#init
    const deadline = new Deadline(timeout, `A request to ${name}`, signal)
    const before = this.#last
    const taken = Promise.withResolvers<void>()
    const last = before == null ? taken.promise : before.then(async () => taken.promise)
    this.#last = last
    this.#deadlines.add(deadline)

    try {
      deadline.signal.throwIfAborted()

      if (before != null) {
        await deadline.race(before)
      }

      return await work(this.#turn(deadline))
    } catch (err) {
      // whatever the work made of being ended, this is why
      deadline.signal.throwIfAborted()
      throw asError(err, name)
    } finally {
      deadline.clear()
      this.#deadlines.delete(deadline)
      taken.resolve()

      if (this.#last === last) {
        this.#last = undefined
      }
    }
  }

  /**
   * Ends the stream, and every step that is being taken or waits for its turn.
   *
   * @param reason - what those steps are rejected with
   */
  close (reason: Error = new AbortError()): void {
    this.#deadlines.forEach(deadline => { deadline.end(reason) })
    const stream = this.#channel?.stream
    this.#channel = undefined
    stream?.close().catch(() => {}).finally(() => {
      stream.abort(new Error('The session was closed'))
    })
  }

  #turn (deadline: Deadline): Turn {
    const { signal } = deadline

    return {
      request: async message => this.#exchange(deadline, async ({ stream, responses }) => {
        await writeMessage(stream, message, { signal })

        return responses.next(deadline)
      }),
      tell: async message => this.#exchange(deadline, async ({ stream, isFresh }) => {
        await writeMessage(stream, message, { signal })
        await stream.close({ signal })
        await this.#untilTaken(stream, isFresh, deadline)
      }),
      wait: async work => deadline.race(work),
      reset: () => { this.#drop(this.#channel?.stream, new Error('What the point sends cannot be trusted')) }
    }
  }

  /** Does it on the open stream, or on a fresh one when there is none or that one fails. */
  async #exchange <T> (deadline: Deadline, work: (channel: Channel) => Promise<T>): Promise<T> {
    if (this.#channel?.responses.isAhead === true) {
      this.#drop(this.#channel.stream, new Error('The point sends what nobody asked for'))
    }

    const used = this.#channel

    if (used?.stream.status === 'open' && used.stream.remoteWriteStatus === 'writable') {
      try {
        return await this.#on(used, deadline, work)
      } catch (err: any) {
        if (deadline.isOver || err instanceof ProtocolError) {
          throw err
        }
      }
    }

    const fresh = await this.#open(deadline)

    return this.#on(fresh, deadline, work).catch(err => {
      throw err.name === UnexpectedEOFError.name ? new ProtocolError(`${this.#init.name} closed the stream without an answer`) : err
    })
  }

  /** Ends the stream with the work that fails on it: nobody knows what would arrive there next. */
  async #on <T> (channel: Channel, deadline: Deadline, work: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      const result = await work(channel)
      deadline.signal.throwIfAborted()
      channel.isFresh = false

      return result
    } catch (err: any) {
      this.#drop(channel.stream, err)
      throw BROKEN_MESSAGE.has(err.name) ? new ProtocolError(`The response cannot be read: ${err.message}`) : err
    }
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
      this.#forget(stream)
      stream.close().catch(() => {})
    })
    stream.addEventListener('close', () => { this.#forget(stream) })
    this.#channel = { stream, responses: new Responses(stream, MAX_ACCEPTED_RESPONSE_SIZE), isFresh: true }

    return this.#channel
  }

  /** Resolves when the point has ended the stream, and ends it when the point does not. */
  async #untilTaken (stream: Stream, isFresh: boolean, deadline: Deadline): Promise<void> {
    const grace = new Deadline(UNANSWERED_GRACE, 'Ending the stream', deadline.signal)

    try {
      if (stream.remoteWriteStatus === 'writable') {
        await pEvent(stream, ['remoteCloseWrite', 'close'], { signal: grace.signal })
      }
    } catch {
      deadline.signal.throwIfAborted()
    } finally {
      grace.clear()
    }

    // some points end a stream that has no response with a reset
    if (stream.status === 'reset' && !isFresh) {
      throw new StreamResetError(`${this.#init.name} reset the stream`)
    }

    // does nothing to a stream that has ended
    this.#drop(stream, new Error('The stream was left open'))
  }

  #drop (stream: Stream | undefined, reason: Error): void {
    if (stream != null) {
      this.#forget(stream)
      stream.abort(reason)
    }
  }

  #forget (stream: Stream): void {
    if (this.#channel?.stream === stream) {
      this.#channel = undefined
    }
  }
}

/** libp2p rejects some promises with the event that ended what they waited for. */
function asError (reason: unknown, name: string): Error {
  return reason instanceof Error ? reason : (reason as StreamCloseEvent).error ?? new StreamResetError(`${name} closed the stream`)
}
