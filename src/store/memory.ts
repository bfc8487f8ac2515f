import { ExpiryQueue } from './expiry-queue.ts'
import { PeerIndex } from './peer-index.ts'
import { SequenceList } from './sequence-list.ts'
import type { Expiring } from './expiry-queue.ts'
import type { ListQuery, NewRegistration, Page, RegisterResult, StoredRegistration, RegistrationStore, StoreLimits, StoreSize } from './types.ts'

/** A registration as the indexes link it; `StoredRegistration` is what others see of it. */
interface Entry extends StoredRegistration, Expiring {}

/** The registrations in one namespace. */
class Namespace extends SequenceList<Entry> {
  readonly name: string

  constructor (name: string) {
    super()
    this.name = name
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
  readonly #peers = new PeerIndex<Entry>()
  readonly #all = new SequenceList<Entry>()
  readonly #expiries = new ExpiryQueue<Entry>()
  readonly #range: SequenceRange
  /** Removed because they were in the way of others, and not yet returned by `expire`. */
  readonly #evicted: StoredRegistration[] = []

  constructor (range: SequenceRange = newLife()) {
    this.#range = { ...range }
  }

  register ({ namespace, peer, signedPeerRecord, ttl }: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
    const previous = this.#peers.get(namespace, peer)
    const refreshed = previous != null && previous.expires > now

    if (!refreshed) {
      if (previous != null) {
        this.#evict(previous)
      }

      const limit = this.#limitReached(namespace, peer, limits, now)

      if (limit != null) {
        return { limit }
      }
    }

    const registration = this.restore({ namespace, peer, signedPeerRecord, expires: now + ttl, sequence: this.#range.last + 1 })

    return { registration, refreshed }
  }

  unregister (namespace: string, peer: string, now: number): StoredRegistration | undefined {
    const entry = this.#peers.get(namespace, peer)

    // an expired one is left to `expire`, which reports it
    if (entry != null && entry.expires > now) {
      this.#remove(entry)

      return entry
    }
  }

  list ({ namespace, after, limit }: ListQuery, now: number): Page | undefined {
    const { origin, last } = this.#range

    if (after != null && !(after >= origin && after <= last)) {
      return
    }

    const list = namespace == null ? this.#all : this.#namespaces.get(namespace)
    const registrations = list?.after(after ?? origin, limit, now) ?? []

    return {
      registrations,
      cursor: registrations.at(-1)?.sequence ?? after ?? origin
    }
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

    return expired
  }

  nextExpiry (): number | undefined {
    return this.#evicted[0]?.expires ?? this.#expiries.nextExpiry()
  }

  get size (): StoreSize {
    return {
      registrations: this.#all.size,
      namespaces: this.#namespaces.size,
      peers: this.#peers.size
    }
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
  restore ({ namespace: name, peer, signedPeerRecord, expires, sequence }: StoredRegistration): StoredRegistration {
    const namespace = this.#namespace(name)
    const entry: Entry = { namespace: namespace.name, peer, signedPeerRecord, expires, sequence, earlier: undefined, later: undefined }
    const previous = this.#peers.set(entry)

    if (previous != null) {
      this.#unlink(namespace, previous)
    }

    namespace.append(entry)
    this.#all.append(entry)
    this.#expiries.add(entry)
    this.#range.last = Math.max(this.#range.last, sequence)

    return entry
  }

  #namespace (name: string): Namespace {
    let namespace = this.#namespaces.get(name)

    if (namespace == null) {
      namespace = new Namespace(name)
      this.#namespaces.set(name, namespace)
    }

    return namespace
  }

  #remove (entry: Entry): void {
    const namespace = this.#namespaces.get(entry.namespace) as Namespace
    this.#peers.delete(entry)
    this.#unlink(namespace, entry)

    if (namespace.size === 0) {
      this.#namespaces.delete(entry.namespace)
    }
  }

  #unlink (namespace: Namespace, entry: Entry): void {
    namespace.remove(entry)
    this.#all.remove(entry)
    this.#expiries.remove(entry)
  }

  /** Removes an expired registration before `expire` does, and leaves it to that to report it. */
  #evict (entry: Entry): void {
    this.#remove(entry)
    this.#evicted.push(entry)
  }

  /** The limit in the way of one more registration, once what has expired is out of the way. */
  #limitReached (namespace: string, peer: string, limits: StoreLimits, now: number): keyof StoreLimits | undefined {
    const limit = this.#limitInTheWay(namespace, peer, limits)
    // after a restart with lower limits, say: the namespace may be there for expired registrations alone
    const isOver = this.#namespaces.size > limits.maxNamespaces
    let expired: Entry | undefined

    if ((limit == null && !isOver) || this.#expiries.peek(now) == null) {
      return limit
    }

    for (let i = 0; i < MAX_EVICTIONS && (expired = this.#expiries.peek(now)) != null; i++) {
      this.#evict(expired)
    }

    return this.#limitInTheWay(namespace, peer, limits)
  }

  #limitInTheWay (namespace: string, peer: string, limits: StoreLimits): keyof StoreLimits | undefined {
    const inNamespace = this.#namespaces.get(namespace)?.size ?? 0

    if (this.#peers.countOf(peer) >= limits.maxRegistrationsPerPeer) {
      return 'maxRegistrationsPerPeer'
    }

    if (inNamespace >= limits.maxRegistrationsPerNamespace) {
      return 'maxRegistrationsPerNamespace'
    }

    if (inNamespace === 0 && this.#namespaces.size >= limits.maxNamespaces) {
      return 'maxNamespaces'
    }

    if (this.#all.size >= limits.maxRegistrations) {
      return 'maxRegistrations'
    }
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
