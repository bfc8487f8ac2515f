import { equals } from 'uint8arrays/equals'
import { InvalidRecordError, PeerRecords } from '../protocol/peer-record.ts'
import { usableAddresses, withAddresses } from './addresses.ts'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { PeerId } from '@libp2p/interface'

/** Bytes that a record takes beside its envelope and its addresses, roughly. */
const RECORD_OVERHEAD = 1_000

/** About five thousand usual records. */
const REMEMBERED = 8 * 1024 * 1024

/**
 * Opens what peers have signed, and remembers it for a while: points list the same records again and
 * again, and verifying one costs more than all else that is done with it.
 */
export class Records {
  readonly #opener = new PeerRecords(0)
  /** What was opened lately, and what was before that; the latter goes when the former is full. */
  #recent = new Map<string, SignedPeerRecord>()
  #before = new Map<string, SignedPeerRecord>()
  #bytes = 0
  readonly #size: number

  /**
   * @param size - bytes of records that are remembered, at the most twice this
   */
  constructor (size: number = REMEMBERED) {
    this.#size = size
  }

  /**
   * @param peer - the only one whose record is wanted: others are not worth verifying
   * @returns the record, with the addresses that can be used; undefined when it is of another peer than the one wanted
   * @throws {InvalidRecordError} when it is not what a peer has signed, or has no address that can be used
   */
  async open (envelope: Uint8Array, peer?: PeerId): Promise<SignedPeerRecord | undefined> {
    const key = tail(envelope)
    const known = this.#recent.get(key) ?? this.#before.get(key)

    if (known != null && equals(known.envelope, envelope)) {
      this.#remember(key, known)

      return peer?.equals(known.peerId) === false ? undefined : known
    }

    const opened = this.#opener.open(envelope)

    if (peer?.equals(opened.peerId) === false) {
      return
    }

    const certified = await opened.certify()
    const addresses = usableAddresses(certified)

    if (addresses.length === 0) {
      throw new InvalidRecordError('no address of the record can be used')
    }

    const record = withAddresses(certified, addresses)
    this.#remember(key, record)

    return record
  }

  #remember (key: string, record: SignedPeerRecord): void {
    if (this.#recent.get(key) === record) {
      return
    }

    if (this.#bytes >= this.#size) {
      this.#before = this.#recent
      this.#recent = new Map()
      this.#bytes = 0
    }

    this.#recent.set(key, record)
    this.#bytes += sizeOf(record)
  }
}

/** Bytes that are held by keeping a record, roughly: an address has up to three times its bytes as text. */
export function sizeOf ({ envelope }: SignedPeerRecord): number {
  return RECORD_OVERHEAD + 4 * envelope.byteLength
}

/** The signature ends an envelope, so its last bytes tell envelopes apart. */
function tail (envelope: Uint8Array): string {
  return String.fromCharCode(...envelope.subarray(-32))
}
