import { endConnection } from '../protocol/patches/end-connection.ts'
import { AbandonedStreams, onInboundStream } from './abandoned-streams.ts'
import { StreamEndedError } from './inbound-stream.ts'
import { boundProposals } from './patches/multistream.ts'
import { isHolding, Unsent } from './unsent.ts'
import type { Allowance } from './allowance.ts'
import type { CloseReason, PointMetrics } from './metrics.ts'
import type { PointSettings } from './settings.ts'
import type { Origin } from './types.ts'
import type { Outbox } from './unsent.ts'
import type { Network } from '../store/fair-shares.ts'
import type { Connection, Libp2pEvents, Logger, Stream, TypedEventTarget } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'

/** What every node has and nobody else counts, after a prefix. Once on each connection is as it should be. */
const IDENTIFY = /\/id(?:\/push)?\/1\.0\.0$/

/**
 * Unread bytes that the streams of a connection may hold, shared among those that are open: twice what
 * yamux lets through on one that nobody reads, for it may have doubled that for a peer that was fast. So a peer
 * that sends many requests at once is held back and not reset, and one that does so on many streams
 * cannot fill the memory: what comes in small pieces takes many times its size.
 */
const MAX_UNREAD = 512 * 1024

export interface SupervisorInit {
  settings: PointSettings
  /** Absent where no peer has a limit. */
  allowance: Allowance | undefined
  /** What the point serves. */
  serves: (protocol: string) => boolean
  networkOf: (origin: Origin) => Network
  events: TypedEventTarget<Libp2pEvents>
  registrar: Pick<Registrar, 'getProtocols'>
  metrics: PointMetrics
  log: Logger
}

/**
 * Holds each connection to the rules for its streams, whatever is said on them: how many, how much they may hold
 * unread in either direction, and how often. It resets the streams that break them, and closes the
 * connections of who goes on.
 */
export class Supervisor {
  readonly #init: SupervisorInit
  readonly #unsent = new Unsent()
  #isStopped = false

  constructor (init: SupervisorInit) {
    this.#init = init
  }

  start (): void {
    this.#isStopped = false
    this.#init.events.addEventListener('connection:open', this.#onConnection)
  }

  /** From then on no stream is served that was not before. */
  stop (): void {
    this.#isStopped = true
    this.#init.events.removeEventListener('connection:open', this.#onConnection)
  }

  /** What waits to be sent on a stream: when it is too much, the stream is reset. */
  outbox (stream: Stream, connection: Connection): Outbox {
    return this.#unsent.outbox(connection, this.#init.networkOf(connection), () => {
      const reason = new StreamEndedError('slow', 'too much waits to be read')
      stream.abort(reason)

      if (isHolding(connection)) {
        this.#close(connection, 'unread', reason, 'does not read what it asks for')
      }
    })
  }

  /** Serves a stream for as long as it keeps to the rules. */
  async serve (stream: Stream, connection: Connection, serve: () => Promise<void>): Promise<void> {
    const { allowance, metrics, log } = this.#init
    const peer = connection.remotePeer

    try {
      this.#admit(connection)
      await serve()
      log.trace('a stream of %p was closed', peer)
    } catch (err: any) {
      stream.abort(err)

      if (!(err instanceof StreamEndedError)) {
        log('a stream of %p ended: %s', peer, err.message)
      } else {
        log('reset a stream of %p, %s: %s', peer, err.reason, err.message)
        metrics.reset(err.reason)

        // when the store is away, that is not the peer's doing
        if (err.reason !== 'refused') {
          allowance?.reset(peer)
        }

        this.#endFlood(connection)
      }
    }
  }

  /** Who sends on regardless is not held back any more, but reset. */
  endPatience (connection: Connection): void {
    this.#boundUnread(this.#streamsOf(connection), 0)
  }

  readonly #onConnection = ({ detail: connection }: CustomEvent<Connection>): void => {
    const { allowance, registrar } = this.#init
    const abandoned = new AbandonedStreams()
    const identified = new Set<string>()

    const onEnd = (protocol: string): void => {
      if (connection.status !== 'open') {
        return
      }

      // for the peer, which may come back over another
      if (protocol === '') {
        allowance?.stream(connection.remotePeer)
      } else if (IDENTIFY.test(protocol) && identified.has(protocol)) {
        allowance?.identify(connection.remotePeer)
      }

      identified.add(protocol)
      this.#endFlood(connection)

      if (protocol === '' && abandoned.add(performance.now())) {
        this.#close(connection, 'streams', new Error('The peer goes on opening streams for nothing'), 'goes on opening streams for nothing')
      }
    }

    onInboundStream(connection, stream => {
      boundProposals(stream, () => registrar.getProtocols())
      stream.addEventListener('close', () => { onEnd(stream.protocol) })
    })
  }

  /** Counts a new stream, and throws when it cannot be served. */
  #admit (connection: Connection): void {
    if (this.#isStopped) {
      throw new Error('This rendezvous point has stopped')
    }

    this.#init.allowance?.stream(connection.remotePeer)
    const { maxInboundStreams } = this.#init.settings
    const open = this.#streamsOf(connection)

    if (open.length > maxInboundStreams) {
      throw new StreamEndedError('too_many_streams', `maxInboundStreams (${maxInboundStreams}) is reached`)
    }

    this.#boundUnread(open, MAX_UNREAD / open.length)
    this.#endFlood(connection)
  }

  /** Those of the point's protocols. */
  #streamsOf (connection: Connection): Stream[] {
    return connection.streams.filter(({ protocol, direction }) => this.#init.serves(protocol) && direction === 'inbound')
  }

  /** Bounds what waits on streams behind the request in hand. Of another request there is always room. */
  #boundUnread (streams: Stream[], bytes: number): void {
    streams.forEach(stream => { stream.maxReadBufferLength = Math.max(bytes, this.#init.settings.maxMessageSize) })
  }

  /** A peer that goes on regardless of its limit costs least without a connection. */
  #endFlood (connection: Connection): void {
    if (this.#init.allowance?.isFlooded(connection.remotePeer) === true) {
      this.#close(connection, 'rateLimit', new Error('The peer goes on over its rateLimit'), 'goes on over its rateLimit')
    }
  }

  #close (connection: Connection, reason: CloseReason, err: Error, what: string): void {
    if (endConnection(connection, err)) {
      this.#init.metrics.disconnected(reason)
      this.#init.log('closed a connection of %p, which %s', connection.remotePeer, what)
    }
  }
}
