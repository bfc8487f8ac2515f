import { DEFAULT_TTL, MAX_TTL } from '../protocol/constants.ts'
import { namespaceProblem } from '../protocol/namespace.ts'
import { InvalidRecordError, MAX_RECORD_SIZE } from '../protocol/peer-record.ts'
import { fromWireTtl } from '../protocol/ttl.ts'
import { withAddresses } from './addresses.ts'
import { throwIfAborted } from './deadline.ts'
import type { DiscoverFilter, DiscoveredPeer } from './types.ts'
import type { Records } from './records.ts'
import type { RemotePoint } from './remote-point.ts'
import type { Message } from '../protocol/message.ts'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A registration that a point has listed and whose record has been verified. */
export interface Listed {
  record: SignedPeerRecord
  namespace: string
  /** The point that listed it. */
  point: PeerId
  /** What remained of it when it was listed, in milliseconds. */
  ttl: number
  /** When it ends, in milliseconds since the epoch. */
  expires: number
}

export interface ListedPage {
  listed: Listed[]
  cookie: Uint8Array | undefined
  /** Whether the point listed nothing, believed or not. */
  isEmpty: boolean
  /** Whether it listed as many as it was asked for. */
  isFull: boolean
}

export interface VerifiedPage {
  listed: Listed[]
  /** Registrations that no honest point lists. */
  refused: number
}

/** Why a listed registration was not believed, or is of no use. */
export type DropReason = 'foreign' | 'expired' | 'oversized' | 'unverified' | 'filtered'

export interface ListingsInit {
  self: PeerId
  records: Pick<Records, 'open'>
  /** The only peer that is looked for; absent for any. */
  peer?: PeerId
  /** Which addresses of peers are used; absent for all. */
  filter?: DiscoverFilter | undefined
  /** Under which address a point is reached now. */
  addressOf: (point: PeerId) => Multiaddr | undefined
  /** A point listed a registration that is dropped. */
  onDropped: (reason: DropReason, point: PeerId, error?: Error) => void
}

/**
 * Reads what points list, and believes none of it that is not signed.
 */
export class Listings {
  readonly #init: ListingsInit

  constructor (init: ListingsInit) {
    this.#init = init
  }

  /** The same, of one peer alone. */
  of (peer: PeerId): Listings {
    return new Listings({ ...this.#init, peer })
  }

  /**
   * @param namespace - absent for all namespaces
   * @throws what `RemotePoint.discover` throws
   */
  async page (point: Pick<RemotePoint, 'peerId' | 'discover'>, namespace: string | undefined, limit: number, cookie: Uint8Array | undefined, signal?: AbortSignal, sample = false): Promise<ListedPage> {
    const { registrations, cookie: next } = await point.discover(namespace, limit, cookie, signal, sample)
    const { listed } = await this.verify(point.peerId, namespace, registrations)
    throwIfAborted(signal)

    return { listed, cookie: next, isEmpty: registrations.length === 0, isFull: registrations.length >= limit }
  }

  /**
   * What can be believed of what a point lists.
   *
   * @param namespace - the one that it was asked for; absent for all namespaces
   */
  async verify (point: PeerId, namespace: string | undefined, registrations: Message.Register[]): Promise<VerifiedPage> {
    const now = Date.now()
    let refused = 0
    const listed = await Promise.all(registrations.map(async registration => this.#verify(registration, namespace, point, now, (reason, error) => {
      refused += reason === 'expired' || reason === 'filtered' ? 0 : 1
      this.#init.onDropped(reason, point, error)
    })))

    return { listed: listed.filter(one => one != null), refused }
  }

  async #verify ({ ns, signedPeerRecord, ttl: wireTtl }: Message.Register, asked: string | undefined, point: PeerId, now: number, drop: (reason: DropReason, error?: Error) => void): Promise<Listed | undefined> {
    const { self, records, peer } = this.#init
    // Go's points leave the namespace out where it was asked for
    const namespace = ns == null || ns === '' ? asked : ns
    const ttl = wireTtl == null ? DEFAULT_TTL : Math.min(fromWireTtl(wireTtl), MAX_TTL)

    if (namespace == null || (asked == null ? namespaceProblem(namespace) != null : namespace !== asked)) {
      drop('foreign')
      return
    }

    if (ttl === 0) {
      drop('expired')
      return
    }

    if (signedPeerRecord != null && signedPeerRecord.byteLength > MAX_RECORD_SIZE) {
      drop('oversized')
      return
    }

    let record: SignedPeerRecord | undefined

    try {
      record = await records.open(signedPeerRecord ?? new Uint8Array(), peer)
    } catch (err: any) {
      drop('unverified', err)
      return
    }

    if (record == null) {
      drop('foreign')
      return
    }

    if (record.peerId.equals(self)) {
      return
    }

    const filtered = this.#filter(record, this.#init.addressOf(point))

    if (filtered == null) {
      drop('filtered')
      return
    }

    return { record: filtered, namespace, point, ttl, expires: now + ttl }
  }

  /**
   * A record of the peer that is looked for, from somebody who is no point.
   *
   * @param from - under which address they are reached
   * @throws {InvalidRecordError} when it is not what that peer has signed, or has no address that is used
   */
  async open (envelope: Uint8Array, from: Multiaddr): Promise<SignedPeerRecord> {
    const record = await this.#init.records.open(envelope, this.#init.peer)
    const filtered = record == null ? undefined : this.#filter(record, from)

    if (filtered == null) {
      throw new InvalidRecordError(record == null ? 'the record is of another peer' : 'no address of the record is wanted')
    }

    return filtered
  }

  /** @returns the record with the addresses that are wanted; undefined when there is none */
  #filter (record: SignedPeerRecord, pointAddress: Multiaddr | undefined): SignedPeerRecord | undefined {
    const { filter } = this.#init

    if (filter == null) {
      return record
    }

    const all = record.multiaddrs
    const wanted = all.filter(address => filter(address, pointAddress))

    if (wanted.length === all.length) {
      return record
    }

    return wanted.length === 0 ? undefined : withAddresses(record, wanted.map(String))
  }
}

/** What the user is given. */
export function discoveredPeer ({ record, namespace, point, ttl, expires }: Listed): DiscoveredPeer {
  return {
    id: record.peerId,
    get multiaddrs () {
      return record.multiaddrs
    },
    namespace,
    point,
    ttl,
    expires,
    peerRecordEnvelope: record.envelope
  }
}
