import { DEFAULT_TTL, MAX_TTL } from '../protocol/constants.ts'
import { InvalidCookieError } from '../protocol/errors.ts'
import { namespaceProblem } from '../protocol/namespace.ts'
import { fromWireTtl } from '../protocol/ttl.ts'
import { throwIfAborted } from './deadline.ts'
import type { DiscoveredPeer } from './index.ts'
import type { RemotePoint } from './remote-point.ts'
import type { Message } from '../protocol/message.ts'
import type { PeerRecords, SignedPeerRecord } from '../protocol/peer-record.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * Registrations asked for at a time: at two kilobytes for a record, which is a lot, a page stays below
 * the 1 MiB that rust-libp2p's points can send.
 */
export const PAGE_SIZE = 500

/**
 * Pages in a row that may bring no peer that is new to the listing. An honest point gets there only
 * with fifty thousand registrations of the same few peers; one that lies could go on for ever.
 */
const MAX_FRUITLESS_PAGES = 100

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

export interface ListingOptions {
  /** Absent for all namespaces. */
  namespace?: string | undefined
  /** Where an earlier listing stopped; absent for the beginning. */
  cookie?: Uint8Array | undefined
  /** How many registrations are wanted; asked before each page. */
  wanted: () => number
  signal?: AbortSignal | undefined
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

  /**
   * The pages of a point until there are no more, or nothing more is wanted. When the point no longer
   * knows its cookie, because it has lost what it held, they start over once.
   *
   * @throws what `RemotePoint.discover` throws
   */
  async * pages (point: RemotePoint, { namespace, cookie, wanted, signal }: ListingOptions): AsyncGenerator<VerifiedPage> {
    const seen = new Set<string>()
    let fruitless = 0
    let isRestarted = false

    while (fruitless < MAX_FRUITLESS_PAGES && wanted() > 0) {
      // after a page that brought nothing, small ones would only take longer
      const limit = fruitless > 0 ? PAGE_SIZE : Math.min(wanted(), PAGE_SIZE)
      let page: VerifiedPage

      try {
        page = await this.page(point, namespace, limit, cookie, signal)
      } catch (err) {
        if (!(err instanceof InvalidCookieError) || cookie == null || isRestarted) {
          throw err
        }

        isRestarted = true
        cookie = undefined
        seen.clear()
        continue
      }

      yield page

      if (page.isEmpty || page.cookie == null) {
        return
      }

      const before = seen.size
      page.found.forEach(({ peer }) => seen.add(peer.id.toString()))
      fruitless = seen.size === before ? fruitless + 1 : 0
      cookie = page.cookie
    }
  }

  /**
   * The peers that any of the points lists, each once. One page of each point is read at a time, side
   * by side; of several records of a peer among those, the newest is taken. A point that fails is left
   * out from then on.
   *
   * @throws {AggregateError} at the end, when every point has failed
   * @throws {AbortError}
   */
  async * merged (points: RemotePoint[], namespace: string | undefined, limit: number, signal?: AbortSignal): AsyncGenerator<Found> {
    const seen = new Set<string>()
    const errors: Error[] = []
    let listings = points.map(point => this.pages(point, { namespace, signal, wanted: () => limit - seen.size }))

    try {
      while (listings.length > 0) {
        const pages = await Promise.all(listings.map(async listing => listing.next().catch(err => {
          throwIfAborted(signal)
          errors.push(err)

          return { done: true, value: undefined } as const
        })))

        for (const found of newest(pages.flatMap(({ value }) => value?.found ?? []))) {
          throwIfAborted(signal)
          const id = found.peer.id.toString()

          if (!seen.has(id) && seen.size < limit) {
            seen.add(id)
            yield found
          }
        }

        listings = listings.filter((_, index) => pages[index]?.done !== true)
      }
    } finally {
      await Promise.all(listings.map(async listing => listing.return(undefined)))
    }

    if (errors.length === points.length) {
      throw new AggregateError(errors, `No rendezvous point could be asked: ${errors.map(({ message }) => message).join('; ')}`)
    }
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

/** One for each peer, in the order in which the peers first come. */
function newest (found: Found[]): Iterable<Found> {
  const byPeer = new Map<string, Found>()

  for (const one of found) {
    const id = one.peer.id.toString()
    const other = byPeer.get(id)

    if (other == null || one.record.sequence > other.record.sequence) {
      byPeer.set(id, one)
    }
  }

  return byPeer.values()
}
