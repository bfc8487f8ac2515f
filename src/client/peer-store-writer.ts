import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { Logger, PeerStore } from '@libp2p/interface'

/** A record is written again when it was last written this long ago: the peer store forgets addresses within an hour. */
const WRITE_AGAIN_AFTER = 30 * 60_000

/**
 * Writes verified records to the peer store, as certified addresses. A record that is found again and
 * again is written once in a while.
 */
export class PeerStoreWriter {
  readonly #peerStore: PeerStore
  readonly #log: Logger
  readonly #written = new WeakMap<SignedPeerRecord, number>()

  constructor (peerStore: PeerStore, log: Logger) {
    this.#peerStore = peerStore
    this.#log = log
  }

  async write (record: SignedPeerRecord): Promise<void> {
    const now = Date.now()
    const written = this.#written.get(record)

    if (written != null && now - written < WRITE_AGAIN_AFTER) {
      return
    }

    this.#written.set(record, now)

    try {
      const isNews = await this.#peerStore.consumePeerRecord(record.envelope, { expectedPeer: record.peerId })

      if (!isNews) {
        await this.#restoreAddresses(record)
      }
    } catch (err) {
      this.#log.error('could not write the record of %p to the peer store - %e', record.peerId, err)
    }
  }

  /** The peer store takes a record once, and has no address left when those of it have grown old. */
  async #restoreAddresses ({ peerId, multiaddrs }: SignedPeerRecord): Promise<void> {
    const { addresses } = await this.#peerStore.get(peerId)

    if (addresses.length === 0) {
      await this.#peerStore.merge(peerId, {
        addresses: multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true }))
      })
    }
  }
}
