import { createHash } from 'node:crypto'
import { interleave, merge } from './merge.ts'
import type { Claim, Holder, Partition } from './partition.ts'
import type { ListQuery, NewRegistration, OnChange, OnDisplaced, Page, RegisterResult, StoredRegistration, StoreLimits, StoreSize, Unsubscribe } from 'libp2p-rendezvous'

/** What is limited in all of a store, by what `size` says of it. */
const TOTALS = { maxNamespaces: 'namespaces', maxRegistrations: 'registrations', maxBytes: 'bytes' } as const

/**
 * A store in several partitions. A namespace is in one of them, and what is asked of it there is as exact as in a store
 * that is undivided. What a peer may register in all of them one partition counts, which the peer decides.
 */
export class Partitions implements Holder {
  readonly #partitions: Partition[]
  readonly #id = crypto.randomUUID()
  #reservations = 0
  /** The partition in which the next expiry begins. */
  #turn = 0

  constructor (partitions: Partition[]) {
    this.#partitions = partitions
  }

  async register (registration: NewRegistration, limits: StoreLimits, now: number): Promise<RegisterResult> {
    const { namespace, peer, ttl } = registration
    const home = this.#for(peer)
    const partition = this.#for(namespace)
    const claim = { peer, namespace, mark: `${this.#id}/${this.#reservations++}` }
    const reserved = await home.reserve(claim, limits.maxRegistrationsPerPeer, now).catch((err: Error) => err)
    // where there is no room, or nobody knows, it may still be a refresh, which needs none
    const maxRegistrationsPerPeer = reserved === true ? Number.MAX_SAFE_INTEGER : 0
    const result = await partition.register(registration, { ...limits, ...this.#limitsOf(partition, limits), maxRegistrationsPerPeer }, now)

    if ('limit' in result) {
      if (reserved instanceof Error) {
        throw reserved
      }

      await this.#release([claim], now)
    } else {
      // what is not said is put right by the next refresh
      const confirmed = home.confirm({ ...claim, mark: result.registration.sequence }, ttl, now).catch(() => {})
      await Promise.all([confirmed, this.#release(result.displaced.map(claimOf), now)])
    }

    return result
  }

  async unregister (namespace: string, peer: string, now: number): Promise<StoredRegistration | undefined> {
    const removed = await this.#for(namespace).unregister(namespace, peer, now)

    if (removed != null) {
      await this.#release([claimOf(removed)], now)
    }

    return removed
  }

  async list (query: ListQuery, now: number): Promise<Page | undefined> {
    if (query.namespace != null) {
      return this.#for(query.namespace).list(query, now)
    }

    return query.sample == null ? this.#listAll(query, now) : this.#sampleAll(query, query.sample, now)
  }

  async registrationsOf (peer: string, now: number): Promise<StoredRegistration[]> {
    return (await this.#each(async partition => partition.registrationsOf(peer, now))).flat()
  }

  async expire (now: number, limit: number): Promise<StoredRegistration[]> {
    const expired: StoredRegistration[] = []
    const failures: unknown[] = []

    for (let i = 0; i < this.#partitions.length && expired.length < limit; i++) {
      const partition = this.#partitions[this.#turn++ % this.#partitions.length] as Partition

      try {
        expired.push(...await partition.expire(now, limit - expired.length))
      } catch (err) {
        failures.push(err)
      }
    }

    // what has been removed is returned by this call or by none
    if (expired.length === 0 && failures.length > 0) {
      throw failures[0]
    }

    return expired
  }

  async enter (peer: string, point: string, now: number): Promise<StoredRegistration[]> {
    return (await this.#each(async partition => partition.enter(peer, point, now))).flat()
  }

  async leave (peer: string, point: string, isGone: boolean, now: number): Promise<StoredRegistration[]> {
    return (await this.#each(async partition => {
      const removed = await partition.leave(peer, point, isGone, now)
      await this.#release(removed.map(claimOf), now)

      return removed
    })).flat()
  }

  nextExpiry (): number | undefined {
    const times = this.#partitions.flatMap(partition => partition.nextExpiry() ?? [])

    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** The sums. A peer counts in each partition in which it is registered. */
  get size (): StoreSize {
    const sizes = this.#partitions.map(({ size }) => size)
    const sum = (what: keyof StoreSize): number => sizes.reduce((sum, size) => sum + size[what], 0)

    return { registrations: sum('registrations'), namespaces: sum('namespaces'), peers: sum('peers'), bytes: sum('bytes') }
  }

  subscribe (namespace: string, onChange: OnChange): Unsubscribe {
    return this.#for(namespace).subscribe(namespace, onChange)
  }

  onDisplaced (onDisplaced: OnDisplaced): Unsubscribe {
    const ends = this.#partitions.map(partition => partition.onDisplaced(onDisplaced))

    return () => { ends.forEach(end => { end() }) }
  }

  /** The one that a namespace is in, or that counts what a peer takes. */
  #for (name: string): Partition {
    const hash = createHash('sha1').update(name).digest().readUInt32BE()

    return this.#partitions[hash % this.#partitions.length] as Partition
  }

  /**
   * What a partition may hold: what the others leave of all, by what is known of them, and always its part of it. So nobody
   * crowds out a partition from another one.
   */
  #limitsOf ({ size }: Partition, limits: StoreLimits): Partial<StoreLimits> {
    const all = this.size

    return Object.fromEntries(Object.entries(TOTALS).map(([limit, what]) => {
      const most = limits[limit as keyof typeof TOTALS]

      return [limit, Math.max(Math.ceil(most / this.#partitions.length), most - (all[what] - size[what]))]
    }))
  }

  async #listAll ({ limit, after, reads }: ListQuery, now: number): Promise<Page | undefined> {
    return merge(this.#partitions.map(partition => async (after, limit) => partition.list({ after, limit, reads }, now)), limit, after)
  }

  async #sampleAll (query: ListQuery, random: () => number, now: number): Promise<Page | undefined> {
    const pages = (await this.#each(async partition => partition.list(query, now))).flatMap(page => page ?? [])

    return pages.length === 0
      ? undefined
      : {
          registrations: interleave(pages.flatMap(({ registrations }) => registrations), random).slice(0, query.limit),
          cursor: Math.min(...pages.map(({ upTo }) => upTo))
        }
  }

  /** Where it cannot be said, what is taken ends with its registration, or the reservation. */
  async #release (claims: Claim[], now: number): Promise<void> {
    const byHome = Map.groupBy(claims, ({ peer }) => this.#for(peer))
    await Promise.allSettled([...byHome].map(async ([home, claims]) => home.release(claims, now)))
  }

  /** Has all of them do something, and throws when all have where it failed. */
  async #each <T> (ask: (partition: Partition) => Promise<T>): Promise<T[]> {
    const results = await Promise.allSettled(this.#partitions.map(ask))

    return results.map(result => {
      if (result.status === 'rejected') {
        throw result.reason
      }

      return result.value
    })
  }
}

function claimOf ({ peer, namespace, sequence }: StoredRegistration): Claim {
  return { peer, namespace, mark: sequence }
}
