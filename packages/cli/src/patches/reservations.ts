import type { ConnectionManager } from '@libp2p/interface-internal'
import type { Libp2pEvents, PeerId, TypedEventTarget } from '@libp2p/interface'

/**
 * What @libp2p/circuit-relay-v2 4 does wrong with the reservations that it gives, and this file is for until it does not:
 *
 * - It forgets one that has been renewed, and is still good: from the second renewal on, the timer of the renewal before
 *   last (retimeable-signal 1) ends it. By default nobody reaches the peer any more from its fourth hour on.
 * - It keeps one whose peer has left, for two hours, in the place of somebody who is there. The specification ends it
 *   with the connection, as go and rust do.
 *
 * Here the connection decides, and no timer: a reservation lasts as long as its peer is connected, and no longer.
 * docs/upstream/js-libp2p-circuit-relay.md shows both.
 */

interface Reservation {
  signal: {
    clear: () => void
    reset: (ms?: number) => void
  }
}

/** What is here relied on of the server's store. */
interface ReservationStore {
  reserve: (peer: PeerId, ...rest: unknown[]) => { status: string, expire?: number }
  removeReservation: (peer: PeerId) => void
  get: (peer: PeerId) => Reservation | undefined
}

export interface Connections {
  connectionManager: Pick<ConnectionManager, 'getConnections'>
  events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener'>
}

/**
 * Has a relay keep a reservation while its peer is connected.
 *
 * @param server - of circuit relay v2
 */
export function keepWhileConnected (server: object, { connectionManager, events }: Connections): void {
  const { reservationStore: store } = server as { reservationStore?: ReservationStore }

  if (store == null) {
    return
  }

  const reserve = store.reserve.bind(store)

  store.reserve = (peer, ...rest) => {
    // it left while it was looked at: nothing would end this one
    if (connectionManager.getConnections(peer).length === 0) {
      return { status: 'CONNECTION_FAILED' }
    }

    const result = reserve(peer, ...rest)
    const signal = store.get(peer)?.signal

    if (signal != null) {
      signal.clear()
      signal.reset = () => {}
    }

    return result
  }

  events.addEventListener('peer:disconnect', ({ detail: peer }) => { store.removeReservation(peer) })
}
