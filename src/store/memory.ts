import { ExpiryQueue } from './expiry-queue.ts'
import { FairShares } from './fair-shares.ts'
import { GradualShares } from './gradual-shares.ts'
import { FormLists, isReadable } from './form-lists.ts'
import { PeerIndex } from './peer-index.ts'
import { Subscriptions } from './subscriptions.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { Expiring } from './expiry-queue.ts'
import type { Network, Share } from './fair-shares.ts'
import type { ShareAccess } from './gradual-shares.ts'
import type { ListQuery, NewRegistration, OnChange, Page, ReadableDomain, RegisterResult, StoredRegistration, RegistrationStore, StoreLimits, StoreSize, Unsubscribe } from './types.ts'

/** What a registration takes beside its records, in bytes: about what the benchmark finds. */
const REGISTRATION_BYTES = 640

/** A registration as the indexes link it; `StoredRegistration` is what others see of it. */
class Entry implements StoredRegistration, Expiring, Share {
  readonly namespace: string
  readonly peer: string
  readonly signedPeerRecord: Uint8Array
  readonly domain: ReadableDomain
  readonly otherRecord: Uint8Array | undefined
  readonly network: Network
  readonly expires: number
  readonly sequence: number
  earlier: Expiring | undefined = undefined
  later: Expiring | undefined = undefined
  /** The sequence number with which it came: a refresh keeps it. */
  born: number
  parent: object | undefined = undefined
  place = 0
  readonly weight: number
  /** What stands for it among the shares of its namespace. */
  member: Member | undefined = undefined

  constructor (namespace: string, { peer, signedPeerRecord, domain, otherRecord, network, expires, sequence }: Omit<StoredRegistration, 'namespace'>, born: number = sequence) {
    this.namespace = namespace
    this.peer = peer
    this.signedPeerRecord = signedPeerRecord
    this.domain = domain
    this.otherRecord = otherRecord
    this.network = network
    this.expires = expires
    this.sequence = sequence
    this.born = born
    this.weight = bytesOf(this)
  }
}

/** A registration's share of its namespace; the entry itself is its share of all. */
class Member implements Share {
  readonly entry: Entry
  readonly network: Network
  readonly weight = 1
  born: number
  parent: object | undefined = undefined
  place = 0

  constructor (entry: Entry) {
    this.entry = entry
    this.network = entry.network
    this.born = entry.born
  }
}

const ENTRIES: ShareAccess<Entry, Entry> = {
  of: entry => entry.parent == null ? undefined : entry,
  make: entry => entry,
  drop: () => {}
}

const MEMBERS: ShareAccess<Entry, Member> = {
  of: ({ member }) => member,
  make: entry => {
    entry.member = new Member(entry)

    return entry.member
  },
  drop: entry => { entry.member = undefined }
}

/** Up to so many registrations, to count them all at once holds nobody up. */
const FEW = 1_000

/** The registrations in one namespace, which is itself a share of the namespaces there may be. */
class Namespace extends FormLists<Entry> implements Share {
  readonly name: string
  /** The one that it counts for. */
  network: Network
  readonly weight = 1
  born: number | undefined = undefined
  parent: object | undefined = undefined
  place = 0
  readonly shares: GradualShares<Entry, Member>

  constructor (name: string, network: Network) {
    super()
    this.name = name
    this.network = network
    this.shares = new GradualShares<Entry, Member>(this, MEMBERS)
  }

  /** Adds an entry, in the place of the one of the same peer if there is one. */
  put (entry: Entry, previous: Entry | undefined): void {
    if (previous != null) {
      super.remove(previous)
    }

    this.shares.put(entry, previous)
    this.append(entry)
  }

  override remove (entry: Entry): void {
    super.remove(entry)
    this.shares.remove(entry)
  }
}

/** The range of sequence numbers that a store's life has used. */
export interface SequenceRange {
  /** Lower than every sequence number of this life. */
  origin: number
  /** The highest sequence number given out, or the origin. */
  last: number
}

/** How many expired registrations a full store removes before it refuses: a millisecond or two. */
const MAX_EVICTIONS = 1_000

/** How many namespaces are found to count for another network before a newcomer is refused: some milliseconds. */
const MAX_MISCOUNTED = 8

/** How many registrations of a namespace are looked at to find out for whom it counts. */
const PAYERS = 8

/**
 * Registrations in memory, in three indexes: by peer and namespace, in the order of their sequence
 * numbers (for each namespace and for all), and by the second in which they expire.
 *
 * The sequence starts at a random number. That is what binds a cursor to the store's life: a cursor
 * is a sequence number, and those of another life do not fall into this one's range, but for a chance
 * of one in four billion when a million registrations have been made.
 */
export class MemoryStore implements RegistrationStore {
  readonly #namespaces = new Map<string, Namespace>()
  readonly #namespaceShares = new FairShares<Namespace>()
  readonly #peers = new PeerIndex<Entry>()
  readonly #all = new FormLists<Entry>()
  readonly #shares = new GradualShares<Entry, Entry>(this.#all, ENTRIES)
  readonly #expiries = new ExpiryQueue<Entry>()
  #bytes = 0
  readonly #subscriptions: Subscriptions
  readonly #range: SequenceRange
  /** Removed because they were in the way of others, and not yet returned by `expire`. */
  readonly #evicted: StoredRegistration[] = []

  constructor (range: SequenceRange = newLife(), subscriptions = new Subscriptions()) {
    this.#range = { ...range }
    this.#subscriptions = subscriptions
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

    const entry = this.restore({ ...registration, expires: now + ttl, sequence: this.#range.last + 1 })
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
   * Adds a registration as it stands, regardless of limits, or replaces the one of the same peer in
   * the same namespace. Its sequence number has to be higher than all before.
   */
  restore (registration: StoredRegistration): StoredRegistration {
    const namespace = this.#namespace(registration)
    const entry = new Entry(namespace.name, registration, this.#peers.get(namespace.name, registration.peer)?.born)
    const previous = this.#peers.set(entry)
    this.#shares.put(entry, previous)
    this.#bytes += entry.weight

    if (previous != null) {
      this.#bytes -= previous.weight
      this.#all.remove(previous)
      this.#expiries.remove(previous)
    }

    namespace.put(entry, previous)
    this.#all.append(entry)
    this.#expiries.add(entry)
    this.#range.last = Math.max(this.#range.last, entry.sequence)

    // Stryker disable next-line ConditionalExpression: to look for the lightest once more than needed finds the same
    if (previous != null && previous.network !== entry.network && previous.network === namespace.network) {
      this.#findPayer(namespace)
    }

    this.#charge(namespace, entry.network)

    return entry
  }

  #namespace ({ namespace: name, network }: StoredRegistration): Namespace {
    let namespace = this.#namespaces.get(name)

    if (namespace == null) {
      namespace = new Namespace(name, network)
      this.#namespaces.set(name, namespace)
      this.#namespaceShares.add(namespace)
    }

    return namespace
  }

  /** Counts a namespace for a network if that has fewer of them than the one that it counts for now. */
  #charge (namespace: Namespace, network: Network): void {
    // Stryker disable next-line ConditionalExpression,LogicalOperator: no network is lighter than itself, which is just found sooner
    if (network !== namespace.network && this.#namespaceShares.isLighter(network, namespace.network, 1)) {
      this.#recharge(namespace, network)
    }
  }

  #recharge (namespace: Namespace, network: Network): void {
    this.#namespaceShares.remove(namespace)
    namespace.network = network
    this.#namespaceShares.add(namespace)
  }

  #remove (entry: Entry): void {
    const namespace = this.#namespaces.get(entry.namespace) as Namespace
    this.#peers.delete(entry)
    this.#all.remove(entry)
    this.#shares.remove(entry)
    this.#bytes -= entry.weight
    this.#expiries.remove(entry)
    namespace.remove(entry)
    this.#subscriptions.left(entry.namespace, entry.peer)

    if (namespace.size === 0) {
      this.#namespaces.delete(entry.namespace)
      this.#namespaceShares.remove(namespace)
    } else if (namespace.network === entry.network) {
      this.#findPayer(namespace)
    }
  }

  /**
   * The network that a namespace counts for may have left it. To look at the few that are there longest is
   * near enough: every other takes it over when it next registers there, if it is the lightest.
   */
  #findPayer (namespace: Namespace): void {
    const [first, ...others] = namespace.after(-Infinity, PAYERS, -Infinity) as [Entry, ...Entry[]]

    // Stryker disable next-line ConditionalExpression: to count it again for the same network changes nothing
    if (first.network !== namespace.network) {
      this.#recharge(namespace, first.network)
    }

    others.forEach(({ network }) => { this.#charge(namespace, network) })
  }

  /** From now on it is known who holds what of all, however far the limits are. To be called before there is much. */
  count (): void {
    this.#shares.prepare()
  }

  /** Half of a limit is in use: who holds what of it has to be known before all is. */
  #prepare (name: string, { maxRegistrationsPerNamespace, maxRegistrations, maxBytes }: StoreLimits): void {
    const namespace = this.#namespaces.get(name)

    if (namespace != null && namespace.size * 2 >= maxRegistrationsPerNamespace) {
      namespace.shares.prepare()
    }

    if (this.#all.size * 2 >= maxRegistrations || this.#bytes * 2 >= maxBytes) {
      this.#shares.prepare()
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

    // Stryker disable next-line ConditionalExpression: what has expired may go at any time; here it is when it helps
    if (this.#isFull(namespace, peer, bytes, limits)) {
      this.#evictExpired(now)
    }

    const space = this.#namespaces.get(namespace)
    const displaced = new Set<Entry>()

    if (this.#peers.countOf(peer) >= limits.maxRegistrationsPerPeer) {
      return { limit: 'maxRegistrationsPerPeer' }
    }

    if ((space?.size ?? 0) >= limits.maxRegistrationsPerNamespace) {
      const member = space?.shares.all.victim(network, 1)

      if (member == null) {
        return { limit: 'maxRegistrationsPerNamespace' }
      }

      displaced.add(member.entry)
    }

    if (space == null && this.#namespaces.size >= limits.maxNamespaces) {
      const other = this.#crowdedOut(network)

      if (other == null) {
        return { limit: 'maxNamespaces' }
      }

      other.after(-Infinity, Infinity, -Infinity).forEach(entry => displaced.add(entry))
    }

    const most = Math.max(limits.maxBytes, this.#bytes)
    const freed = [...displaced].reduce((sum, { weight }) => sum + weight, 0)
    const isCrowded = this.#all.size - displaced.size >= limits.maxRegistrations

    if (isCrowded || this.#bytes - freed + bytes > limits.maxBytes) {
      const heaviest = this.#shares.all.victim(network, bytes)

      if (heaviest == null) {
        return { limit: isCrowded ? 'maxRegistrations' : 'maxBytes' }
      }

      // for bytes, the smallest number of registrations that have them is found one by one
      displaced.add(heaviest)
    }

    const gone = [...displaced].flatMap(entry => this.#displace(entry, now))

    // where the limit was lowered, no more is taken than is added
    for (let heaviest; this.#bytes + bytes > most && (heaviest = this.#shares.all.victim(network, bytes) ?? this.#shares.all.heaviest) != null;) {
      gone.push(...this.#displace(heaviest, now))
    }

    return gone
  }

  /**
   * The namespace that makes room for one of a network's. Those who are there longest may all be of one network, and
   * leave the others to make room with it: before that happens, all are looked at, who would be removed otherwise.
   */
  #crowdedOut (network: Network): Namespace | undefined {
    for (let i = 0; i < MAX_MISCOUNTED; i++) {
      const namespace = this.#namespaceShares.victim(network, 1)
      const payer = namespace?.network
      namespace?.after(-Infinity, Infinity, -Infinity).forEach(entry => { this.#charge(namespace, entry.network) })

      if (namespace?.network === payer) {
        return namespace
      }
    }
  }

  /** Makes room for a refresh that takes more bytes than before: from whoever has most, but from others. */
  #grow (entry: Entry, bytes: number, { maxBytes }: StoreLimits, now: number): StoredRegistration[] {
    if (this.#bytes + bytes > maxBytes) {
      this.#evictExpired(now)
    }

    const most = Math.max(maxBytes, this.#bytes)
    const gone: StoredRegistration[] = []

    for (let heaviest; this.#bytes + bytes > most && (heaviest = this.#shares.all.heaviest) !== entry && heaviest != null;) {
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
    const drawn = this.#draw(list, limit, random)
    const chosen = new Set(drawn.filter(entry => entry.expires > now && isReadable(entry, reads)))
    // in the place of those that are of no use here
    // Stryker disable next-line ConditionalExpression,EqualityOperator: where all are of use there is no place for others
    const others = chosen.size < drawn.length ? list.after(-Infinity, limit, now, reads) : []

    return [...new Set([...chosen, ...others])].slice(0, limit)
  }

  /** Spread over networks; where they are many and not counted, over the time at which they came instead. */
  #draw (list: Namespace | FormLists<Entry>, limit: number, random: () => number): Entry[] {
    const shares = list instanceof Namespace ? list.shares : this.#shares

    if (list.size <= FEW || shares.isComplete) {
      return shares.all.sample(limit, random).map(share => share instanceof Member ? share.entry : share)
    }

    const { origin, last } = this.#range

    return Array.from({ length: limit }, () => list.after(origin + random() * (last - origin), 1, -Infinity)).flat()
  }
}

/** What a registration counts against `maxBytes`. */
function bytesOf ({ signedPeerRecord, otherRecord }: Pick<StoredRegistration, 'signedPeerRecord' | 'otherRecord'>): number {
  return REGISTRATION_BYTES + signedPeerRecord.byteLength + (otherRecord?.byteLength ?? 0)
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
