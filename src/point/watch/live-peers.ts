import { peerIdFromString } from '@libp2p/peer-id'
import { Presence } from './presence.ts'
import type { Connection, Libp2pEvents, Logger, PeerId, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'

export interface LivePeersInit {
  /** Milliseconds. */
  grace: number
  events: TypedEventTarget<Libp2pEvents>
  connectionManager: Pick<ConnectionManager, 'getConnections'>
  /** Ends all registrations of a peer. When it rejects, it is tried again. */
  remove: (peer: string) => Promise<void>
  /** A peer is live no longer, and not gone either. */
  dismiss: (peer: string) => void
  log: Logger
}

/**
 * Follows who is connected, and ends the registrations of live peers that are not any more.
 */
export class LivePeers {
  readonly #init: LivePeersInit
  readonly #presence: Presence
  #isStarted = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor (init: LivePeersInit) {
    this.#init = init
    this.#presence = new Presence(init.grace)
  }

  start (): void {
    this.#isStarted = true
    const { events } = this.#init
    events.addEventListener('peer:connect', this.#onConnect)
    events.addEventListener('peer:disconnect', this.#onDisconnect)
    events.addEventListener('connection:prune', this.#onPrune)
  }

  /** Whoever is connected now is not taken for gone when this node ends the connection. */
  stop (): void {
    this.#isStarted = false
    const { events } = this.#init
    events.removeEventListener('peer:connect', this.#onConnect)
    events.removeEventListener('peer:disconnect', this.#onDisconnect)
    events.removeEventListener('connection:prune', this.#onPrune)
    clearTimeout(this.#timer)
    this.#presence.clear()
  }

  say (peer: PeerId, live: boolean): void {
    const wasLive = this.isLive(peer.toString())
    this.#presence.say(peer.toString(), live)

    if (wasLive && !live) {
      this.#init.dismiss(peer.toString())
    }
  }

  isLive (peer: string): boolean {
    return this.#presence.isLive(peer)
  }

  readonly #onConnect = ({ detail: peer }: CustomEvent<PeerId>): void => {
    this.#presence.connected(peer.toString())
  }

  readonly #onDisconnect = ({ detail: peer }: CustomEvent<PeerId>): void => {
    this.#presence.left(peer.toString(), performance.now())
    this.#schedule()
  }

  /** libp2p tells of what it has closed because there was too much. */
  readonly #onPrune = ({ detail: connections }: CustomEvent<Connection[]>): void => {
    for (const { remotePeer } of connections) {
      if (this.#init.connectionManager.getConnections(remotePeer).length === 0) {
        this.say(remotePeer, false)
        this.#presence.dismissed(remotePeer.toString())
      }
    }
  }

  #schedule (): void {
    const { due } = this.#presence
    clearTimeout(this.#timer)

    if (due != null) {
      this.#timer = setTimeout(() => { this.#removeGone() }, Math.max(due - performance.now(), 0))
    }
  }

  #removeGone (): void {
    for (const peer of this.#presence.take(performance.now())) {
      this.#init.remove(peer).catch(err => {
        this.#init.log.error('could not end the registrations of %s, which is gone - %e', peer, err)
        this.#tryLater(peer)
      })
    }

    this.#schedule()
  }

  /** As if it had just left, unless it is back. */
  #tryLater (peer: string): void {
    if (this.#isStarted && this.#init.connectionManager.getConnections(peerIdFromString(peer)).length === 0) {
      this.#presence.say(peer, true)
      this.#presence.left(peer, performance.now())
      this.#schedule()
    }
  }
}
