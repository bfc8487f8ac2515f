/**
 * Where a rendezvous point keeps its registrations. Several points may share one store, so the rules
 * that hold across requests are the store's to keep: one registration for each peer and namespace,
 * limits checked and applied in one step, the order of listings, and which cursors are valid.
 *
 * A store has no clock and no timer: it is told the time. One that is shared may go by a clock of its own, and says
 * what it says of time in that of who asks. Times are milliseconds since the epoch.
 * Methods may answer at once or with a promise. A store that cannot be reached rejects, and the point
 * answers E_UNAVAILABLE. `suite.ts` tests all of this for any store.
 */

import type { RecordDomain } from '../protocol/peer-record.ts'
import type { Network } from './fair-shares.ts'

/**
 * The form that an envelope is in; `none` where those who read only one form cannot read it whatever it is, and
 * so are not listed it.
 */
export type ReadableDomain = RecordDomain | 'none'

export interface NewRegistration {
  namespace: string
  /** The peer id in its string form. */
  peer: string
  /** The envelope, as other peers will verify it. The store keeps this array and never writes to it. */
  signedPeerRecord: Uint8Array
  domain: ReadableDomain
  /** The same record in the other form, for those who read only that. Kept like the envelope. */
  otherRecord?: Uint8Array | undefined
  /** Where the peer is connected from, as far as it can be told: networks share each limit fairly. */
  network: Network
  /** Milliseconds. */
  ttl: number
}

export interface StoredRegistration {
  readonly namespace: string
  readonly peer: string
  readonly signedPeerRecord: Uint8Array
  readonly domain: ReadableDomain
  readonly otherRecord?: Uint8Array | undefined
  readonly network: Network
  /** From this moment on the registration is gone, whether or not it has been removed yet. */
  readonly expires: number
  /**
   * The place in the order of listings: higher than that of every registration made before in this
   * store, and a safe integer. A refresh takes a new one.
   */
  readonly sequence: number
}

/**
 * The most there may be at a time. All but the first are shared max-min fairly between networks: where one
 * is reached, a newcomer takes the place of the youngest of the network that holds most, if that holds
 * more than the newcomer's would then, at each width of its path.
 */
export interface StoreLimits {
  maxRegistrationsPerPeer: number
  maxRegistrationsPerNamespace: number
  /**
   * A namespace counts for the network that has fewest of them among those that are registered in it, so
   * that nobody makes it somebody else's by being there too, or first. The one that makes room goes with
   * all registrations in it.
   */
  maxNamespaces: number
  maxRegistrations: number
  /** As `StoreSize` counts them. A store may go beyond it by the size of a registration that is refreshed. */
  maxBytes: number
}

export type RegisterResult =
  /**
   * `refreshed` when it replaced one of the same peer in the same namespace, which keeps its age.
   * `displaced` are those that had to make room for it and are gone.
   */
  | { registration: StoredRegistration, refreshed: boolean, displaced: StoredRegistration[] }
  /** The limit that was in the way; nothing changed. */
  | { limit: keyof StoreLimits }

export interface ListQuery {
  /** Absent: all namespaces. */
  namespace?: string | undefined
  /** Only registrations later than this cursor, as a page gave it. Absent: from the beginning. */
  after?: number | undefined
  /** Registrations, at the most; one or more. */
  limit: number
  /** Only registrations that have a record in this form. */
  reads?: RecordDomain | undefined
  /**
   * Registrations drawn at random and spread over networks, instead of those that follow a cursor, by random
   * numbers as `Math.random` gives them. The cursor of such a page is at the end of the listing: it gives
   * only what comes later.
   */
  sample?: (() => number) | undefined
}

export interface Page {
  /** In the order of `sequence`, or of a sample in any; none of them expired. */
  registrations: StoredRegistration[]
  /**
   * Where the listing goes on. It may also be the `sequence` of any registration in the page, when the
   * caller could not use the rest.
   */
  cursor: number
}

/** How much is held; what has expired counts until it is removed. */
export interface StoreSize {
  registrations: number
  namespaces: number
  peers: number
  /** Of the records, and for each registration as much again as the store needs to keep it, or some hundred. */
  bytes: number
}

/** Ends a subscription; to do so again does nothing. */
export type Unsubscribe = () => void

export interface OnChange {
  /**
   * @param gone - peers whose registrations have ended; those who are registered again since may be among them
   * @param isMissing - whether changes before this one may not have been told, so that more may be gone
   */
  (gone?: readonly string[], isMissing?: boolean): void
}

/** Says whose registration has made room for another's, and where. */
export type OnDisplaced = (peer: string, namespace: string) => void

/** What a start has to know to judge what was stored before. */
export interface StartOptions {
  now: number
  /** Milliseconds: what lives longer than this from now, because a clock was wrong, is taken to end then. */
  maxTtl: number
}

export interface RegistrationStore {
  /**
   * Adds a registration, or replaces the one of the same peer in the same namespace. A refresh is
   * never refused. Registrations that expired more than a second ago do not count against a limit,
   * unless more of them are waiting for `expire` than a store can look through in one go.
   */
  register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult | Promise<RegisterResult>

  /**
   * Removes a registration and returns it, or undefined when there was none.
   */
  unregister (namespace: string, peer: string, now: number): StoredRegistration | undefined | Promise<StoredRegistration | undefined>

  /**
   * Lists registrations. Undefined when `after` is not a cursor of this store's life: made by another
   * store, or before this one was wiped.
   */
  list (query: ListQuery, now: number): Page | undefined | Promise<Page | undefined>

  /** All registrations of a peer that have not expired, in any order. */
  registrationsOf (peer: string, now: number): StoredRegistration[] | Promise<StoredRegistration[]>

  /**
   * Removes up to `limit` expired registrations and returns them. Each expired registration is
   * returned by one call, also when a limit or its peer had it removed before.
   */
  expire (now: number, limit: number): StoredRegistration[] | Promise<StoredRegistration[]>

  /**
   * When `expire` next has something to do, or undefined when nothing is registered. It may be up to a
   * second after the moment a registration expires. Of a shared store it is as of its last answer, so a point
   * calls `expire` once in a while anyway.
   */
  nextExpiry (): number | undefined

  /** What is held, including what has expired and was not removed yet. Of a shared store, as of its last answer. */
  readonly size: StoreSize

  /**
   * Calls back when something in a namespace has changed, as a wake-up: what there is, a listing tells. It
   * costs nothing where nobody has subscribed. A call may come before the change is safe, and may be lost
   * where a store is shared. The callback must not throw.
   */
  subscribe? (namespace: string, onChange: OnChange): Unsubscribe

  /**
   * Where points share a store: calls back for each registration that has made room, at whichever of them, so that its
   * peer is told where it is live. A call may be lost. The callback must not throw.
   */
  onDisplaced? (onDisplaced: OnDisplaced): Unsubscribe

  /**
   * Where points share a store, a live peer may be at several of them, and its registrations end when it is at none:
   * it is live at a point from now on. Returns its registrations, as `registrationsOf` does.
   *
   * @param point - the same for all that a point says; a point that has not called `expire` for minutes counts for nobody
   */
  enter? (peer: string, point: string, now: number): Promise<StoredRegistration[]>

  /**
   * A peer is live at a point no longer. Where it is not coming back, and live at no other point, its registrations are
   * removed and returned, in one step.
   */
  leave? (peer: string, point: string, isGone: boolean, now: number): Promise<StoredRegistration[]>

  /**
   * Whether what was changed last is not yet where the store keeps it, and requests may be refused for
   * that. Undefined where that cannot be.
   */
  readonly isBehind?: boolean

  /**
   * Each point that uses the store calls it before its first request. When it rejects, the point did
   * not start and does not call `stop`.
   */
  start? (options?: StartOptions): void | Promise<void>

  /**
   * Each point that started the store calls it after its last answer; the store ends with the last of
   * them. Resolves when everything acknowledged is safe. The store may be started again.
   */
  stop? (): void | Promise<void>
}
