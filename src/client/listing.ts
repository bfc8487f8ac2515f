import { DEFAULT_TTL, MAX_TTL } from '../protocol/constants.ts'
import { namespaceProblem } from '../protocol/namespace.ts'
import { fromWireTtl } from '../protocol/ttl.ts'
import { throwIfAborted } from './deadline.ts'
import type { DiscoveredPeer } from './types.ts'
import { Pages } from './pages.ts'
import type { ListingOptions } from './pages.ts'
import type { RemotePoint } from './remote-point.ts'
import type { Message } from '../protocol/message.ts'
import type { PeerRecords, SignedPeerRecord } from '../protocol/peer-record.ts'
import type { PeerId } from '@libp2p/interface'

/** Bytes of a signed record: as much as a whole request may have at a point by default. */
const MAX_RECORD_SIZE = 16 * 1024

/** A registration whose record has been verified. */
export interface Found {
  peer: DiscoveredPeer
  record: SignedPeerRecord
}

export interface VerifiedPage {
  found: Found[]
  cookie: Uint8Array | undefined
  /** Whether the point listed nothing, believed or not. */
  isEmpty: boolean
}

/** Why a listed registration was not believed. */
export type DropReason = 'foreign' | 'expired' | 'oversized' | 'unverified'

export interface ListingInit {
  self: PeerId
  records: PeerRecords
  /** A point listed a registration that is not believed. */
  onDropped: (reason: DropReason, point: PeerId, error?: Error) => void
}

/**
 * Reads what points list, and believes none of it that is not signed.
 */
export class Listings {
  readonly #init: ListingInit

  constructor (init: ListingInit) {
    this.#init = init
  }

  /**
   * @param namespace - absent for all namespaces
   * @throws what `RemotePoint.discover` throws
   */
  async page (point: RemotePoint, namespace: string | undefined, limit: number, cookie: Uint8Array | undefined, signal?: AbortSignal): Promise<VerifiedPage> {
    const page = await point.discover(namespace, limit, cookie, signal)
    const now = Date.now()
    const found: Found[] = []

    for (const registration of page.registrations) {
      throwIfAborted(signal)
      const verified = await this.#verify(registration, namespace, point.peerId, now)

      if (verified != null) {
        found.push(verified)
      }
    }

    return { found, cookie: page.cookie, isEmpty: page.registrations.length === 0 }
  }

  /** What a point lists, to be read page by page. */
  pages (point: RemotePoint, options: ListingOptions): Pages {
    return new Pages(async (limit, cookie) => this.page(point, options.namespace, limit, cookie, options.signal), options)
  }

  async #verify ({ ns, signedPeerRecord, ttl: wireTtl }: Message.Register, asked: string | undefined, point: PeerId, now: number): Promise<Found | undefined> {
    const { self, records, onDropped } = this.#init
    // Go's points leave the namespace out where it was asked for
    const namespace = ns == null || ns === '' ? asked : ns
    const ttl = wireTtl == null ? DEFAULT_TTL : Math.min(fromWireTtl(wireTtl), MAX_TTL)

    if (asked == null ? namespaceProblem(namespace) != null : namespace !== asked) {
      onDropped('foreign', point)
      return
    }

    if (ttl === 0) {
      onDropped('expired', point)
      return
    }

    if (signedPeerRecord != null && signedPeerRecord.byteLength > MAX_RECORD_SIZE) {
      onDropped('oversized', point)
      return
    }

    try {
      const record = await records.open(signedPeerRecord ?? new Uint8Array()).certify()

      if (record.peerId.equals(self)) {
        return
      }

      return {
        record,
        peer: {
          id: record.peerId,
          multiaddrs: record.multiaddrs,
          namespace: namespace as string,
          point,
          ttl,
          expires: now + ttl,
          peerRecordEnvelope: record.envelope
        }
      }
    } catch (err: any) {
      onDropped('unverified', point, err)
    }
  }
}
