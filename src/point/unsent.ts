import { untilSent } from '../protocol/patches/until-sent.ts'
import { writeFramed } from '../protocol/write-message.ts'
import { FairShares, UNSHARED } from '../store/fair-shares.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { Network, Share } from '../store/fair-shares.ts'
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Bytes that wait to be read by their peers, of all connections: what they take in memory is up to twice as much. */
const MAX_UNSENT = 24 * 1024 * 1024

/** Bytes on one connection from which on nothing more is encoded for it: as many as one response may have. */
const MAX_UNSENT_OF_CONNECTION = 1024 * 1024

/** What waits on one stream. */
interface Held extends Share {
  drop: () => void
}

interface ConnectionState {
  /** What waits, and what room is kept for. */
  bytes: number
  /** Resolves when there is less. */
  room: PromiseWithResolvers<void> | undefined
  /** Resolves when nothing waits below the streams. */
  flushed: Promise<void> | undefined
}

/** What is to be sent on one stream, one message at a time. */
export interface Outbox {
  /**
   * Before a message is encoded: there is a promise when others of the connection have to be read before.
   * The room is kept until `settle`.
   */
  room: () => MaybePromise<void>
  /** The message has been sent, as far as it could be at once, or there is none. */
  settle: () => void
  /** Counts bytes that could not be sent at once, until the function it returns is called. */
  take: (bytes: number) => () => void
  /** There is a promise until the connection holds no bytes of its streams, or is closed. */
  flushed: () => MaybePromise<void>
}

/**
 * What has been encoded and is not read: whoever asks and does not read may have the point keep so much, and
 * all of them together so much. Beyond that the streams of the network that has most of it are given up,
 * so that those who read slowly are not crowded out by those who do not read.
 */
export class Unsent {
  readonly #max: number
  readonly #maxOfConnection: number
  readonly #shares = new FairShares<Held>()
  readonly #connections = new WeakMap<object, ConnectionState>()

  constructor (max: number = MAX_UNSENT, maxOfConnection: number = MAX_UNSENT_OF_CONNECTION) {
    this.#max = max
    this.#maxOfConnection = maxOfConnection
  }

  /** Bytes that wait now. */
  get bytes (): number {
    return this.#shares.weight
  }

  /**
   * @param connection - what the stream is on
   * @param drop - has to end the stream, and what waits on it
   */
  outbox (connection: object, network: Network, drop: () => void): Outbox {
    const state = this.#stateOf(connection)
    let isKept = false
    let isWanted = false

    const keep = (): MaybePromise<void> => {
      // who waits in vain, because the stream has ended meanwhile, would keep it for ever
      if (isKept || !isWanted) {
        return
      }

      if (state.bytes >= this.#maxOfConnection) {
        state.room ??= Promise.withResolvers()

        return state.room.promise.then(keep)
      }

      isKept = true
      state.bytes += this.#maxOfConnection
    }

    return {
      room: () => {
        isWanted = true

        return keep()
      },
      settle: () => {
        isWanted = false

        if (isKept) {
          isKept = false
          free(state, this.#maxOfConnection)
        }
      },
      take: bytes => this.#take(state, { ...UNSHARED, network, weight: bytes, drop }),
      flushed: () => untilFlushed(connection, state)
    }
  }

  #stateOf (connection: object): ConnectionState {
    const state = this.#connections.get(connection) ?? { bytes: 0, room: undefined, flushed: undefined }
    this.#connections.set(connection, state)

    return state
  }

  #take (state: ConnectionState, held: Held): () => void {
    this.#shares.add(held)
    state.bytes += held.weight
    let isHeld = true

    const give = (): void => {
      if (isHeld) {
        isHeld = false
        this.#shares.remove(held)
        free(state, held.weight)
      }
    }

    const drop = held.drop
    held.drop = () => {
      give()
      drop()
    }

    while (this.#shares.weight > this.#max) {
      this.#shares.heaviest?.drop()
    }

    return give
  }
}

function free (state: ConnectionState, bytes: number): void {
  state.bytes -= bytes
  state.room?.resolve()
  state.room = undefined
}

/**
 * Whether a connection holds bytes of its streams, which have nothing to do with them any more: they are encrypted, and
 * stay when the stream has ended. Where they lie is no part of what a Connection promises.
 */
export function isHolding (connection: object): boolean {
  const below = belowStreams(connection)

  return below != null && below.status === 'open' && (below.writeBufferLength > 0 || below.writableNeedsDrain)
}

/** As far as it concerns here, it is like a stream. */
function belowStreams (connection: object): Stream | undefined {
  return (connection as { maConn?: Stream }).maConn
}

function untilFlushed (connection: object, state: ConnectionState): MaybePromise<void> {
  if (isHolding(connection)) {
    // what is closed holds nothing
    state.flushed ??= untilSent(belowStreams(connection) as Stream)
      .catch(() => {})
      .finally(() => { state.flushed = undefined })

    return state.flushed
  }
}

/** Sends one message, which has its length prefix; what of it waits is counted. There is a promise while it does. */
export function writeCounted (stream: Stream, framed: Uint8Array | Uint8ArrayList, outbox: Outbox): MaybePromise<void> {
  const written = writeFramed(stream, framed)
  outbox.settle()

  if (written instanceof Promise) {
    // what has left the stream stays where that has ended
    const give = outbox.take(framed.byteLength)
    written.catch(() => {}).then(outbox.flushed).finally(give)

    return written.then(outbox.flushed)
  }
}
