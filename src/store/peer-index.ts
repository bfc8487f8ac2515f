import { SplitMap } from './split-map.ts'

interface Entry {
  readonly namespace: string
  readonly peer: string
}

/**
 * Entries by peer and namespace. Among a million, to look up a peer is what a request waits for, so
 * that happens in one map; and as most peers have one registration, only those with more have a map of
 * their own.
 */
export class PeerIndex<T extends Entry> {
  readonly #byPeer = new SplitMap<T | Map<string, T>>()

  /** How many peers there are. */
  get size (): number {
    return this.#byPeer.size
  }

  /** How many entries a peer has. */
  countOf (peer: string): number {
    const held = this.#byPeer.get(peer)

    return held instanceof Map ? held.size : held == null ? 0 : 1
  }

  /** The entries of a peer. */
  entriesOf (peer: string): T[] {
    const held = this.#byPeer.get(peer)

    return held instanceof Map ? [...held.values()] : held == null ? [] : [held]
  }

  get (namespace: string, peer: string): T | undefined {
    const held = this.#byPeer.get(peer)

    if (held instanceof Map) {
      return held.get(namespace)
    }

    return held?.namespace === namespace ? held : undefined
  }

  /** Adds an entry, or replaces the one of the same peer and namespace, and returns that. */
  set (entry: T): T | undefined {
    const { namespace, peer } = entry
    const held = this.#byPeer.get(peer)

    if (held instanceof Map) {
      const previous = held.get(namespace)
      held.set(namespace, entry)

      return previous
    }

    if (held == null || held.namespace === namespace) {
      this.#byPeer.set(peer, entry)

      return held
    }

    this.#byPeer.set(peer, new Map([[held.namespace, held], [namespace, entry]]))
  }

  delete ({ namespace, peer }: T): void {
    const held = this.#byPeer.get(peer)

    if (held instanceof Map) {
      held.delete(namespace)
    }

    const isLast = held instanceof Map ? held.size === 0 : held?.namespace === namespace

    if (isLast) {
      this.#byPeer.delete(peer)
    }
  }
}
