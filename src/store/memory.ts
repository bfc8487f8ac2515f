import { bytesOf, Entry, Member } from './entry.ts'
import { ExpiryQueue } from './expiry-queue.ts'
import { FormLists, isReadable } from './form-lists.ts'
import { GradualShares } from './gradual-shares.ts'
import { Namespace, Namespaces } from './namespaces.ts'
import { PeerIndex } from './peer-index.ts'
import { Subscriptions } from './subscriptions.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { ShareAccess } from './gradual-shares.ts'
import type { ListQuery, NewRegistration, OnChange, Page, RegisterResult, StoredRegistration, RegistrationStore, StoreLimits, StoreSize, Unsubscribe } from './types.ts'

const ENTRIES: ShareAccess<Entry, Entry> = {
  of: entry => entry.parent == null ? undefined : entry,
  make: entry => entry,
  drop: () => {}
}

/** So many fit into one response, whatever they hold: there is nothing to choose. */
const ALL_IN_ONE = 100

/** Up to so many registrations, to count them all at once holds nobody up. */
const FEW = 1_000

/** The range of sequence numbers that a store's life has used. */
export interface SequenceRange {
  /** Lower than every sequence number of this life. */
  origin: number
  /** The highest sequence number given out, or the origin. */
  last: number
}

/** How many expired registrations a full store removes before it refuses: a millisecond or two. */
const MAX_EVICTIONS = 1_000

/**
 * Registrations in memory, in three indexes: by peer and namespace, in the order of their sequence
 * numbers (for each namespace and for all), and by the second in which they expire.
 *
 * The sequence starts at a random number. That is what binds a cursor to the store's life: a cursor
 * is a sequence number, and those of another life do not fall into this one's range, but for a chance
 * of one in four billion when a million registrations have been made.
 */
export class MemoryStore implements RegistrationStore {
  readonly #namespaces = new Namespaces()
  readonly #peers: PeerIndex<Entry>
  readonly #all = new FormLists<Entry>()
  #shares: GradualShares<Entry, Entry> | undefined
  readonly #expiries = new ExpiryQueue<Entry>()
  #bytes = 0
  /** Much was restored, and who holds what of it is not known yet. */
  #isCounting = false
  /** How many have come, whose number says who came before whom. */
  #arrivals = 0
  readonly #subscriptions: Subscriptions
  readonly #range: SequenceRange
  /** Removed because they were in the way of others, and not yet returned by `expire`. */
  readonly #evicted: StoredRegistration[] = []

  /**
   * @param peers - of registrations that will be restored, with all of them
   */
  constructor (range: SequenceRange = newLife(), subscriptions = new Subscriptions(), peers = new PeerIndex<Entry>()) {
    this.#range = { ...range }
    this.#subscriptions = subscriptions
    this.#peers = peers
  }

  register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
    const { namespace, peer, ttl } = registration
    let previous = this.#peers.get(namespace, peer)

    if (previous != null && previous.expires <= now) {
      this.#evict(previous)
      previous = undefined
    }

    this.#prepare(namespace, limits)

    const displaced = previous == null
      ? this.#admit(registration, limits, now)
      : this.#grow(previous, bytesOf(registration) - previous.weight, limits, now)

    if ('limit' in displaced) {
      return displaced
    }

    const entry = this.#put(registration, now + ttl, this.#range.last + 1, previous)
    this.#subscriptions.came(namespace, peer)
    this.#subscriptions.tell()

    return { registration: entry, refreshed: previous != null, displaced }
  }

  unregister (namespace: string, peer: string, now: number): StoredRegistration | undefined {
    const entry = this.#peers.get(namespace, peer)

    // an expired one is left to `expire`, which reports it
    if (entry != null && entry.expires > now) {
      this.#remove(entry)
      this.#subscriptions.tell()

      return entry
    }
  }

  list ({ namespace, after, limit, reads, sample }: ListQuery, now: number): Page | undefined {
    const { origin, last } = this.#range

    if (after != null && !(after >= origin && after <= last)) {
      return
    }

    const list = namespace == null ? this.#all : this.#namespaces.get(namespace)

    if (sample != null) {
      return { registrations: list == null ? [] : this.#sample(list, limit, now, reads, sample), cursor: last }
    }

    const registrations = list?.after(after ?? origin, limit, now, reads) ?? []

    return {
      registrations,
      cursor: registrations.at(-1)?.sequence ?? after ?? origin
    }
  }

  registrationsOf (peer: string, now: number): StoredRegistration[] {
    return this.#peers.entriesOf(peer).filter(({ expires }) => expires > now)
  }

  expire (now: number, limit: number): StoredRegistration[] {
    const expired = this.#evicted.splice(Math.max(0, this.#evicted.length - limit))

    while (expired.length < limit) {
      const entry = this.#expiries.peek(now)

      if (entry == null) {
        break
      }

      this.#remove(entry)
      expired.push(entry)
    }

    this.#subscriptions.tell()

    return expired
  }

  nextExpiry (): number | undefined {
    return this.#evicted[0]?.expires ?? this.#expiries.nextExpiry()
  }

  get size (): StoreSize {
    return {
      registrations: this.#all.size,
      namespaces: this.#namespaces.size,
      peers: this.#peers.size,
      bytes: this.#bytes
    }
  }

  subscribe (namespace: string, onChange: OnChange): Unsubscribe {
    return this.#subscriptions.add(namespace, onChange)
  }

  /** The sequence numbers of this store's life. */
  get range (): Readonly<SequenceRange> {
    return this.#range
  }

  /** The registration that is held, which may have expired. */
  get (namespace: string, peer: string): StoredRegistration | undefined {
    return this.#peers.get(namespace, peer)
  }

  /**
   * Adds a registration that was stored, regardless of limits. Its sequence number has to be higher than all before.
   *
   * @param entry - one of those that this store was made with; it becomes the one that is held
   */
  restore (entry: Entry): void {
    entry.born = ++this.#arrivals
    this.#link(this.#namespaces.open(entry.namespace, entry.network, entry.born), entry, undefined)
  }

  /**
   * Counts who holds what, up to `most` registrations and namespaces more. From the first call on until all are counted
   * nobody makes room for a newcomer, who is refused where there is none.
   *
   * @returns whether all are counted
   */
  count (most: number): boolean {
    const shares = [this.#namespaces.count(), this.#count()]
    this.#isCounting = !shares.map(shares => shares.countMore(most)).every(Boolean)

    return !this.#isCounting
  }

  #count (): GradualShares<Entry, Entry> {
    this.#shares ??= new GradualShares(this.#all, ENTRIES)

    return this.#shares
  }

  #put (registration: NewRegistration, expires: number, sequence: number, previous: Entry | undefined): Entry {
    const born = previous?.born ?? ++this.#arrivals
    const namespace = this.#namespaces.open(registration.namespace, registration.network, born)
    const entry = new Entry(namespace.name, registration, expires, sequence, born)
    this.#peers.set(entry)
    this.#link(namespace, entry, previous)

    return entry
  }

  #link (namespace: Namespace, entry: Entry, previous: Entry | undefined): void {
    this.#shares?.put(entry, previous)
    this.#bytes += entry.weight

    if (previous != null) {
      this.#bytes -= previous.weight
      this.#all.remove(previous)
      this.#expiries.remove(previous)
    }

    this.#namespaces.put(namespace, entry, previous)
    this.#all.append(entry)
    this.#expiries.add(entry)
    this.#range.last = Math.max(this.#range.last, entry.sequence)
  }

  #remove (entry: Entry): void {
    this.#peers.delete(entry)
    this.#all.remove(entry)
    this.#shares?.remove(entry)
    this.#bytes -= entry.weight
    this.#expiries.remove(entry)
    this.#namespaces.remove(entry)
    this.#subscriptions.left(entry.namespace, entry.peer)
  }

  /** Half of a limit is in use: who holds what of it has to be known before all is. */
  #prepare (name: string, { maxRegistrationsPerNamespace, maxNamespaces, maxRegistrations, maxBytes }: StoreLimits): void {
    const namespace = this.#namespaces.get(name)

    if (namespace != null && namespace.size * 2 >= maxRegistrationsPerNamespace) {
      namespace.count()
    }

    // Stryker disable next-line ConditionalExpression,EqualityOperator,ArithmeticOperator,BlockStatement: they are counted when they have to be, all at once then
    if (this.#namespaces.size * 2 >= maxNamespaces) {
      this.#namespaces.count()
    }

    if (this.#all.size * 2 >= maxRegistrations || this.#bytes * 2 >= maxBytes) {
      this.#count()
    }
  }

  /** Removes an expired registration before `expire` does, and leaves it to that to report it. */
  #evict (entry: Entry): void {
    this.#remove(entry)
    this.#evicted.push(entry)
  }

  /** Makes room for a newcomer, and returns who had to go, or else the limit in the way. */
  #admit (registration: NewRegistration, limits: StoreLimits, now: number): StoredRegistration[] | { limit: keyof StoreLimits } {
    const { namespace, peer, network } = registration
    const bytes = bytesOf(registration)

    // Stryker disable next-line ConditionalExpression,BlockStatement: where nothing is in the way, nobody makes room, which is just found later
    if (!this.#isFull(namespace, peer, bytes, limits)) {
      return []
    }

    this.#evictExpired(now)
    const space = this.#namespaces.get(namespace)
    const displaced = new Set<Entry>()

    if (this.#peers.countOf(peer) >= limits.maxRegistrationsPerPeer) {
      return { limit: 'maxRegistrationsPerPeer' }
    }

    if ((space?.size ?? 0) >= limits.maxRegistrationsPerNamespace) {
      const member = space?.count().all.victim(network, 1)

      if (member == null) {
        return { limit: 'maxRegistrationsPerNamespace' }
      }

      displaced.add(member.entry)
    }

    if (space == null && this.#namespaces.size >= limits.maxNamespaces) {
      const other = this.#isCounting ? undefined : this.#namespaces.crowdedOut(network)

      if (other == null) {
        return { limit: 'maxNamespaces' }
      }

      other.after(-Infinity, Infinity, -Infinity).forEach(entry => displaced.add(entry))
    }

    const most = Math.max(limits.maxBytes, this.#bytes)
    const freed = [...displaced].reduce((sum, { weight }) => sum + weight, 0)
    const isCrowded = this.#all.size - displaced.size >= limits.maxRegistrations

    if (isCrowded || this.#bytes - freed + bytes > limits.maxBytes) {
      const heaviest = this.#isCounting ? undefined : this.#count().all.victim(network, bytes)

      if (heaviest == null) {
        return { limit: isCrowded ? 'maxRegistrations' : 'maxBytes' }
      }

      // for bytes, the smallest number of registrations that have them is found one by one
      displaced.add(heaviest)
    }

    const gone = [...displaced].flatMap(entry => this.#displace(entry, now))

    // where the limit was lowered, no more is taken than is added
    for (let heaviest; this.#bytes + bytes > most && (heaviest = this.#count().all.victim(network, bytes) ?? this.#count().all.heaviest) != null;) {
      gone.push(...this.#displace(heaviest, now))
    }

    return gone
  }

  /** Makes room for a refresh that takes more bytes than before: from whoever has most, but from others. */
  #grow (entry: Entry, bytes: number, { maxBytes }: StoreLimits, now: number): StoredRegistration[] {
    // a refresh is never refused
    if (this.#isCounting) {
      return []
    }

    if (this.#bytes + bytes > maxBytes) {
      this.#evictExpired(now)
    }

    const most = Math.max(maxBytes, this.#bytes)
    const gone: StoredRegistration[] = []

    for (let heaviest; this.#bytes + bytes > most && (heaviest = this.#count().all.heaviest) !== entry && heaviest != null;) {
      gone.push(...this.#displace(heaviest, now))
    }

    return gone
  }

  /** Removes what has to make room, and returns it unless it is left to `expire` to report it. */
  #displace (entry: Entry, now: number): StoredRegistration[] {
    if (entry.expires <= now) {
      this.#evict(entry)

      return []
    }

    this.#remove(entry)

    return [entry]
  }

  #isFull (namespace: string, peer: string, bytes: number, limits: StoreLimits): boolean {
    const space = this.#namespaces.get(namespace)

    return this.#peers.countOf(peer) >= limits.maxRegistrationsPerPeer ||
      (space?.size ?? 0) >= limits.maxRegistrationsPerNamespace ||
      // also where a limit was lowered: the namespace may be there for expired registrations alone
      this.#namespaces.size + (space == null ? 1 : 0) > limits.maxNamespaces ||
      this.#all.size >= limits.maxRegistrations ||
      this.#bytes + bytes > limits.maxBytes
  }

  #evictExpired (now: number): void {
    let expired: Entry | undefined

    for (let i = 0; i < MAX_EVICTIONS && (expired = this.#expiries.peek(now)) != null; i++) {
      this.#evict(expired)
    }
  }

  #sample (list: Namespace | FormLists<Entry>, limit: number, now: number, reads: RecordDomain | undefined, random: () => number): StoredRegistration[] {
    this.#evictExpired(now)

    if (list.size <= Math.min(limit, ALL_IN_ONE)) {
      return list.after(-Infinity, limit, now, reads)
    }

    const drawn = this.#draw(list, limit, random)
    const chosen = new Set(drawn.filter(entry => entry.expires > now && isReadable(entry, reads)))
    // in the place of those that are of no use here
    // Stryker disable next-line ConditionalExpression,EqualityOperator: where all are of use there is no place for others
    const others = chosen.size < drawn.length ? list.after(-Infinity, limit, now, reads) : []

    return [...new Set([...chosen, ...others])].slice(0, limit)
  }

  /** Spread over networks; where they are many and not counted, over the time at which they came instead. */
  #draw (list: Namespace | FormLists<Entry>, limit: number, random: () => number): Entry[] {
    const isCounted = list instanceof Namespace ? list.isCounted : this.#shares?.isComplete === true

    if (list.size <= FEW || isCounted) {
      const { all } = list instanceof Namespace ? list.count() : this.#count()

      return all.sample(limit, random).map(share => share instanceof Member ? share.entry : share)
    }

    const { origin, last } = this.#range

    return Array.from({ length: limit }, () => list.after(origin + random() * (last - origin), 1, -Infinity)).flat()
  }
}

/**
 * A store that is lost when the process ends.
 */
export function memoryStore (): RegistrationStore {
  return new MemoryStore()
}

/** Starts at 52 random bits, which leaves as many numbers for the registrations to come. */
export function newLife (): SequenceRange {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number]
  const origin = (high >>> 12) * 2 ** 32 + low

  return { origin, last: origin }
}
