import type { Libp2pEvents, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'

/** Ids take a tenth of a kilobyte each. Where there are more peers, the peer store is asked for each. */
const REMEMBERED = 10_000

export interface StoredPeersComponents {
  peerStore: Pick<PeerStore, 'forEach'>
  events: TypedEventTarget<Libp2pEvents>
}

/**
 * Which peers the peer store may have something of. Asking it for one that it does not have costs as much
 * as writing that peer, and most peers that are found are such. So it is read once, when it is first
 * asked about, and tells of what is written from then on.
 */
export class StoredPeers {
  readonly #components: StoredPeersComponents
  readonly #size: number
  /** Absent when there are too many, or they could not be read: then it may have anybody. */
  #ids: Set<string> | undefined = new Set()
  #reading: Promise<void> | undefined
  /** Ends the reading. */
  readonly #tooMany = new AbortController()

  /**
   * @param size - how many peers are remembered
   */
  constructor (components: StoredPeersComponents, size: number = REMEMBERED) {
    this.#components = components
    this.#size = size
  }

  /**
   * @returns false when the peer store has nothing of a peer
   */
  async has (peerId: PeerId): Promise<boolean> {
    await (this.#reading ??= this.#read())

    return this.#ids?.has(peerId.toString()) ?? true
  }

  async #read (): Promise<void> {
    const { peerStore, events } = this.#components
    // heard for as long as the node is there: what it stores outlasts a stop
    events.addEventListener('peer:update', this.#onUpdate)

    try {
      await peerStore.forEach(({ id }) => { this.#add(id) }, { signal: this.#tooMany.signal })
    } catch {
      this.#giveUp()
    }
  }

  readonly #onUpdate = ({ detail: { peer } }: Libp2pEvents['peer:update']): void => { this.#add(peer.id) }

  #add (peerId: PeerId): void {
    this.#ids?.add(peerId.toString())

    if (this.#ids != null && this.#ids.size > this.#size) {
      this.#giveUp()
    }
  }

  #giveUp (): void {
    this.#ids = undefined
    this.#tooMany.abort()
    this.#components.events.removeEventListener('peer:update', this.#onUpdate)
  }
}
