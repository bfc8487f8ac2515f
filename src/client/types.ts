import type { RecordDomain } from '../protocol/peer-record.ts'
import type { AbortOptions, ComponentLogger, Libp2pEvents, Metrics, PeerDiscoveryEvents, PeerId, PeerInfo, PeerStore, PrivateKey, TypedEventTarget } from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface RendezvousClientInit {
  /**
   * The rendezvous points to use: multiaddrs that end in /p2p/…. Several addresses of one peer are one
   * point. With none given, every connected peer that speaks the protocol is a point.
   *
   * @default []
   */
  points?: Array<Multiaddr | string>

  /**
   * Namespaces in which this node is kept registered, and in which it discovers peers, for as long as
   * it runs.
   *
   * @default []
   */
  namespaces?: string[]

  /**
   * Namespaces in which this node is kept registered without looking for others, besides those in
   * `namespaces`.
   *
   * @default []
   */
  register?: string[]

  /**
   * Namespaces in which this node discovers peers without being registered, besides those in
   * `namespaces`.
   *
   * @default []
   */
  discover?: string[]

  /**
   * The lifetime that registrations ask for, in milliseconds; the point grants it.
   *
   * @default 7_200_000 (2 hours)
   */
  ttl?: number

  /**
   * Whether registrations are kept: renewed before they expire, and tried again when they fail. Without
   * it each is asked for once.
   *
   * @default true
   */
  autoRefresh?: boolean

  /**
   * Whether this node's registrations end when it has gone without a word: a point that can tell ends them
   * some time after its last connection to this node has been lost, a minute by default. Without it they
   * stay until their TTL ends, as at points that cannot tell.
   *
   * @default true
   */
  live?: boolean

  /**
   * How long before its end a registration is renewed, in milliseconds; half the TTL when that is
   * shorter, but not more often than every 30 seconds. Up to a tenth of the waiting time is taken off at
   * random, so that nodes that started together do not all ask at once.
   *
   * @default 300_000 (5 minutes)
   */
  refreshBuffer?: number

  /**
   * How often namespaces are looked through for new peers, in milliseconds, give or take a tenth. A point
   * that speaks the watch protocol tells of them as they come, and is asked once an hour at the most.
   *
   * @default 60_000
   */
  discoverInterval?: number

  /**
   * Keeps connections to so many of the peers that are discovered in each of `namespaces` and `discover`,
   * in different networks where there are. Nobody is dialled unless asked: with 0, peers are found, put into the peer
   * store, and left alone.
   *
   * @default 0
   */
  autoDial?: number

  /**
   * Which addresses of discovered peers are used. A peer that is left without any is not discovered.
   * `publicAddresses` refuses what is private, loopback or link-local, unless the point that listed it
   * is itself reached under such an address.
   *
   * @default `publicAddresses` in a browser, all of them elsewhere
   */
  discoverFilter?: DiscoverFilter

  /**
   * Which of this node's own addresses are published.
   *
   * @default all of them
   */
  addressFilter?: (multiaddr: Multiaddr) => boolean

  /**
   * The form in which this node's record is signed, by the signature's domain. A point that cannot read
   * it is sent the other. With one that can read both but keeps only one, it is 'libp2p-routing-state'
   * where peers of rust-libp2p are to find this node, for that is the only one they can read.
   *
   * @default 'libp2p-peer-record'
   */
  recordDomain?: RecordDomain

  /**
   * Whether points that keep a record in both forms get it in both, so that peers of every implementation
   * find this node there.
   *
   * @default true
   */
  bothForms?: boolean

  /**
   * Whether this node finds peers by their id and blocks by their CID for libp2p (docs/routing.md), and is registered
   * under its own peer id: `node.dial(id)` reaches it, and `node.contentRouting` names who has a block, with nothing
   * but a point in common.
   *
   * @default false
   */
  routing?: boolean

  /**
   * URLs of servers with the delegated routing API (`…/routing/v1/peers`) that are asked last, where `routing` is on
   * and neither this node nor a point knows. A record that its peer has signed is verified; other addresses are taken
   * for what they are, hints.
   *
   * @default []
   */
  registries?: string[]

  /**
   * How long one request may take, in milliseconds, dialling the point included.
   *
   * @default 10_000
   */
  timeout?: number

  /**
   * What this node shows to points that are not open to everybody (docs/networks.md): a token, or what gets one. A
   * function is called again before the token ends, and when a point refuses it; as long as it may give another, a
   * refusal is not for ever.
   *
   * @default none
   */
  token?: TokenSource

  /**
   * The protocol to speak, for private networks.
   *
   * @default '/rendezvous/1.0.0'
   */
  protocol?: string

  /**
   * Streams that may be open to one point at a time. This client needs one.
   *
   * @default libp2p's own, 64
   */
  maxOutboundStreams?: number

  /**
   * Whether to talk to points over limited connections, such as relayed ones.
   *
   * @default false
   */
  runOnLimitedConnection?: boolean
}

/** A token, or what gets one. */
export type TokenSource = string | (() => string | Promise<string>)

/**
 * Whether an address of a discovered peer is used.
 *
 * @param multiaddr - the address
 * @param pointAddress - under which the point that listed the peer is reached; absent when it is not connected
 */
export type DiscoverFilter = (multiaddr: Multiaddr, pointAddress?: Multiaddr) => boolean

export interface RendezvousClientComponents {
  peerId: PeerId
  privateKey: PrivateKey
  peerStore: PeerStore
  addressManager: AddressManager
  connectionManager: ConnectionManager
  registrar: Registrar
  events: TypedEventTarget<Libp2pEvents>
  logger: ComponentLogger
  metrics?: Metrics
}

/** A registration of this node that a point has granted. */
export interface Registration {
  namespace: string
  point: PeerId
  /** As granted, in milliseconds. */
  ttl: number
  /** When it ends unless it is renewed, in milliseconds since the epoch. */
  expires: number
}

/** A peer that a point listed and whose signed record has been verified. */
export interface DiscoveredPeer extends PeerInfo {
  namespace: string
  /** The point that listed it. */
  point: PeerId
  /** What remained of its registration when it was listed, in milliseconds. */
  ttl: number
  /** When its registration ends unless it is renewed, in milliseconds since the epoch. */
  expires: number
  /** Where it says it can be reached. Made anew each time, for addresses in memory are large. */
  multiaddrs: Multiaddr[]
  /** Its signed peer record, as others can verify it. */
  peerRecordEnvelope: Uint8Array
}

export interface RegistrationFailedDetail {
  namespace: string
  /** Absent when the failure was before any point was asked. */
  point?: PeerId | undefined
  error: Error
  /** Whether the registration is tried again without further ado. */
  willRetry: boolean
  /** How long until then, in milliseconds. Absent when it waits for something else, such as an own address. */
  retryIn?: number | undefined
}

/** What is most often the reason that nobody is met. */
export type UnreachableCause =
  /** None was given, and no connected peer is one. */
  | 'no-points'
  /** The node's connection gater refuses all addresses of the points; in a page, libp2p's own does so with private ones and `ws://`. */
  | 'gater'
  /** A page that was served over https may not open `ws://`. */
  | 'insecure-address'
  /** No transport dials the addresses of the points. */
  | 'transport'
  /** Dialling fails otherwise; `errors` has more. */
  | 'dial'
  /** The node has no listen address, not even `/p2p-circuit`. */
  | 'not-listening'
  /** It listens, but libp2p takes no address for reachable from elsewhere. */
  | 'unconfirmed'
  /** No connected peer is a relay. */
  | 'no-relay'
  /** A connected peer is a relay, and has given no reservation. */
  | 'relay-full'
  /** The `addressFilter` leaves none of the addresses. */
  | 'address-filter'

/** Why this node meets nobody. */
export interface Unreachable {
  /** What is out of reach: all points for this node, or this node for others, because it has no address to register. */
  what: 'points' | 'self'
  cause: UnreachableCause
  /** For people. */
  reason: string
  /** Of the last dials of the points. */
  errors: Error[]
}

export interface RendezvousClientEvents extends PeerDiscoveryEvents {
  /** A peer was found that was not known, or whose earlier registration had expired. */
  peer: CustomEvent<DiscoveredPeer>
  /**
   * The registration of a discovered peer ended, as far as this node knows; or so many others were
   * found that it is not remembered any longer.
   */
  'peer:expired': CustomEvent<DiscoveredPeer>
  /** A point granted a registration, for the first time or again. */
  'registration:granted': CustomEvent<Registration>
  /** A registration could not be made or renewed, or was granted for a time too short to be kept. */
  'registration:failed': CustomEvent<RegistrationFailedDetail>
  /** A registration ended without having been renewed. */
  'registration:expired': CustomEvent<Registration>
  /**
   * For some seconds no point could be reached, or there was no address to register, which happens in pages above all.
   * It is said once until it is mended, and tried further.
   */
  unreachable: CustomEvent<Unreachable>
}

/** Which point to ask: its peer id, or an address that ends in it. */
export type PointLike = PeerId | Multiaddr | string

export interface PointOptions extends AbortOptions {
  /**
   * The point to ask.
   *
   * @default all points
   */
  point?: PointLike
}

export interface RegisterOptions extends PointOptions {
  /**
   * The lifetime to ask for, in milliseconds.
   *
   * @default the client's `ttl`
   */
  ttl?: number
}

export interface DiscoverOptions extends PointOptions {
  /**
   * How many peers to find, at the most.
   *
   * @default 100_000, so that a point cannot keep a caller busy for ever
   */
  limit?: number
}

export interface DiscoverPageOptions extends AbortOptions {
  /** The point to ask. */
  point: PointLike
  /**
   * How many registrations the page may have, at the most.
   *
   * @default 500
   */
  limit?: number
  /** Where the page before this one ended. */
  cookie?: Uint8Array
}

export interface DiscoverPage {
  /** The registrations that could be verified, without this node's own. */
  peers: DiscoveredPeer[]
  /** Ask with it for what comes next; absent when the point gave none. */
  cookie: Uint8Array | undefined
}

/**
 * The client side of the rendezvous protocol. It is also a libp2p peer discovery: the peers it finds
 * are put into the peer store, and libp2p reports those that are new there with `peer:discovery`.
 */
export interface RendezvousClient extends TypedEventTarget<RendezvousClientEvents> {
  /** The protocol it speaks. */
  readonly protocol: string

  /** What is registered now: one for each namespace and point. */
  readonly registrations: Registration[]

  /** The peers that were found and whose registrations have not expired: one for each namespace and peer. */
  readonly discovered: DiscoveredPeer[]

  /**
   * Registers this node under a namespace, and keeps it registered until `unregister` or the end: it
   * is renewed before it expires, when this node's addresses change, and when a lost point returns and
   * has forgotten it. That holds also when this promise is rejected, except with AbortError,
   * InvalidParametersError, or a refusal that trying again cannot mend.
   *
   * All points are asked at once, and the promise resolves as soon as one of them has granted it: a
   * slow or dead one delays nobody. What the others say is reported by events, and `registrations` has
   * what is held at any moment. From then on the signal has no effect any more.
   *
   * @returns the registrations granted so far: at least one, at most one for each point
   * @throws when the only point did not grant it, its reason: a `RendezvousError` of its status,
   * ProtocolError, TimeoutError, or what libp2p says of a failed dial
   * @throws {AggregateError} when none of several points granted it; `errors` has each one's reason
   * @throws {NoPointsError} when there is no point yet
   * @throws {NoAddressesError} when this node has no address yet
   * @throws {InvalidParametersError} when an argument is out of its range
   * @throws {NotStartedError} when this node is not started
   * @throws {AbortError}
   */
  register (namespace: string, options?: RegisterOptions): Promise<Registration[]>

  /**
   * Removes this node's registration under a namespace, at the points or the one given. Does nothing
   * where there is none. The protocol has no answer to this: the promise resolves when the point has
   * taken the request.
   *
   * @throws when the only point could not be told, the reason
   * @throws {AggregateError} when none of several points could be told; `errors` has each one's reason
   * @throws {InvalidParametersError} when an argument is out of its range
   * @throws {NotStartedError} when this node is not started
   * @throws {AbortError}
   */
  unregister (namespace: string, options?: PointOptions): Promise<void>

  /**
   * Finds the peers registered under a namespace, or under any when none is given: all pages of all
   * points, each peer once, never this node. The points are read page by page side by side, and what one
   * answers is yielded as it comes, by the newest record of the peer that is known by then. Their records are in the peer store when they
   * are returned, so they can be dialled by peer id. A point that refuses the namespace is taken to have
   * nobody there, for that is how some say so.
   *
   * @throws after the last peer, when the only point could not be read to its end, its error as
   * `discoverPage` throws it
   * @throws {AggregateError} after the last peer, when none of several points could be read to its end
   * @throws {NoPointsError} when there is no point
   * @throws {InvalidParametersError} when an argument is out of its range
   * @throws {NotStartedError} when this node is not started
   * @throws {AbortError} when the signal aborts, or this node stops
   */
  discover (namespace?: string, options?: DiscoverOptions): AsyncGenerator<DiscoveredPeer>

  /**
   * Finds the peers registered under a namespace, and then each new one as it comes, until the caller
   * stops iterating or this node stops. A peer comes again when it registers after having expired.
   *
   * @throws {InvalidParametersError} when an argument is out of its range
   * @throws {NotStartedError} when this node is not started
   * @throws {AbortError} when the signal aborts
   */
  watch (namespace: string, options?: PointOptions): AsyncGenerator<DiscoveredPeer>

  /**
   * Asks one point for one page: the protocol's own step.
   *
   * @throws {RendezvousError} the subclass of the status that the point answered with
   * @throws {ProtocolError} when the response breaks the protocol
   * @throws {TimeoutError}
   * @throws {UnsupportedProtocolError} when the peer is no rendezvous point
   * @throws what libp2p says of a failed dial
   * @throws {InvalidParametersError} when an argument is out of its range
   * @throws {NotStartedError} when this node is not started
   * @throws {AbortError}
   */
  discoverPage (namespace: string | undefined, options: DiscoverPageOptions): Promise<DiscoverPage>
}
