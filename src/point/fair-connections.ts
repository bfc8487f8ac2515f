import { endConnection } from '../protocol/patches/end-connection.ts'
import { FairPlaces } from '../store/fair-places.ts'
import type { Origin } from './types.ts'
import type { Network } from '../store/fair-shares.ts'
import type { Connection, ConnectionGater, Libp2pEvents, MultiaddrConnection, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'

/** Of what the node may have, one in so many stays free: at its limit, libp2p refuses everybody before this node sees them. */
const ONE_STAYS_FREE_IN = 100

export interface FairConnectionsInit {
  events: TypedEventTarget<Libp2pEvents>
  connectionManager: Pick<ConnectionManager, 'getConnections' | 'getMaxConnections'>
  connectionGater: ConnectionGater
  networkOf: (origin: Origin) => Network
  /** A connection was closed in favour of another, or because it was one too many. */
  onClosed: (connection: Connection) => void
}

/**
 * Shares the connections that a node may have between networks: when there are as many as it may have, a
 * newcomer takes the place of the youngest of the network that has most, or is refused. Connections that
 * this node opened count, and are not closed. Handshakes that may be under way are shared likewise: whoever
 * begins them and says nothing would keep out everybody else.
 */
export class FairConnections {
  readonly #init: FairConnectionsInit
  readonly #held = new FairPlaces<Connection>(connection => { this.#close(connection) })
  readonly #pending = new FairPlaces<MultiaddrConnection>(connection => { connection.abort(new Error('There are too many handshakes')) })
  /** Those whose handshake is under way, by what a connection has in common with what is below it. */
  readonly #handshakes = new Map<MultiaddrConnection['timeline'], MultiaddrConnection>()
  /** How many this node opened. */
  #own = 0
  /** What the gater did before. */
  #deny: ConnectionGater['denyInboundConnection']

  constructor (init: FairConnectionsInit) {
    this.#init = init
  }

  start (): void {
    const { connectionGater, connectionManager, events } = this.#init
    connectionManager.getConnections().forEach(connection => {
      if (connection.direction === 'outbound') {
        this.#own++
      } else {
        this.#held.add(connection, this.#init.networkOf(connection))
      }
    })
    events.addEventListener('connection:open', this.#onOpen)
    events.addEventListener('connection:close', this.#onClose)
    this.#deny = connectionGater.denyInboundConnection
    // before the handshake, which costs more than all else that a newcomer does
    connectionGater.denyInboundConnection = async connection => this.#isRefused(connection) || !this.#begin(connection) || await this.#deny?.call(connectionGater, connection) === true
  }

  stop (): void {
    const { connectionGater, events } = this.#init
    events.removeEventListener('connection:open', this.#onOpen)
    events.removeEventListener('connection:close', this.#onClose)

    if (this.#deny == null) {
      delete connectionGater.denyInboundConnection
    } else {
      connectionGater.denyInboundConnection = this.#deny
    }

    this.#held.holders.forEach(connection => { this.#held.release(connection) })
    this.#pending.holders.forEach(({ timeline }) => { this.#endPending(timeline) })
    this.#own = 0
  }

  /** How many others may open. */
  get #max (): number {
    const max = this.#init.connectionManager.getMaxConnections()

    return Math.max(1, max - Math.ceil(max / ONE_STAYS_FREE_IN) - this.#own)
  }

  /** How many handshakes may be under way: libp2p's own limit is no part of what a ConnectionManager promises. */
  get #maxPending (): number {
    const { maxIncomingPendingConnections: max = Infinity } = this.#init.connectionManager as { maxIncomingPendingConnections?: number }

    return Math.max(1, max - Math.ceil(max / ONE_STAYS_FREE_IN))
  }

  /** A handshake begins, unless there are as many as there may be and nobody makes room. */
  #begin (connection: MultiaddrConnection): boolean {
    const isTaken = this.#pending.take(connection, this.#init.networkOf(connection), this.#maxPending)

    if (isTaken) {
      this.#handshakes.set(connection.timeline, connection)
      connection.addEventListener('close', () => { this.#endPending(connection.timeline) })
    }

    return isTaken
  }

  #endPending (timeline: MultiaddrConnection['timeline']): void {
    const connection = this.#handshakes.get(timeline)

    if (connection != null) {
      this.#handshakes.delete(timeline)
      this.#pending.release(connection)
    }
  }

  #isRefused (origin: Origin): boolean {
    return this.#held.isFull(this.#init.networkOf(origin), this.#max)
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>): void => {
    this.#endPending(connection.timeline)

    if (connection.direction === 'outbound') {
      this.#own++
    } else if (!this.#held.take(connection, this.#init.networkOf(connection), this.#max)) {
      this.#close(connection)
    }
  }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>): void => {
    if (connection.direction === 'outbound') {
      this.#own--
    }

    this.#held.release(connection)
  }

  #close (connection: Connection): void {
    const { events, onClosed } = this.#init
    // as libp2p tells of those that it closes because there are too many
    connection.addEventListener('close', () => { events.safeDispatchEvent('connection:prune', { detail: [connection] }) })
    endConnection(connection, new Error('There are too many connections'))
    onClosed(connection)
  }
}
