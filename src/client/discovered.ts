import { sizeOf } from './records.ts'
import type { Listed } from './listing.ts'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { PeerId } from '@libp2p/interface'

/** Bytes of what one point has listed, roughly: about forty thousand usual records. */
const MAX_OF_POINT = 64 * 1024 * 1024

/** Bytes of what all points have listed, so that three that lie cannot displace what an honest one lists. */
const MAX_OF_ALL = 4 * MAX_OF_POINT

/** Peers whose registrations have ended are looked for no more often than this, in milliseconds. */
const SWEEP_INTERVAL = 1_000

/** Peers that are noted to be gone while a listing is on its way; where there are more, nobody is taken for new from it. */
const MAX_OUTDATED = 10_000

/** Why a peer is not known any longer: its registrations ended, or others took its place. */
export type GoneReason = 'ended' | 'displaced'

/** Someone who wants to hear of the peers in a namespace. */
export interface Watcher {
  namespace: string
  /** Only of what this point lists; absent for any. */
  point?: PeerId | undefined
  /** A peer was found, for the first time or again. */
  onFound: (listed: Listed) => void
  /** It is not known any longer. */
  onGone: (listed: Listed) => void
}

export interface DiscoveredInit {
  /** A peer was found that was not known. */
  onNew: (listed: Listed) => void
  onGone: (listed: Listed, reason: GoneReason) => void
}

/** A peer that is known, by its newest record, wherever that was listed. */
interface Known {
  record: SignedPeerRecord
  /** By namespace. */
  entries: Map<string, Entry>
}

/** A peer in a namespace. */
interface Entry {
  known: Known
  namespace: string
  /** What points say of it, by point. */
  claims: Map<string, Claim>
}

interface Claim extends Pick<Listed, 'point' | 'ttl' | 'expires'> {
  /** The last mark before it was listed. */
  mark: number
}

/**
 * Listings that points were asked for and that have not been taken in yet. What a point tells by itself
 * meanwhile is newer than what it then lists.
 */
export interface Listing {
  /** The mark at which they were asked for. */
  readonly mark: number
  /** Who is gone, and what was listed from the beginning, since then. */
  readonly outdated: Set<string>
}

/** What a point has listed, the oldest first. */
interface Share {
  bytes: number
  entries: Set<Entry>
}

/**
 * The peers that were found and whose registrations have not ended, one for each namespace and peer, by
 * their newest record. It makes no difference whether a point was asked or told of them by itself.
 *
 * What may be remembered is bounded for each point and for all. A point that lists more loses what it
 * has listed first; where there is too much of all, the point that has most does. What another point
 * lists as well stays.
 *
 * Times are milliseconds since the epoch.
 */
export class Discovered {
  readonly #init: DiscoveredInit
  readonly #known = new Map<string, Known>()
  readonly #shares = new Map<string, Share>()
  readonly #watchers = new Set<Watcher>()
  readonly #listings = new Set<Listing>()
  #bytes = 0
  #count = 0
  #mark = 0
  /** No registration ends before. */
  #nextEnd = Infinity
  #sweptAt = -Infinity

  constructor (init: DiscoveredInit) {
    this.#init = init
  }

  /** How many there are, those included whose end has not been looked for yet. */
  get size (): number {
    return this.#count
  }

  /** When `sweep` has something to do; infinite when nothing is known. */
  get wakeAt (): number {
    return Math.max(this.#nextEnd, this.#sweptAt + SWEEP_INTERVAL)
  }

  /** Those whose registration has not ended. */
  peers (now: number, namespace?: string): Listed[] {
    return [...this.#known.values()]
      .flatMap(({ entries }) => namespace == null ? [...entries.values()] : entries.get(namespace) ?? [])
      .map(latest)
      .filter(({ expires }) => expires > now)
  }

  /** The newest record of a peer, of any namespace and point. */
  recordOf (peerId: PeerId): SignedPeerRecord | undefined {
    return this.#known.get(peerId.toString())?.record
  }

  /** Points are about to be asked what they list; to be followed by `end`. */
  begin (): Listing {
    const listing = { mark: this.mark(), outdated: new Set<string>() }
    this.#listings.add(listing)

    return listing
  }

  end (listing: Listing): void {
    this.#listings.delete(listing)
  }

  /**
   * Remembers what a point has listed, unless it has said since it was asked that it is gone.
   *
   * @param listing - what it is from; absent when the point tells it by itself
   * @returns the peer by the newest of its records, with the latest end that a point gives
   */
  add (listed: Listed, now: number, listing?: Listing): Listed {
    const { record, namespace, point, ttl, expires } = listed
    const id = record.peerId.toString()
    const before = this.#known.get(id)?.entries.get(namespace)

    if (listing != null && before?.claims.has(point.toString()) !== true && isOutdated(listing, point, namespace, id)) {
      return listed
    }

    if (before != null && latest(before).expires <= now) {
      this.#remove(before, 'ended')
    }

    const known = this.#known.get(id) ?? { record, entries: new Map<string, Entry>() }
    const isNew = !known.entries.has(namespace)
    const entry = known.entries.get(namespace) ?? { known, namespace, claims: new Map<string, Claim>() }
    this.#known.set(id, known)
    known.entries.set(namespace, entry)
    this.#count += isNew ? 1 : 0

    const isNewer = record.sequence > known.record.sequence
    this.#replaceRecord(known, record.sequence < known.record.sequence ? known.record : record)
    this.#claim(entry, { point, ttl, expires, mark: Math.max(listing?.mark ?? this.#mark, before?.claims.get(point.toString())?.mark ?? 0) })
    const found = latest(entry)

    for (const each of isNewer ? known.entries.values() : [entry]) {
      this.#tell(each, watcher => { watcher.onFound(latest(each)) })
    }

    if (isNew) {
      this.#init.onNew(found)
    }

    this.#makeRoom()

    return found
  }

  /** What is listed from here on can be told from what was listed before. */
  mark (): number {
    return ++this.#mark
  }

  /** Whether a point has listed a peer in a namespace since a mark. */
  isListedSince (mark: number, { record, namespace, point }: Listed): boolean {
    const claim = this.#known.get(record.peerId.toString())?.entries.get(namespace)?.claims.get(point.toString())

    return claim != null && claim.mark >= mark
  }

  /**
   * A point says that a registration has ended. What others list of the peer stays.
   *
   * @param peer - its id as text
   */
  withdraw (point: PeerId, namespace: string, peer: string): void {
    this.#listings.forEach(({ outdated }) => { outdated.add(keyOf(point, namespace, outdated.size < MAX_OUTDATED ? peer : undefined)) })
    const entry = this.#known.get(peer)?.entries.get(namespace)

    if (entry?.claims.has(point.toString()) === true) {
      this.#withdraw(entry, point.toString(), 'ended')
    }
  }

  /** A point has listed a namespace from the beginning since a mark: what it has not listed is there no longer. */
  withdrawUnlisted (point: PeerId, namespace: string, mark: number): void {
    const key = point.toString()
    this.#listings.forEach(listing => { listing.mark < mark && listing.outdated.add(keyOf(point, namespace)) })
    const unlisted = [...this.#shares.get(key)?.entries ?? []]
      .filter(({ namespace: other, claims }) => other === namespace && (claims.get(key) as Claim).mark < mark)

    unlisted.forEach(entry => { this.#withdraw(entry, key, 'ended') })
  }

  /**
   * Tells the watcher of what is known already, and then of what is found.
   *
   * @returns a function that ends the watch
   */
  watch (watcher: Watcher, now: number): () => void {
    this.#watchers.add(watcher)

    for (const { entries } of this.#known.values()) {
      const entry = entries.get(watcher.namespace)

      if (entry != null && concerns(watcher, entry) && latest(entry).expires > now) {
        watcher.onFound(latest(entry))
      }
    }

    return () => { this.#watchers.delete(watcher) }
  }

  /** Forgets, and tells of, those whose registration has ended. */
  sweep (now: number): void {
    this.#sweptAt = now
    this.#nextEnd = Infinity

    for (const { entries } of this.#known.values()) {
      for (const entry of entries.values()) {
        const ends = latest(entry).expires

        if (ends <= now) {
          this.#remove(entry, 'ended')
        } else {
          this.#nextEnd = Math.min(this.#nextEnd, ends)
        }
      }
    }
  }

  clear (): void {
    this.#known.clear()
    this.#shares.clear()
    this.#bytes = 0
    this.#count = 0
    this.#nextEnd = Infinity
    this.#sweptAt = -Infinity
  }

  #replaceRecord (known: Known, record: SignedPeerRecord): void {
    const difference = sizeOf(record) - sizeOf(known.record)
    known.record = record

    for (const { claims } of known.entries.values()) {
      for (const point of claims.keys()) {
        this.#charge(point, difference)
      }
    }
  }

  /** Notes that a point lists the peer, as what it has listed last. */
  #claim (entry: Entry, claim: Claim): void {
    const point = claim.point.toString()
    const share = this.#shares.get(point) ?? { bytes: 0, entries: new Set<Entry>() }
    this.#shares.set(point, share)

    if (share.entries.delete(entry)) {
      this.#charge(point, -sizeOf(entry.known.record))
    }

    share.entries.add(entry)
    entry.claims.set(point, claim)
    this.#charge(point, sizeOf(entry.known.record))
    this.#nextEnd = Math.min(this.#nextEnd, claim.expires)
  }

  #charge (point: string, bytes: number): void {
    (this.#shares.get(point) as Share).bytes += bytes
    this.#bytes += bytes
  }

  #makeRoom (): void {
    for (const [point, share] of this.#shares) {
      while (share.bytes > MAX_OF_POINT) {
        this.#dropOldest(point, share)
      }
    }

    while (this.#bytes > MAX_OF_ALL) {
      const [point, share] = [...this.#shares].reduce((most, other) => other[1].bytes > most[1].bytes ? other : most)
      this.#dropOldest(point, share)
    }
  }

  #dropOldest (point: string, { entries }: Share): void {
    const [oldest] = entries as unknown as [Entry]
    this.#withdraw(oldest, point, 'displaced')
  }

  /** Takes back what a point claims, and with the last claim the entry. */
  #withdraw (entry: Entry, point: string, reason: GoneReason): void {
    if (entry.claims.size === 1) {
      this.#remove(entry, reason)
      return
    }

    const watchers = [...this.#watchers].filter(watcher => watcher.point?.toString() === point && concerns(watcher, entry))
    const last = latest(entry)
    this.#unclaim(entry, point)
    // the others may give it an earlier end
    this.#nextEnd = Math.min(this.#nextEnd, latest(entry).expires)
    watchers.forEach(watcher => { watcher.onGone(last) })
  }

  #unclaim (entry: Entry, point: string): void {
    entry.claims.delete(point)
    this.#charge(point, -sizeOf(entry.known.record))
    const share = this.#shares.get(point) as Share
    share.entries.delete(entry)

    if (share.entries.size === 0) {
      this.#shares.delete(point)
    }
  }

  #remove (entry: Entry, reason: GoneReason): void {
    const { known, namespace, claims } = entry
    const last = latest(entry)
    const watchers = [...this.#watchers].filter(watcher => concerns(watcher, entry))
    ;[...claims.keys()].forEach(point => { this.#unclaim(entry, point) })
    known.entries.delete(namespace)
    this.#count--

    if (known.entries.size === 0) {
      this.#known.delete(known.record.peerId.toString())
    }

    watchers.forEach(watcher => { watcher.onGone(last) })
    this.#init.onGone(last, reason)
  }

  #tell (entry: Entry, tell: (watcher: Watcher) => void): void {
    for (const watcher of this.#watchers) {
      if (concerns(watcher, entry)) {
        tell(watcher)
      }
    }
  }
}

function isOutdated ({ outdated }: Listing, point: PeerId, namespace: string, peer: string): boolean {
  return outdated.has(keyOf(point, namespace, peer)) || outdated.has(keyOf(point, namespace))
}

/** A peer id in a namespace at a point, or all of them. */
function keyOf (point: PeerId, namespace: string, peer = ''): string {
  return `${point}/${peer}/${namespace}`
}

function concerns (watcher: Watcher, { namespace, claims }: Entry): boolean {
  return watcher.namespace === namespace && (watcher.point == null || claims.has(watcher.point.toString()))
}

/** By the point that gives it the latest end: points may learn of a refresh at different times. */
function latest ({ known: { record }, namespace, claims }: Entry): Listed {
  const claim = [...claims.values()].reduce((latest, other) => other.expires > latest.expires ? other : latest)

  return { record, namespace, point: claim.point, ttl: claim.ttl, expires: claim.expires }
}
