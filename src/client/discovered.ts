import type { DiscoveredPeer } from './index.ts'
import type { Found } from './listing.ts'

/** Peers that are remembered at a time; the one found first makes room. */
const MAX_DISCOVERED = 100_000

/** Expired peers are looked for no more often than this, in milliseconds. */
const SWEEP_INTERVAL = 1_000

/** The longest sleep, so that a clock that was set is noticed. */
const MAX_SLEEP = 60 * 60_000

/** Someone who wants to hear of peers. */
export interface Watcher {
  /** A peer was found, for the first time or again. */
  onFound: (peer: DiscoveredPeer) => void
  /** Its registration has ended. */
  onExpired: (peer: DiscoveredPeer) => void
}

export interface DiscoveredInit {
  /** A peer was found that was not known. */
  onNew: (peer: DiscoveredPeer) => void
  onExpired: (peer: DiscoveredPeer) => void
}

/**
 * The peers that were found and have not expired, one for each namespace and peer, by their newest
 * record.
 */
export class Discovered {
  readonly #init: DiscoveredInit
  readonly #known = new Map<string, Found>()
  readonly #watchers = new Set<Watcher>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #sweepAt = Infinity

  constructor (init: DiscoveredInit) {
    this.#init = init
  }

  get peers (): DiscoveredPeer[] {
    const now = Date.now()

    return [...this.#known.values()].map(({ peer }) => peer).filter(({ expires }) => expires > now)
  }

  /**
   * Remembers what was found.
   *
   * @returns the peer with the newest of its records
   */
  add (found: Found): DiscoveredPeer {
    const key = `${found.peer.id}/${found.peer.namespace}`
    const known = this.#known.get(key)
    const isNew = known == null || known.peer.expires <= Date.now()
    const latest = isNew ? found : newer(known, found)

    if (isNew) {
      // a peer that comes back goes to the end of the line
      this.#known.delete(key)
      this.#makeRoom()
    }

    this.#known.set(key, latest)
    this.#sweepBy(latest.peer.expires)
    this.#watchers.forEach(watcher => { watcher.onFound(latest.peer) })

    if (isNew) {
      this.#init.onNew(latest.peer)
    }

    return latest.peer
  }

  /** @returns a function that ends the watch */
  watch (watcher: Watcher): () => void {
    this.#watchers.add(watcher)

    return () => { this.#watchers.delete(watcher) }
  }

  clear (): void {
    clearTimeout(this.#timer)
    this.#sweepAt = Infinity
    this.#known.clear()
  }

  #makeRoom (): void {
    const [first] = this.#known.keys()

    if (this.#known.size >= MAX_DISCOVERED && first != null) {
      this.#known.delete(first)
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

    for (const [key, { peer }] of this.#known) {
      if (peer.expires <= now) {
        this.#known.delete(key)
        this.#watchers.forEach(watcher => { watcher.onExpired(peer) })
        this.#init.onExpired(peer)
      } else {
        next = Math.min(next, peer.expires)
      }
    }

    if (next < Infinity) {
      this.#sweepBy(next)
    }
  }
}

/** The newer record, with the later end: points may learn of a refresh at different times. */
function newer (known: Found, found: Found): Found {
  const { record, peer } = found.record.sequence >= known.record.sequence ? found : known
  const later = found.peer.expires >= known.peer.expires ? found.peer : known.peer

  return { record, peer: { ...peer, ttl: later.ttl, expires: later.expires } }
}
