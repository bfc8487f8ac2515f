import { peerIdFromCID } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { reader } from 'protons-runtime'
import QuickLRU from 'quick-lru'
import { equals } from 'uint8arrays/equals'
import type { AbortOptions, PeerId, PrivateKey } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * A signed peer record, opened: who says they can be reached where (libp2p RFC 0002, RFC 0003).
 */
export interface SignedPeerRecord {
  peerId: PeerId
  multiaddrs: Multiaddr[]
  /** A later record of the same peer has a higher one. */
  sequence: bigint
  /** The envelope as it was received: what other peers verify. */
  envelope: Uint8Array
}

/** A record that cannot be accepted; the message says why and may be shown to the peer that sent it. */
export class InvalidRecordError extends Error {
  static override name = 'InvalidRecordError'
  override name = 'InvalidRecordError'
}

/**
 * Makes the envelope that a peer registers with.
 */
export async function sealPeerRecord (record: { peerId: PeerId, multiaddrs: Multiaddr[], sequence: bigint }, privateKey: PrivateKey, options?: AbortOptions): Promise<Uint8Array> {
  const envelope = await RecordEnvelope.seal(new PeerRecord({
    peerId: record.peerId,
    multiaddrs: record.multiaddrs,
    seqNumber: record.sequence
  }), privateKey, options)

  return envelope.marshal()
}

/** A record whose signature has not been looked at. */
export interface UncertifiedRecord {
  peerId: PeerId
  /**
   * Verifies the signature, unless the same envelope has been verified before.
   *
   * @throws {InvalidRecordError}
   */
  certify: (options?: AbortOptions) => Promise<SignedPeerRecord>
}

/**
 * Opens envelopes, and remembers those whose signature it has verified, so that the same bytes are
 * not verified twice. Verifying costs more than everything else a request does.
 */
export class PeerRecords {
  readonly #verified: QuickLRU<string, SignedPeerRecord>

  /**
   * @param size - how many verified records are remembered, at the most twice this
   */
  constructor (size: number) {
    this.#verified = new QuickLRU({ maxSize: size })
  }

  /**
   * Checks everything about an envelope that does not need its signature: payload type, peer id
   * against key, at least one address.
   *
   * @throws {InvalidRecordError}
   */
  open (bytes: Uint8Array): UncertifiedRecord {
    const key = cacheKey(bytes)
    const known = this.#verified.get(key)

    if (known != null && equals(known.envelope, bytes)) {
      return { peerId: known.peerId, certify: async () => known }
    }

    const { envelope, record } = openEnvelope(bytes)

    return {
      peerId: record.peerId,
      certify: async (options) => {
        if (!await hasValidSignature(envelope, options)) {
          throw new InvalidRecordError('the signature does not match the record')
        }

        this.#verified.set(key, record)

        return record
      }
    }
  }
}

function openEnvelope (bytes: Uint8Array): { envelope: RecordEnvelope, record: SignedPeerRecord } {
  let envelope: RecordEnvelope
  let record: PeerRecord

  try {
    envelope = RecordEnvelope.createFromProtobuf(bytes)
  } catch {
    throw new InvalidRecordError(isUnsignedPeerInfo(bytes)
      ? 'an unsigned PeerInfo, as sent before 2021, is not accepted: send a signed peer record (libp2p RFC 0002 and 0003)'
      : 'not a signed envelope')
  }

  if (!equals(envelope.payloadType, PeerRecord.CODEC)) {
    throw new InvalidRecordError('the envelope does not hold a peer record')
  }

  try {
    record = PeerRecord.createFromProtobuf(envelope.payload)
  } catch {
    throw new InvalidRecordError('the peer record is malformed')
  }

  if (!record.peerId.equals(peerIdFromCID(envelope.publicKey.toCID()))) {
    throw new InvalidRecordError('the peer record is not of the peer that signed it')
  }

  if (record.multiaddrs.length === 0) {
    throw new InvalidRecordError('the peer record has no address')
  }

  return {
    envelope,
    record: {
      peerId: record.peerId,
      multiaddrs: record.multiaddrs,
      sequence: record.seqNumber,
      // a copy: the message this came in shares its buffer with whatever the stream read beside it
      envelope: bytes.slice()
    }
  }
}

async function hasValidSignature (envelope: RecordEnvelope, options?: AbortOptions): Promise<boolean> {
  try {
    return await envelope.validate(PeerRecord.DOMAIN, options)
  } catch (err) {
    options?.signal?.throwIfAborted()

    // a signature of the wrong length is thrown, not reported
    return false
  }
}

/** The signature ends an envelope, so its last bytes tell envelopes apart. */
function cacheKey (envelope: Uint8Array): string {
  return String.fromCharCode(...envelope.subarray(-32))
}

/**
 * Before 2021 REGISTER carried `PeerInfo { bytes id = 1; repeated bytes addrs = 2 }` where the signed
 * record is now. An envelope has a payload (3) and a signature (5) as well.
 */
function isUnsignedPeerInfo (bytes: Uint8Array): boolean {
  const fields = new Set<number>()
  const input = reader(bytes)

  try {
    while (input.pos < input.len) {
      const tag = input.uint32()
      fields.add(tag >>> 3)
      input.skipType(tag & 7)
    }
  } catch {
    return false
  }

  return fields.has(1) && !fields.has(3) && !fields.has(5)
}
