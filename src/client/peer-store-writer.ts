import { equals } from 'uint8arrays/equals'
import { DEFAULT_RECORD_DOMAIN } from '../protocol/peer-record.ts'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { Logger, PeerStore } from '@libp2p/interface'

/** A record is written again when it was last written this long ago, in milliseconds: the peer store forgets addresses within an hour. */
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

  /**
   * @returns undefined when it is not time to write it
   */
  write (record: SignedPeerRecord): Promise<void> | undefined {
    const written = this.#written.get(record)

    return written == null || Date.now() - written >= WRITE_AGAIN_AFTER ? this.#write(record) : undefined
  }

  async #write (record: SignedPeerRecord): Promise<void> {
    try {
      // the peer store takes a record of this form, and takes it once
      if (record.domain !== DEFAULT_RECORD_DOMAIN || !await this.#peerStore.consumePeerRecord(record.envelope, { expectedPeer: record.peerId })) {
        await this.#writeAddresses(record)
      }

      this.#written.set(record, Date.now())
    } catch (err) {
      this.#log.error('could not write the record of %p to the peer store - %e', record.peerId, err)
    }
  }

  /** Addresses grow old from when they were written first, so they are taken out before they are written again. */
  async #writeAddresses ({ peerId, multiaddrs, envelope, domain }: SignedPeerRecord): Promise<void> {
    const known = await this.#peerStore.has(peerId) ? await this.#peerStore.get(peerId) : undefined

    if (domain === DEFAULT_RECORD_DOMAIN && !equals(known?.peerRecordEnvelope ?? new Uint8Array(), envelope)) {
      // the peer store has a newer one
      return
    }

    const others = (known?.addresses ?? []).filter(({ multiaddr }) => !multiaddrs.some(other => other.equals(multiaddr)))
    await this.#peerStore.patch(peerId, { addresses: others })
    await this.#peerStore.patch(peerId, {
      addresses: [...others, ...multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true }))]
    })
  }
}
