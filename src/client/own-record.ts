import { CODE_P2P } from '@multiformats/multiaddr'
import { MAX_ADDRESSES, otherDomain, sealPeerRecord } from '../protocol/peer-record.ts'
import type { RendezvousClientComponents } from './types.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * Bytes of addresses in a record: Go's points refuse more, and nim-libp2p's read requests of at most
 * 4096 bytes, namespace, key and signature included.
 */
const MAX_ADDRESS_BYTES = 2_048

/** What the record has around each address: two tags and two lengths. */
const BYTES_AROUND_ADDRESS = 6

/**
 * For how long the addresses are not looked up again, in milliseconds: the address manager takes longer
 * to name them than a point to answer. Less than what a change is waited out for.
 */
const LOOK_UP_INTERVAL = 500

export interface SealedRecord {
  /** Tells one set of addresses from another. */
  fingerprint: string
  envelope: Uint8Array
  /** The same record in the form of the other domain, for a point that cannot read this one. */
  inOtherForm: () => Promise<Uint8Array>
}

interface Sealed {
  fingerprint: string
  envelope: Promise<Uint8Array>
  inOtherForm: SealedRecord['inOtherForm']
}

/**
 * This node's signed peer record. The same addresses give the same envelope, byte for byte, which
 * points need not verify again.
 */
export class OwnRecord {
  readonly #components: Pick<RendezvousClientComponents, 'peerId' | 'privateKey' | 'addressManager'>
  readonly #filter: (multiaddr: Multiaddr) => boolean
  readonly #domain: RecordDomain
  #sequence = 0n
  #sealed: Sealed | undefined
  #known: { multiaddrs: Multiaddr[], fingerprint: string, at: number } | undefined

  constructor (components: Pick<RendezvousClientComponents, 'peerId' | 'privateKey' | 'addressManager'>, filter: (multiaddr: Multiaddr) => boolean, domain: RecordDomain) {
    this.#components = components
    this.#filter = filter
    this.#domain = domain
  }

  /**
   * Of the record as it would be sealed now; undefined while there is no address to publish.
   *
   * @param now - milliseconds that never run backwards
   */
  fingerprint (now: number): string | undefined {
    return this.#addresses(now)?.fingerprint
  }

  /**
   * Undefined while there is no address to publish.
   *
   * @param now - milliseconds that never run backwards
   */
  async seal (now: number): Promise<SealedRecord | undefined> {
    const { peerId, privateKey } = this.#components
    const addresses = this.#addresses(now)

    if (addresses == null) {
      return
    }

    const { multiaddrs, fingerprint } = addresses

    if (this.#sealed?.fingerprint !== fingerprint) {
      const time = BigInt(Date.now())
      // a newer record has a higher number, also when the clock was set back
      this.#sequence = time > this.#sequence ? time : this.#sequence + 1n
      const record = { peerId, multiaddrs, sequence: this.#sequence }
      let other: Promise<Uint8Array> | undefined

      this.#sealed = {
        fingerprint,
        envelope: sealPeerRecord({ ...record, domain: this.#domain }, privateKey),
        inOtherForm: async () => {
          other ??= sealPeerRecord({ ...record, domain: otherDomain(this.#domain) }, privateKey)

          return other
        }
      }
    }

    return { ...this.#sealed, envelope: await this.#sealed.envelope }
  }

  /** What is to be published now; undefined when there is nothing. */
  #addresses (now: number): { multiaddrs: Multiaddr[], fingerprint: string } | undefined {
    if (this.#known == null || now - this.#known.at > LOOK_UP_INTERVAL) {
      const multiaddrs = this.#lookUp()
      const fingerprint = multiaddrs.map(String).sort().join()
      this.#known = multiaddrs.length === 0 ? undefined : { multiaddrs, fingerprint, at: now }
    }

    return this.#known
  }

  #lookUp (): Multiaddr[] {
    let room = MAX_ADDRESS_BYTES

    return this.#components.addressManager.getAddresses()
      .map(address => this.#withoutPeerId(address))
      .filter(this.#filter)
      .filter(address => {
        room -= address.bytes.byteLength + BYTES_AROUND_ADDRESS

        return room >= 0
      })
      .slice(0, MAX_ADDRESSES)
  }

  /** The record names the peer already. */
  #withoutPeerId (address: Multiaddr): Multiaddr {
    const last = address.getComponents().at(-1)

    return last?.code === CODE_P2P && last.value === this.#components.peerId.toString()
      ? address.decapsulateCode(CODE_P2P)
      : address
  }
}
