import type { Status } from '../protocol/errors.ts'
import type { Network } from '../store/fair-shares.ts'
import type { RegistrationStore, StoredRegistration, StoreSize } from '../store/types.ts'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ComponentLogger, Connection, ConnectionGater, Libp2pEvents, Metrics, PeerId, PublicKey, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'

/** What a peer asks for, as `authorize` sees it. */
export interface AuthorizeRequest {
  /**
   * Who asks, as the connection's handshake has proved it, or whoever had the point asked in another way (`Asker`).
   * Undefined where nothing has: then `token` is all there is to go by.
   */
  peer: PeerId | undefined
  action: 'register' | 'discover'
  /** Undefined when a peer wants to discover all namespaces. */
  namespace: string | undefined
  /** What the peer shows for it, as it was sent (docs/networks.md). It is nothing for logs. */
  token: string | undefined
  /**
   * To be called before a signature is verified for this request: it is counted like that of a record.
   *
   * @throws when this point has no time for it now; the request is refused with E_UNAVAILABLE then
   */
  verifying: () => void
  /** Where it comes from. */
  remoteAddr: Multiaddr
  /** Undefined where it does not come over libp2p. */
  connection: Connection | undefined
  /** Aborts when the answer would come too late, or the peer does not wait for it any more. */
  signal: AbortSignal
}

/** An answer with its reason, or its end. */
export interface Authorization {
  isAllowed: boolean
  /** Told to a peer that is refused. */
  reason?: string
  /**
   * Until when, in milliseconds since the epoch: no registration lasts longer, and who watches is asked about again
   * then.
   */
  until?: number
}

/**
 * Decides whether a request is served. Unregistering is always allowed.
 */
export interface Authorize {
  (request: AuthorizeRequest): boolean | Authorization | Promise<boolean | Authorization>
}

/** Requests that one peer may make. */
export interface RateLimit {
  /**
   * Within one interval. To open a stream counts as two, each whole 32 KiB of a response as one more,
   * and a stream that has to be reset as ten more.
   */
  requests: number
  /** Milliseconds. */
  interval: number
}

export interface PresenceInit {
  /** Milliseconds, within which a peer whose connection was lost may be back. */
  grace: number
}

/** What a connection comes from. */
export interface Origin {
  remoteAddr: Multiaddr
  /** Of the connection; absent before its handshake is through. */
  id?: string
}

export interface RendezvousPointInit {
  /**
   * Where registrations live.
   *
   * @default memoryStore()
   */
  store?: RegistrationStore

  /**
   * The shortest lifetime a registration may ask for, in milliseconds. A shorter one is refused with
   * E_INVALID_TTL.
   *
   * @default 7_200_000 (2 hours), or `maxTtl` when that is shorter
   */
  minTtl?: number

  /**
   * The lifetime, in milliseconds, of a registration that asks for none.
   *
   * @default 7_200_000 (2 hours), or the nearest bound
   */
  defaultTtl?: number

  /**
   * The longest lifetime a registration may ask for, in milliseconds. A longer one is refused with
   * E_INVALID_TTL.
   *
   * @default 259_200_000 (72 hours), or `minTtl` when that is longer
   */
  maxTtl?: number

  /**
   * Bytes of UTF-8 in a namespace; 255 is also the most that is allowed here, because a cookie must
   * have room for it. A longer namespace is refused with E_INVALID_NAMESPACE.
   *
   * @default 255
   */
  maxNamespaceLength?: number

  /**
   * Namespaces that one peer may be registered in. One more is refused with E_UNAVAILABLE.
   *
   * @default 100
   */
  maxRegistrationsPerPeer?: number

  /**
   * Peers that may be registered in one namespace. One more is refused with E_UNAVAILABLE.
   *
   * @default 1_000
   */
  maxRegistrationsPerNamespace?: number

  /**
   * Namespaces that may hold registrations at a time. One more is refused with E_UNAVAILABLE.
   *
   * @default 10_000
   */
  maxNamespaces?: number

  /**
   * Registrations of all peers in all namespaces. One more is refused with E_UNAVAILABLE.
   *
   * @default 1_000_000
   */
  maxRegistrations?: number

  /**
   * Bytes that all registrations may take, their records and about 640 bytes for each.
   *
   * @default 512 MiB
   */
  maxBytes?: number

  /**
   * Registrations in one response to DISCOVER, whatever limit the request names.
   *
   * @default 1_000
   */
  maxDiscoverLimit?: number

  /**
   * Bytes of one request. When a length prefix announces more, the stream is reset and nothing is
   * buffered.
   *
   * @default 16_384
   */
  maxMessageSize?: number

  /**
   * Milliseconds within which a request has to arrive whole, and again within which it has to be
   * answered. The stream of a request that arrives too slowly is reset.
   *
   * @default 10_000
   */
  requestTimeout?: number

  /**
   * Milliseconds that an open stream may wait for its next request before it is closed. Clients that poll
   * less often than that open a stream for each poll.
   *
   * @default 180_000
   */
  idleTimeout?: number

  /**
   * What one peer may ask for; what is over it is refused with E_UNAVAILABLE once the interval has
   * passed, or half of `requestTimeout`. When a peer goes on nevertheless, its connection is closed.
   * A new stream counts as two requests, a signature to verify as five, and a large response as several.
   * `false` for no limit.
   *
   * @default { requests: 1_000, interval: 10_000 }, which are some 330 requests on a stream each
   */
  rateLimit?: RateLimit | false

  /**
   * Decides whether a request is served. When it answers false, throws, or does not answer in time, the
   * request is refused with E_NOT_AUTHORIZED.
   *
   * @default everything is allowed
   */
  authorize?: Authorize

  /**
   * Whether the record of a peer that sends it in both forms (docs/extensions.md) is kept in both, so that whoever
   * reads only one of them is listed the peer. Each counts towards `maxBytes`.
   *
   * @default true
   */
  keepBothForms?: boolean

  /**
   * Whether each peer is listed only such records as its implementation can read, in the form that it reads; it
   * needs identify on this node. `false`: everybody is listed everything as it came, and where one record cannot be
   * read, rust-libp2p's and Canvas's clients lose the whole listing.
   *
   * @default true
   */
  matchReaders?: boolean

  /**
   * Milliseconds that a listing on a new connection waits for identify to tell what the peer reads, where there is
   * something to list. Who has not identified itself by then is taken for a rust-libp2p client, for those may not
   * do so. Once for each connection; clients of this package are not waited for. 0 for not at all.
   *
   * @default 1_000
   */
  identifyPatience?: number

  /**
   * Whether peers are told of changes in namespaces that they watch (docs/watch.md).
   *
   * @default true
   */
  watch?: boolean

  /**
   * Namespaces that one peer may watch on one stream. One more is refused with E_UNAVAILABLE.
   *
   * @default 100
   */
  maxSubscriptionsPerStream?: number

  /**
   * Namespaces that may be watched over one connection. One more is refused with E_UNAVAILABLE.
   *
   * @default 200
   */
  maxSubscriptionsPerConnection?: number

  /**
   * Namespaces that all peers may watch together, each counted for each of them. They are shared fairly between
   * networks: one more takes the place of the youngest of the network that has most, or is refused; either is told by
   * E_UNAVAILABLE.
   *
   * @default 100_000
   */
  maxSubscriptions?: number

  /**
   * How long registrations outlive the last connection of a peer that asked for them to end with it.
   * `false`: they last until their TTL ends, whatever was asked. Of a peer that falls silent it is libp2p's
   * connection monitor that ends the connection; where that is turned off, something else has to.
   *
   * @default { grace: 60_000 }
   */
  presence?: PresenceInit | false

  /**
   * Under which network a connection, and what is registered over it, is counted where a limit is shared: a
   * path from the widest to the narrowest, such as `198.51/100/7`. It is asked once for each connection, which
   * may not have gone through its handshake, and has no `id` then.
   *
   * @default IPv4 /16, /24, address; IPv6 /32, /48, /64
   */
  networkOf?: (connection: Origin) => Network

  /**
   * IP addresses, or networks such as `10.0.0.0/8`, of proxies: each connection that comes from there is a
   * network of its own, for nobody can tell where it began.
   *
   * @default none
   */
  trustedProxies?: string[]

  /**
   * Whether connections are shared fairly between networks: when the node has nearly as many as its
   * connection manager allows, a newcomer takes the place of the youngest of the network that has most,
   * or is refused. Otherwise it is libp2p that refuses whoever comes then.
   *
   * @default true
   */
  fairConnections?: boolean

  /**
   * Whether newcomers, and when that is not enough listings, wait while the event loop is late, because there is more
   * to do than can be done: newcomers for up to five seconds before their handshake, and then their connection is
   * closed; listings for up to half of `requestTimeout`, and then they are refused with E_UNAVAILABLE. What keeps a
   * registration does not wait.
   *
   * @default false
   */
  shedding?: boolean

  /**
   * The protocol to answer, for private networks. The one for watching has `/watch` before the version.
   *
   * @default '/rendezvous/1.0.0'
   */
  protocol?: string

  /**
   * Streams that one connection may have open at a time.
   *
   * @default libp2p's own, 32
   */
  maxInboundStreams?: number

  /**
   * Whether to serve peers over limited connections, such as relayed ones.
   *
   * @default false
   */
  runOnLimitedConnection?: boolean
}

export interface RendezvousPointComponents {
  connectionManager: ConnectionManager
  connectionGater: ConnectionGater
  registrar: Registrar
  events: TypedEventTarget<Libp2pEvents>
  logger: ComponentLogger
  metrics?: Metrics
}

/** A registration, as events tell of it. */
export interface RegistrationDetail {
  peer: PeerId
  namespace: string
  /** When it ends, in milliseconds since the epoch. */
  expires: number
}

export interface RegistrationRejectedDetail {
  peer: PeerId
  /** As it was asked for, which may be too long or missing. */
  namespace: string | undefined
  status: Status
  statusText: string
}

export interface DiscoverServedDetail {
  /** Undefined where it was asked without saying who asks, which is not over libp2p. */
  peer: PeerId | undefined
  /** Undefined when it spanned all namespaces. */
  namespace: string | undefined
  /** How many were listed. */
  registrations: number
}

export interface DiscoverRejectedDetail {
  /** Undefined where it was asked without saying who asks, which is not over libp2p. */
  peer: PeerId | undefined
  namespace: string | undefined
  status: Status
  statusText: string
}

/** A limit on what a point holds in all, nearly reached. */
export interface NearLimit {
  limit: 'maxRegistrations' | 'maxNamespaces' | 'maxBytes'
  /** What it allows. */
  max: number
  /** What is held. */
  size: number
}

export interface RendezvousPointEvents {
  /** A peer registered in a namespace it was not registered in. */
  'registration:added': CustomEvent<RegistrationDetail>
  /** A peer registered again in a namespace it was registered in. */
  'registration:refreshed': CustomEvent<RegistrationDetail>
  /** A peer unregistered. */
  'registration:removed': CustomEvent<RegistrationDetail>
  /** The operator ended a registration: its peer was evicted, or its namespace closed. */
  'registration:evicted': CustomEvent<RegistrationDetail>
  /** A registration reached the end of its lifetime. */
  'registration:expired': CustomEvent<RegistrationDetail>
  /** A registration made room for one of a network that holds less. */
  'registration:displaced': CustomEvent<RegistrationDetail>
  /** Nine tenths of a limit on all that is held have been reached, for the first time or once more. */
  'limit:near': CustomEvent<NearLimit>
  /** A registration was refused. */
  'registration:rejected': CustomEvent<RegistrationRejectedDetail>
  /** A page was listed to a peer. */
  'discover:served': CustomEvent<DiscoverServedDetail>
  /** A listing was refused. */
  'discover:rejected': CustomEvent<DiscoverRejectedDetail>
}

/** Who asks a point in another way than over libp2p, by HTTP for example. */
export interface Asker {
  /**
   * Where it asks from. The network of that address is what `rateLimit` is for here, and what it registers and watches
   * counts for. It is looked at once for each object.
   */
  origin: Origin
  /** Who it is. Only ever what has been proved: the point takes it as it takes a handshake. */
  peer?: PeerId | undefined
  /** What it shows to `authorize`. */
  token?: string | undefined
  /** Nobody waits for the answer any more. */
  signal?: AbortSignal | undefined
}

/** What an `Asker` registers. */
export interface DirectRegistration {
  namespace: string
  /** The envelope, signed by who asks. */
  signedPeerRecord: Uint8Array
  /** The same record in the other form (docs/extensions.md). */
  otherSignedPeerRecord?: Uint8Array | undefined
  /**
   * Milliseconds, rounded up to seconds.
   *
   * @default the point's `defaultTtl`
   */
  ttl?: number | undefined
}

/** What an `Asker` wants listed. */
export interface DirectQuery {
  /** Undefined for all namespaces. */
  namespace?: string | undefined
  /** From where on, as the page before has said. */
  cookie?: Uint8Array | undefined
  /**
   * Registrations, at the most.
   *
   * @default the point's `maxDiscoverLimit`, which is also the most
   */
  limit?: number | undefined
  /** Whether some are wanted, whichever, drawn at random and spread over networks. */
  sample?: boolean | undefined
}

/** A page of registrations. */
export interface DirectPage {
  registrations: StoredRegistration[]
  /** For the page behind it. */
  cookie: Uint8Array
}

/** What has happened in a namespace since the last time it was told. */
export interface DirectNews extends DirectPage {
  /** Peer ids whose registrations have ended; those who are registered again since may be among them. */
  gone: string[]
  /** Whether more may be gone than those: what was there before, and is not listed from the beginning, may not be any more. */
  resync: boolean
  /** Whether more is listed at once. */
  more: boolean
}

/**
 * A rendezvous point: peers register with it under a namespace, and others find them there.
 *
 * What is asked over libp2p can be asked of it directly, too, for whoever asks in some other way: by the same rules, and
 * with the same limits, events and metrics. What it refuses is a RendezvousError with the `status`.
 */
export interface RendezvousPoint extends TypedEventTarget<RendezvousPointEvents> {
  /**
   * Registers a peer.
   *
   * @throws {RendezvousError}
   */
  register: (registration: DirectRegistration, asker: Asker & { peer: PeerId }) => Promise<RegistrationDetail>

  /**
   * Ends the registration of a peer.
   *
   * @returns whether there was one
   * @throws {RendezvousError}
   */
  unregister: (namespace: string, asker: Asker & { peer: PeerId }) => Promise<boolean>

  /**
   * Lists registrations.
   *
   * @throws {RendezvousError}
   */
  list: (query: DirectQuery, asker: Asker) => Promise<DirectPage>

  /**
   * The registrations of one peer. Who asks for its own may always see them.
   *
   * @param peer - a peer id in its string form
   * @param namespace - in which they are; undefined for all
   * @throws {RendezvousError}
   */
  find: (peer: string, namespace: string | undefined, asker: Asker) => Promise<StoredRegistration[]>

  /**
   * What there is in a namespace, and then what happens there. It is found out when it is asked for, so who is slow is told
   * the sum.
   *
   * @param cookie - from where on it is known already
   * @throws {RendezvousError} also later: the asker may not watch any longer, or makes room for others
   */
  watch: (namespace: string, cookie: Uint8Array | undefined, asker: Asker) => AsyncGenerator<DirectNews, void>

  /**
   * To be called before a signature is verified to find out who asks: it is counted like that of a record.
   *
   * @param key - by which it is to be verified
   * @throws {RendezvousError} when this point has no time for it now, or never for a key like that
   */
  verifying: (key: PublicKey, asker: Asker) => void

  /** The protocol it answers. */
  readonly protocol: string

  /** What it holds now. */
  readonly size: StoreSize

  /** Whether its store is behind: what was changed last is not safe yet, and requests may be refused for that. */
  readonly isBehind: boolean

  /** Namespaces in which nobody may register, as `closeNamespace` has it. */
  readonly closedNamespaces: string[]

  /**
   * Ends all registrations of a peer. Those who watch are told that it is gone, and where it is live here, so is the peer:
   * with E_NOT_AUTHORIZED, after which clients of this package stay away until they are started again. It is not
   * kept from registering again: `authorize` and `closeNamespace` are for that.
   *
   * @returns how many there were
   * @throws what the store throws, and a TimeoutError when it does not answer
   */
  evict: (peer: PeerId) => Promise<number>

  /**
   * Ends all registrations in a namespace, as `evict` does, and refuses others there with E_NOT_AUTHORIZED from now on,
   * until it is opened or this point is made anew. It can be called before the point is started. Points that share a
   * store each have to be told.
   *
   * @returns how many there were
   * @throws {InvalidParametersError} when no point accepts the namespace
   * @throws what the store throws, and a TimeoutError when it does not answer; the namespace is closed then, too
   */
  closeNamespace: (namespace: string) => Promise<number>

  /**
   * Lets peers register in a namespace again.
   *
   * @returns whether it was closed
   */
  openNamespace: (namespace: string) => boolean
}
