import { CODE_P2P } from '@multiformats/multiaddr'
import { NoAddressesError } from '../protocol/errors.ts'
import { sealPeerRecord } from '../protocol/peer-record.ts'
import type { RendezvousClientComponents } from './index.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * Bytes of addresses in a record: nim-libp2p's points read requests of at most 4096 bytes, namespace,
 * key and signature included.
 */
const MAX_ADDRESS_BYTES = 3_200

/**
 * This node's signed peer record. The same addresses give the same envelope, byte for byte, which
 * points need not verify again.
 */
export class OwnRecord {
  readonly #components: Pick<RendezvousClientComponents, 'peerId' | 'privateKey' | 'addressManager'>
  readonly #filter: (multiaddr: Multiaddr) => boolean
  #sealed: { addresses: string, sequence: bigint, envelope: Promise<Uint8Array> } | undefined

  constructor (components: Pick<RendezvousClientComponents, 'peerId' | 'privateKey' | 'addressManager'>, filter: (multiaddr: Multiaddr) => boolean) {
    this.#components = components
    this.#filter = filter
  }

  /** Tells one set of addresses from another; undefined while there is no address to publish. */
  get fingerprint (): string | undefined {
    const addresses = this.#addresses()

    return addresses.length === 0 ? undefined : addresses.join()
  }

  /**
   * @throws {NoAddressesError} while there is no address to publish
   */
  async envelope (): Promise<Uint8Array> {
    const { peerId, privateKey } = this.#components
    const multiaddrs = this.#addresses()
    const addresses = multiaddrs.join()

    if (multiaddrs.length === 0) {
      throw new NoAddressesError()
    }

    if (this.#sealed?.addresses !== addresses) {
      const now = BigInt(Date.now())
      const last = this.#sealed?.sequence ?? 0n
      // a newer record has a higher number, also when the clock was set back
      const sequence = now > last ? now : last + 1n

      this.#sealed = {
        addresses,
        sequence,
        envelope: sealPeerRecord({ peerId, multiaddrs, sequence }, privateKey)
      }
    }

    return this.#sealed.envelope
  }

  #addresses (): Multiaddr[] {
    let room = MAX_ADDRESS_BYTES

    return this.#components.addressManager.getAddresses()
      .map(address => this.#withoutPeerId(address))
      .filter(this.#filter)
      .filter(address => {
        room -= address.bytes.byteLength

        return room >= 0
      })
  }

  /** The record names the peer already. */
  #withoutPeerId (address: Multiaddr): Multiaddr {
    const last = address.getComponents().at(-1)

    return last?.code === CODE_P2P && last.value === this.#components.peerId.toString()
      ? address.decapsulateCode(CODE_P2P)
      : address
  }
}
