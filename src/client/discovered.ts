import { MAX_SLEEP } from './schedule.ts'
import type { DiscoveredPeer } from './types.ts'
import type { Found } from './listing.ts'
import type { PeerId } from '@libp2p/interface'

/** Peers that are remembered at a time; those found first make room. */
const MAX_DISCOVERED = 100_000

/** Addresses of them all: each takes most of a kilobyte, and a record may have a hundred. */
const MAX_ADDRESSES = 300_000

/** Expired peers are looked for no more often than this, in milliseconds. */
const SWEEP_INTERVAL = 1_000

/** Someone who wants to hear of the peers in a namespace. */
export interface Watcher {
  namespace: string
  /** Only of what this point lists; absent for any. */
  point?: PeerId | undefined
  /** A peer was found, for the first time or again. */
  onFound: (peer: DiscoveredPeer) => void
  /** It is not known any longer. */
  onGone: (peer: DiscoveredPeer) => void
}

export interface DiscoveredInit {
  /** A peer was found that was not known. */
  onNew: (peer: DiscoveredPeer) => void
  onExpired: (peer: DiscoveredPeer) => void
}

/** A peer in a namespace, by its newest record. */
interface Known extends Found {
  /** Who has listed it. */
  points: PeerId[]
}

/**
 * The peers that were found and have not expired, one for each namespace and peer, by their newest
 * record.
 */
export class Discovered {
  readonly #init: DiscoveredInit
  readonly #known = new Map<string, Known>()
  readonly #watchers = new Set<Watcher>()
  #addresses = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #sweepAt = Infinity

  constructor (init: DiscoveredInit) {
    this.#init = init
  }

  get peers (): DiscoveredPeer[] {
    const now = Date.now()

    return [...this.#known.values()].map(({ peer }) => peer).filter(({ expires }) => expires > now)
  }

  /** Whether a newer record of the peer is known than the one that was found. */
  hasNewer ({ peer, record }: Found): boolean {
    const known = this.#known.get(keyOf(peer))

    return known != null && known.record.sequence > record.sequence
  }

  /**
   * Remembers what was found.
   *
   * @returns the peer with the newest of its records
   */
  add (found: Found): DiscoveredPeer {
    const key = keyOf(found.peer)
    const known = this.#current(key)
    const latest = known == null ? { ...found, points: [found.peer.point] } : newer(known, found)

    this.#set(key, latest)
    this.#makeRoom()
    this.#sweepBy(latest.peer.expires)
    this.#tell(latest, watcher => { watcher.onFound(latest.peer) })

    if (known == null) {
      this.#init.onNew(latest.peer)
    }

    return latest.peer
  }

  /**
   * Tells the watcher of what is known already, and then of what is found.
   *
   * @returns a function that ends the watch
   */
  watch (watcher: Watcher): () => void {
    const now = Date.now()
    this.#watchers.add(watcher)

    for (const known of this.#known.values()) {
      if (known.peer.expires > now && concerns(watcher, known)) {
        watcher.onFound(known.peer)
      }
    }

    return () => { this.#watchers.delete(watcher) }
  }

  clear (): void {
    clearTimeout(this.#timer)
    this.#sweepAt = Infinity
    this.#known.clear()
    this.#addresses = 0
  }

  /** What is known under a key and has not expired. */
  #current (key: string): Known | undefined {
    const known = this.#known.get(key)

    if (known != null && known.peer.expires <= Date.now()) {
      this.#expire(key, known)
      return
    }

    return known
  }

  #set (key: string, known: Known): void {
    this.#addresses += known.peer.multiaddrs.length - (this.#known.get(key)?.peer.multiaddrs.length ?? 0)
    this.#known.set(key, known)
  }

  #expire (key: string, known: Known): void {
    this.#remove(key, known)
    this.#init.onExpired(known.peer)
  }

  #remove (key: string, known: Known): void {
    this.#known.delete(key)
    this.#addresses -= known.peer.multiaddrs.length
    this.#tell(known, watcher => { watcher.onGone(known.peer) })
  }

  #tell (known: Known, tell: (watcher: Watcher) => void): void {
    for (const watcher of this.#watchers) {
      if (concerns(watcher, known)) {
        tell(watcher)
      }
    }
  }

  #makeRoom (): void {
    for (const [key, known] of this.#known) {
      if (this.#known.size <= MAX_DISCOVERED && this.#addresses <= MAX_ADDRESSES) {
        return
      }

      this.#remove(key, known)
    }
  }

  #sweepBy (expires: number): void {
    const now = Date.now()
    const at = Math.max(expires, now + SWEEP_INTERVAL)

    if (at < this.#sweepAt) {
      this.#sweepAt = at
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => { this.#sweep() }, Math.min(at - now, MAX_SLEEP))
    }
  }

  #sweep (): void {
    const now = Date.now()
    let next = Infinity
    this.#sweepAt = Infinity

    for (const [key, known] of this.#known) {
      if (known.peer.expires <= now) {
        this.#expire(key, known)
      } else {
        next = Math.min(next, known.peer.expires)
      }
    }

    if (next < Infinity) {
      this.#sweepBy(next)
    }
  }
}

function concerns ({ namespace, point }: Watcher, { peer, points }: Known): boolean {
  return peer.namespace === namespace && (point == null || points.some(other => other.equals(point)))
}

/** The newer record, with the later end: points may learn of a refresh at different times. */
function newer (known: Known, found: Found): Known {
  const { record, peer } = found.record.sequence >= known.record.sequence ? found : known
  const later = found.peer.expires >= known.peer.expires ? found.peer : known.peer
  const isListedBefore = known.points.some(point => point.equals(found.peer.point))

  return {
    record,
    peer: { ...peer, ttl: later.ttl, expires: later.expires },
    points: isListedBefore ? known.points : [...known.points, found.peer.point]
  }
}

function keyOf ({ id, namespace }: DiscoveredPeer): string {
  return `${id}/${namespace}`
}
