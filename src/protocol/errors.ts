import { Message } from './message.ts'
import { printable } from './printable.ts'
import type { PeerId } from '@libp2p/interface'

export const Status = Message.ResponseStatus
export type Status = Message.ResponseStatus

/** What an error says about the exchange it ended. */
export interface RendezvousErrorInit {
  /** The status the point answered with; absent when no point answered. */
  status?: Status
  /** The point's own words, shortened and stripped of control characters; absent when it gave none. */
  statusText?: string
  /** The point that was asked. */
  point?: PeerId
  /** The namespace the request was about; absent for one that spans all namespaces. */
  namespace?: string
  /** Milliseconds, before which it is not worth trying again; absent where that is not known. */
  retryAfter?: number
}

/**
 * The base of every error that this package adds to libp2p's own. Tell them apart by `name`, as
 * everywhere in js-libp2p.
 */
export class RendezvousError extends Error {
  static override name = 'RendezvousError'

  readonly status?: Status
  readonly statusText?: string
  readonly point?: PeerId
  readonly namespace?: string
  readonly retryAfter?: number

  constructor (message: string = 'The rendezvous failed', init: RendezvousErrorInit = {}) {
    super(message)
    this.name = new.target.name
    Object.assign(this, init)
  }
}

/** E_INVALID_NAMESPACE: the point does not accept this namespace. Trying again does not help. */
export class InvalidNamespaceError extends RendezvousError {
  static override name = 'InvalidNamespaceError'
}

/** E_INVALID_SIGNED_PEER_RECORD: the point could not verify the record. Trying again does not help. */
export class InvalidSignedPeerRecordError extends RendezvousError {
  static override name = 'InvalidSignedPeerRecordError'
}

/** E_INVALID_TTL: outside the point's bounds. Trying again does not help. */
export class InvalidTtlError extends RendezvousError {
  static override name = 'InvalidTtlError'
}

/** E_INVALID_COOKIE: of another namespace or another store. The listing starts over without one. */
export class InvalidCookieError extends RendezvousError {
  static override name = 'InvalidCookieError'
}

/** E_NOT_AUTHORIZED: the point refuses this peer. Trying again does not help. */
export class NotAuthorizedError extends RendezvousError {
  static override name = 'NotAuthorizedError'
}

/** E_INTERNAL_ERROR: the point failed. Trying again later may help. */
export class PointInternalError extends RendezvousError {
  static override name = 'PointInternalError'
}

/** E_UNAVAILABLE: a limit is reached or the point's store is away. Trying again later may help. */
export class UnavailableError extends RendezvousError {
  static override name = 'UnavailableError'
}

/**
 * This node has no address to publish yet. Thrown by `register`; the registration is made as soon as
 * there is one.
 */
export class NoAddressesError extends RendezvousError {
  static override name = 'NoAddressesError'

  constructor (message: string = 'This node has no address to publish yet', init?: RendezvousErrorInit) {
    super(message, init)
  }
}

/**
 * No rendezvous point is configured, and no connected peer is one. Thrown by every request that names
 * no point.
 */
export class NoPointsError extends RendezvousError {
  static override name = 'NoPointsError'

  constructor (message: string = 'No rendezvous point is known', init?: RendezvousErrorInit) {
    super(message, init)
  }
}

const BY_STATUS = {
  [Status.E_INVALID_NAMESPACE]: InvalidNamespaceError,
  [Status.E_INVALID_SIGNED_PEER_RECORD]: InvalidSignedPeerRecordError,
  [Status.E_INVALID_TTL]: InvalidTtlError,
  [Status.E_INVALID_COOKIE]: InvalidCookieError,
  [Status.E_NOT_AUTHORIZED]: NotAuthorizedError,
  [Status.E_INTERNAL_ERROR]: PointInternalError,
  [Status.E_UNAVAILABLE]: UnavailableError
}

/** What a point may answer other than OK. */
export type ErrorStatus = keyof typeof BY_STATUS

/** The error for a refusal; its message names the status, the point and the namespace. */
export function errorFromStatus (status: ErrorStatus, statusText: string | undefined, context: Pick<RendezvousErrorInit, 'point' | 'namespace' | 'retryAfter'>): RendezvousError {
  const { point, namespace } = context
  const text = printable(statusText ?? '').trim()
  const message = [
    'Refused',
    ...(point == null ? [] : [`by ${point}`]),
    ...(namespace == null ? [] : [`for "${printable(namespace)}"`]),
    `with ${status}${text === '' ? '' : `: ${text}`}`
  ].join(' ')

  return new BY_STATUS[status](message, {
    status,
    ...context,
    ...(text === '' ? {} : { statusText: text })
  })
}

/** Statuses that the same request will meet again, however often it is sent. */
const PERMANENT = new Set<Status | undefined>([
  Status.E_INVALID_NAMESPACE,
  Status.E_INVALID_SIGNED_PEER_RECORD,
  Status.E_INVALID_TTL,
  Status.E_NOT_AUTHORIZED
])

/** Whether trying the same request again is pointless. */
export function isPermanent (error: unknown): boolean {
  return error instanceof RendezvousError && PERMANENT.has(error.status)
}
