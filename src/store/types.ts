/**
 * Where a rendezvous point keeps its registrations. Several points may share one store, so the rules
 * that hold across requests are the store's to keep: one registration for each peer and namespace,
 * limits checked and applied in one step, the order of listings, and which cursors are valid.
 *
 * A store has no clock and no timer: it is told the time. Times are milliseconds since the epoch.
 * Methods may answer at once or with a promise. A store that cannot be reached rejects, and the point
 * answers E_UNAVAILABLE. `suite.ts` tests all of this for any store.
 */

export interface NewRegistration {
  namespace: string
  /** The peer id in its string form. */
  peer: string
  /** The envelope, as other peers will verify it. The store keeps this array and never writes to it. */
  signedPeerRecord: Uint8Array
  /** Milliseconds. */
  ttl: number
}

export interface StoredRegistration {
  readonly namespace: string
  readonly peer: string
  readonly signedPeerRecord: Uint8Array
  /** From this moment on the registration is gone, whether or not it has been removed yet. */
  readonly expires: number
  /**
   * The place in the order of listings: higher than that of every registration made before in this
   * store, and a safe integer. A refresh takes a new one.
   */
  readonly sequence: number
}

/** The most there may be at a time. */
export interface StoreLimits {
  maxRegistrationsPerPeer: number
  maxRegistrationsPerNamespace: number
  maxNamespaces: number
  maxRegistrations: number
}

export type RegisterResult =
  /** `refreshed` when it replaced one of the same peer in the same namespace. */
  | { registration: StoredRegistration, refreshed: boolean }
  /** The limit that was in the way; nothing changed. */
  | { limit: keyof StoreLimits }

export interface ListQuery {
  /** Absent: all namespaces. */
  namespace?: string | undefined
  /** Only registrations later than this cursor, as a page gave it. Absent: from the beginning. */
  after?: number | undefined
  /** Registrations, at the most; one or more. */
  limit: number
}

export interface Page {
  /** In the order of `sequence`, none of them expired. */
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

  /**
   * Removes up to `limit` expired registrations and returns them. Each expired registration is
   * returned by one call, also when a limit or its peer had it removed before.
   */
  expire (now: number, limit: number): StoredRegistration[] | Promise<StoredRegistration[]>

  /**
   * When `expire` next has something to do, or undefined when nothing is registered. It may be up to a
   * second after the moment a registration expires.
   */
  nextExpiry (): number | undefined

  /** What is held, including what has expired and was not removed yet. */
  readonly size: StoreSize

  /**
   * Each point that uses the store calls it before its first request. When it rejects, the point did
   * not start and does not call `stop`.
   */
  start? (): void | Promise<void>

  /**
   * Each point that started the store calls it after its last answer; the store ends with the last of
   * them. Resolves when everything acknowledged is safe. The store may be started again.
   */
  stop? (): void | Promise<void>
}
