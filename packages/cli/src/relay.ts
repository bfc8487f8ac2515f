import { circuitRelayServer, RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { peerIdFromString } from '@libp2p/peer-id'
import { FairPlaces, publicAddresses } from 'libp2p-rendezvous'
import { keepWhileConnected } from './patches/reservations.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { CircuitRelayServerComponents, CircuitRelayService } from '@libp2p/circuit-relay-v2'
import type { Connection, Libp2pEvents, Stream, StreamMessageEvent, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Network, Origin } from 'libp2p-rendezvous'

/**
 * Streams with requests that are neither refused nor connected yet take a place beside the circuits; so does a renewal,
 * and is not to wait for a circuit to end.
 */
const SPARE_STREAMS = 4

/** Bytes of a request, which names a peer and perhaps some addresses of it. */
const MAX_REQUEST = 16 * 1024

/** For a request to arrive and to be answered, which takes asking the other peer. Milliseconds. */
const REQUEST_TIMEOUT = 10_000

/** The request for a reservation with the length before it, as every implementation writes it. */
const RESERVE = [2, 8, 0]

export interface RelayInit extends RelayLimits {
  networkOf: (origin: Origin) => Network
  /** Requests in a second from one address. Each takes about as much as a newcomer, and there is no other limit to them. */
  rate: number
}

type Components = CircuitRelayServerComponents & {
  connectionManager: ConnectionManager
  registrar: Registrar
  events: TypedEventTarget<Libp2pEvents>
}

/** A relay whose limits are shared fairly between networks. */
export function fairRelay (init: RelayInit): (components: Components) => CircuitRelayService {
  return components => {
    const server = circuitRelayServer({
      hopTimeout: REQUEST_TIMEOUT,
      maxInboundHopStreams: init.circuitsPerConnection + SPARE_STREAMS,
      maxOutboundStopStreams: init.circuitsPerConnection,
      reservations: {
        maxReservations: init.reservations,
        defaultDataLimit: BigInt(init.bytes),
        defaultDurationLimit: init.duration
      }
    })(Object.create(components, {
      registrar: { value: sharingCircuits(components.registrar, init) },
      addressManager: { value: Object.create(components.addressManager, { getAddresses: { value: () => withinReach(components.addressManager.getAddresses()) } }) }
    }))

    keepWhileConnected(server, components)
    shareReservations(server, components, init)

    return server
  }
}

/** A newcomer is given the place of another where there is none; one that has no right to it, the server refuses. */
function shareReservations ({ reservations }: CircuitRelayService, { connectionGater, connectionManager, events }: Components, { reservations: max, networkOf }: RelayInit): void {
  const places = new FairPlaces<string>(peer => { reservations.delete(peerIdFromString(peer)) })
  const deny = connectionGater.denyInboundRelayReservation?.bind(connectionGater)

  connectionGater.denyInboundRelayReservation = async peer => {
    if (await deny?.(peer) === true) {
      return true
    }

    const [connection] = connectionManager.getConnections(peer)

    if (connection != null) {
      places.take(peer.toString(), networkOf(connection), max)
    }

    return false
  }

  events.addEventListener('peer:disconnect', ({ detail: peer }) => { places.release(peer.toString()) })
}

/** Whoever opens circuits takes places, and the server gets to see no more than there are. */
function sharingCircuits (registrar: Registrar, { circuits: max, networkOf, rate }: RelayInit): Registrar {
  const requests = new Requests(rate)
  const circuits = new FairPlaces<Stream>(stream => { stream.abort(new Error('There are too many circuits')) })

  const handle: Registrar['handle'] = async (protocol, handler, options) => {
    await registrar.handle(protocol, protocol !== RELAY_V2_HOP_CODEC
      ? handler
      : (stream, connection) => {
          if (!requests.isAllowed(networkOf(connection), performance.now())) {
            stream.abort(new Error('There are too many requests'))

            return
          }

          const onRequest = boundedRequest(stream, () => circuits.take(stream, networkOf(connection), max))
          stream.addEventListener('message', onRequest)
          stream.addEventListener('close', () => { circuits.release(stream) })
          answer(handler, stream, connection).finally(() => { stream.removeEventListener('message', onRequest) })
        }, options)
  }

  return Object.create(registrar, { handle: { value: handle } })
}

/** How many requests come from each network in one second. */
export class Requests {
  readonly #max: number
  readonly #counts = new Map<Network, number>()
  #second = 0

  constructor (max: number) {
    this.#max = max
  }

  /** @param now - milliseconds */
  isAllowed (network: Network, now: number): boolean {
    const second = Math.floor(now / 1_000)

    if (second !== this.#second) {
      this.#second = second
      this.#counts.clear()
    }

    const count = (this.#counts.get(network) ?? 0) + 1
    this.#counts.set(network, count)

    return count <= this.#max
  }
}

async function answer (handler: (stream: Stream, connection: Connection) => unknown, stream: Stream, connection: Connection): Promise<void> {
  try {
    await handler(stream, connection)
  } catch (err: any) {
    stream.abort(err)
  }
}

/**
 * Ends a stream on which a request is too long, or is for a circuit when there is no place for one. The server reads up
 * to four megabytes on each.
 *
 * @param take - whether there is a place
 */
function boundedRequest (stream: Stream, take: () => boolean): (event: StreamMessageEvent) => void {
  const head: number[] = []
  let length = 0

  return ({ data }) => {
    head.push(...data.subarray(0, Math.min(data.byteLength, RESERVE.length - head.length)))
    length += data.byteLength

    if (length > MAX_REQUEST) {
      stream.abort(new Error('The request is too long'))
    } else if ((length > RESERVE.length || head.some((byte, index) => byte !== RESERVE[index])) && !take()) {
      stream.abort(new Error('There are too many circuits'))
    }
  }
}

/**
 * What a peer is told to announce, for each of its own addresses once: those that lead into the open internet, where
 * there are such. With all that a machine has between containers, a record would be longer than a point takes.
 */
function withinReach (addresses: Multiaddr[]): Multiaddr[] {
  const open = addresses.filter(address => publicAddresses(address))

  return open.length > 0 ? open : addresses
}
