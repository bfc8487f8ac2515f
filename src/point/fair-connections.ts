import { endConnection } from '../protocol/patches/end-connection.ts'
import { FairShares, UNSHARED } from '../store/fair-shares.ts'
import type { Origin } from './types.ts'
import type { Network, Share } from '../store/fair-shares.ts'
import type { Connection, ConnectionGater, Libp2pEvents, MultiaddrConnection, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'

/** Of what the node may have, one in so many stays free: at its limit, libp2p refuses everybody before this node sees them. */
const ONE_STAYS_FREE_IN = 100

interface Held extends Share {
  connection: Connection
}

/** A connection whose handshake is under way. */
interface Pending extends Share {
  connection: MultiaddrConnection
}

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
  readonly #shares = new FairShares<Held>()
  readonly #held = new Map<Connection, Held>()
  readonly #pendingShares = new FairShares<Pending>()
  /** By what a connection has in common with what is below it. */
  readonly #pending = new Map<MultiaddrConnection['timeline'], Pending>()
  /** How many this node opened. */
  #own = 0
  /** What the gater did before. */
  #deny: ConnectionGater['denyInboundConnection']

  constructor (init: FairConnectionsInit) {
    this.#init = init
  }

  start (): void {
    const { connectionGater, connectionManager, events } = this.#init
    connectionManager.getConnections().forEach(connection => { this.#add(connection) })
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

    for (const connection of this.#held.keys()) {
      this.#remove(connection)
    }

    for (const timeline of this.#pending.keys()) {
      this.#endPending(timeline)
    }

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
    const network = this.#init.networkOf(connection)

    if (this.#pendingShares.count >= this.#maxPending) {
      const victim = this.#pendingShares.victim(network, 1)

      if (victim == null) {
        return false
      }

      this.#endPending(victim.connection.timeline)
      victim.connection.abort(new Error('There are too many handshakes'))
    }

    const pending: Pending = { ...UNSHARED, network, weight: 1, connection }
    this.#pending.set(connection.timeline, pending)
    this.#pendingShares.add(pending)
    connection.addEventListener('close', () => { this.#endPending(connection.timeline) })

    return true
  }

  #endPending (timeline: MultiaddrConnection['timeline']): void {
    const pending = this.#pending.get(timeline)

    if (pending != null) {
      this.#pending.delete(timeline)
      this.#pendingShares.remove(pending)
    }
  }

  #isRefused (origin: Origin): boolean {
    return this.#shares.count >= this.#max && this.#shares.victim(this.#init.networkOf(origin), 1) == null
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>): void => {
    this.#endPending(connection.timeline)

    if (connection.direction === 'outbound' || this.#hasRoom(connection)) {
      this.#add(connection)
    } else {
      this.#close(connection)
    }
  }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>): void => {
    if (connection.direction === 'outbound') {
      this.#own--
    }

    this.#remove(connection)
  }

  /** Makes room where there is none. */
  #hasRoom (newcomer: Connection): boolean {
    const network = this.#init.networkOf(newcomer)

    while (this.#shares.count >= this.#max) {
      const victim = this.#shares.victim(network, 1)

      if (victim == null) {
        return false
      }

      this.#close(victim.connection)
    }

    return true
  }

  #close (connection: Connection): void {
    const { events, onClosed } = this.#init
    this.#remove(connection)
    // as libp2p tells of those that it closes because there are too many
    connection.addEventListener('close', () => { events.safeDispatchEvent('connection:prune', { detail: [connection] }) })
    endConnection(connection, new Error('There are too many connections'))
    onClosed(connection)
  }

  #add (connection: Connection): void {
    if (connection.direction === 'outbound') {
      this.#own++
    } else {
      const held: Held = { ...UNSHARED, network: this.#init.networkOf(connection), weight: 1, connection }
      this.#held.set(connection, held)
      this.#shares.add(held)
    }
  }

  #remove (connection: Connection): void {
    const held = this.#held.get(connection)

    if (held != null) {
      this.#held.delete(connection)
      this.#shares.remove(held)
    }
  }
}
