import { equals } from 'uint8arrays/equals'
import { DEFAULT_RECORD_DOMAIN } from '../protocol/peer-record.ts'
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

    try {
      if (record.domain !== DEFAULT_RECORD_DOMAIN) {
        await this.#merge(record)
      } else if (!await this.#peerStore.consumePeerRecord(record.envelope, { expectedPeer: record.peerId })) {
        await this.#restoreAddresses(record)
      }

      this.#written.set(record, now)
    } catch (err) {
      this.#log.error('could not write the record of %p to the peer store - %e', record.peerId, err)
    }
  }

  /** The peer store takes a record once, and has no address left when those of it have grown old. */
  async #restoreAddresses (record: SignedPeerRecord): Promise<void> {
    const { addresses, peerRecordEnvelope } = await this.#peerStore.get(record.peerId)

    // not those of an older record
    if (addresses.length === 0 && peerRecordEnvelope != null && equals(peerRecordEnvelope, record.envelope)) {
      await this.#merge(record)
    }
  }

  /** What the peer store does with a record, for one in a form that it does not know. */
  async #merge ({ peerId, multiaddrs }: SignedPeerRecord): Promise<void> {
    await this.#peerStore.merge(peerId, {
      addresses: multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true }))
    })
  }
}
