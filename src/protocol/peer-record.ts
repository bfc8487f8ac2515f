import { InvalidParametersError } from '@libp2p/interface'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { equals } from 'uint8arrays/equals'
import { BYTES, fieldsOf, SHORT, VARINT } from './patches/protons.ts'
import { keyProblem } from './public-key.ts'
import type { AbortOptions, PeerId, PrivateKey, PublicKey } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { MaybePromise } from './maybe-promise.ts'
import type { Shape } from './patches/protons.ts'

/**
 * The two forms of signed peer records that are in use, by the domain their signature is made for. Go
 * and JavaScript write the first; RFC 0003 has the second in its text, and rust-libp2p's rendezvous
 * writes and reads no other (rust-libp2p issues 6204 and 6384).
 */
export type RecordDomain = 'libp2p-peer-record' | 'libp2p-routing-state'

export const DEFAULT_RECORD_DOMAIN: RecordDomain = 'libp2p-peer-record'

/** What the envelope of each form says it holds. */
const PAYLOAD_TYPES: Record<RecordDomain, Uint8Array<ArrayBuffer>> = {
  'libp2p-peer-record': PeerRecord.CODEC,
  'libp2p-routing-state': new TextEncoder().encode('/libp2p/routing-state-record')
}

/**
 * @throws {InvalidParametersError} when it is not the domain of a form that is known
 */
export function checkDomain (domain: string): void {
  if (!Object.hasOwn(PAYLOAD_TYPES, domain)) {
    throw new InvalidParametersError(`recordDomain must be one of ${Object.keys(PAYLOAD_TYPES).join(' and ')}, not ${domain}`)
  }
}

export function otherDomain (domain: RecordDomain): RecordDomain {
  return domain === 'libp2p-peer-record' ? 'libp2p-routing-state' : 'libp2p-peer-record'
}

/**
 * A signed peer record, opened: who says they can be reached where (libp2p RFC 0002, RFC 0003).
 */
export interface SignedPeerRecord {
  peerId: PeerId
  multiaddrs: Multiaddr[]
  /** A later record of the same peer has a higher one. */
  sequence: bigint
  domain: RecordDomain
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
export async function sealPeerRecord (record: { peerId: PeerId, multiaddrs: Multiaddr[], sequence: bigint, domain?: RecordDomain }, privateKey: PrivateKey, options?: AbortOptions): Promise<Uint8Array> {
  const { peerId, multiaddrs, sequence, domain = DEFAULT_RECORD_DOMAIN } = record
  const peerRecord = new PeerRecord({ peerId, multiaddrs, seqNumber: sequence })
  peerRecord.domain = domain
  peerRecord.codec = PAYLOAD_TYPES[domain]
  const envelope = await RecordEnvelope.seal(peerRecord, privateKey, options)

  return envelope.marshal()
}

function domainOfPayload (payloadType: Uint8Array): RecordDomain | undefined {
  return (Object.keys(PAYLOAD_TYPES) as RecordDomain[]).find(domain => equals(PAYLOAD_TYPES[domain], payloadType))
}

/** A record whose signature has not been looked at. */
export interface UncertifiedRecord {
  peerId: PeerId
  multiaddrs: Multiaddr[]
  domain: RecordDomain
  /** Whose signature is to be verified; undefined when that of the same envelope has been verified before. */
  key: PublicKey | undefined
  /**
   * Verifies the signature, unless the same envelope has been verified before: then there is no promise.
   *
   * @throws {InvalidRecordError}
   */
  certify: (options?: AbortOptions) => MaybePromise<SignedPeerRecord>
}

/**
 * RFC 0002: the public key (its type and its bytes), the payload's type, the payload, the signature. Other implementations
 * refuse a record whose fields are of other types, and rust-libp2p with it all that is listed beside.
 */
const ENVELOPE: Shape = { 1: { 1: SHORT, 2: BYTES }, 2: BYTES, 3: BYTES, 5: BYTES }

/** RFC 0003: the peer id, the sequence number, and for each address a message that holds it. */
const PEER_RECORD: Shape = { 1: BYTES, 2: VARINT, 3: [{ 1: BYTES }] }
const PEER_RECORD_ADDRESSES = 3

/** Bytes of an envelope: nim-libp2p reads no longer request. Those of usual peers have a few hundred. */
export const MAX_RECORD_SIZE = 4 * 1024

/** More than a node with many interfaces and relays has; reading each takes microseconds. */
export const MAX_ADDRESSES = 64

/**
 * Opens envelopes, and remembers those whose signature it has verified, so that the same bytes are
 * not verified twice. Verifying costs more than everything else a request does.
 */
export class PeerRecords {
  readonly #size: number
  /** What was verified lately, and what was before that; the latter goes when the former is full. */
  #verified = new Map<number, SignedPeerRecord>()
  #verifiedBefore = new Map<number, SignedPeerRecord>()
  #weight = 0

  /**
   * @param size - how many usual records are remembered, at the most twice this; a large one counts
   * for several
   */
  constructor (size: number) {
    this.#size = size
  }

  /**
   * Checks everything about an envelope that does not need its signature: size, payload type, peer id
   * against key, kind of key, that there are addresses and not too many.
   *
   * @throws {InvalidRecordError}
   */
  open (bytes: Uint8Array): UncertifiedRecord {
    return this.known(bytes) ?? this.#openNew(bytes)
  }

  /** The record of an envelope whose signature has been verified before; undefined when it has not. */
  known (bytes: Uint8Array): UncertifiedRecord | undefined {
    const name = cacheKey(bytes)
    const known = this.#verified.get(name) ?? this.#verifiedBefore.get(name)

    if (known == null || !equals(known.envelope, bytes)) {
      return
    }

    const { peerId, multiaddrs, domain } = known

    return {
      peerId,
      multiaddrs,
      domain,
      key: undefined,
      certify: () => {
        this.#remember(name, known)

        return known
      }
    }
  }

  #openNew (bytes: Uint8Array): UncertifiedRecord {
    if (bytes.byteLength > MAX_RECORD_SIZE) {
      throw new InvalidRecordError(`the record has ${bytes.byteLength} bytes, the most allowed is ${MAX_RECORD_SIZE}`)
    }

    // a copy, for what is kept of it must not hold on to whatever the stream read beside it; `slice` of
    // a Buffer is none
    const { envelope, record } = openEnvelope(new Uint8Array(bytes))

    return {
      ...record,
      key: envelope.publicKey,
      certify: async (options) => {
        if (!await hasValidSignature(envelope, record.domain, options)) {
          throw new InvalidRecordError('the signature does not match the record')
        }

        this.#remember(cacheKey(record.envelope), record)

        return record
      }
    }
  }

  #remember (name: number, record: SignedPeerRecord): void {
    if (this.#verified.get(name) === record) {
      return
    }

    if (this.#weight >= this.#size) {
      this.#verifiedBefore = this.#verified
      this.#verified = new Map()
      this.#weight = 0
    }

    this.#verified.set(name, record)
    this.#weight += weight(record)
  }
}

/** In usual records: four addresses, a few hundred bytes. What is remembered of an address takes more than it did on the wire. */
function weight ({ multiaddrs, envelope }: SignedPeerRecord): number {
  return Math.ceil(Math.max(multiaddrs.length / 4, envelope.byteLength / 512))
}

function openEnvelope (bytes: Uint8Array): { envelope: RecordEnvelope, record: SignedPeerRecord } {
  let envelope: RecordEnvelope
  let record: PeerRecord

  try {
    checkIsSigned(fieldsOf(bytes))
    fieldsOf(bytes, ENVELOPE)
    envelope = RecordEnvelope.createFromProtobuf(bytes)
  } catch (err) {
    throw err instanceof InvalidRecordError ? err : new InvalidRecordError('not a signed envelope')
  }

  const domain = domainOfPayload(envelope.payloadType)

  if (domain == null) {
    throw new InvalidRecordError('the envelope does not hold a peer record')
  }

  try {
    checkAddressCount(fieldsOf(envelope.payload, PEER_RECORD).filter(field => field === PEER_RECORD_ADDRESSES).length)
    record = PeerRecord.createFromProtobuf(envelope.payload)
  } catch (err) {
    throw err instanceof InvalidRecordError ? err : new InvalidRecordError('the peer record is malformed')
  }

  const problem = keyProblem(envelope.publicKey)

  if (problem != null) {
    throw new InvalidRecordError(problem)
  }

  if (!record.peerId.equals(envelope.publicKey.toMultihash().bytes)) {
    throw new InvalidRecordError('the peer record is not of the peer that signed it')
  }

  return {
    envelope,
    record: {
      peerId: record.peerId,
      multiaddrs: record.multiaddrs,
      sequence: record.seqNumber,
      domain,
      envelope: bytes
    }
  }
}

async function hasValidSignature (envelope: RecordEnvelope, domain: RecordDomain, options?: AbortOptions): Promise<boolean> {
  try {
    return await envelope.validate(domain, options)
  } catch (err) {
    options?.signal?.throwIfAborted()

    // a signature of the wrong length is thrown, not reported
    return false
  }
}

/**
 * The signature ends an envelope, so six of its last bytes tell envelopes apart: whoever wants another's to be forgotten
 * has to sign 2^48 records. The very last has less to it, with Ed25519.
 */
function cacheKey (envelope: Uint8Array): number {
  let key = 0

  // Stryker disable next-line all: what is found is compared with all its bytes
  for (let i = Math.max(envelope.byteLength - 7, 0); i < envelope.byteLength - 1; i++) {
    // Stryker disable next-line all: for the same reason
    key = key * 256 + (envelope[i] as number)
  }

  return key
}

function checkAddressCount (count: number): void {
  if (count === 0) {
    throw new InvalidRecordError('the peer record has no address')
  }

  if (count > MAX_ADDRESSES) {
    throw new InvalidRecordError(`the peer record has ${count} addresses, the most allowed is ${MAX_ADDRESSES}`)
  }
}

/**
 * Before 2021 REGISTER carried `PeerInfo { bytes id = 1; repeated bytes addrs = 2 }` where the signed
 * record is now. An envelope has a payload (3) and a signature (5) as well.
 */
function checkIsSigned (fields: number[]): void {
  if (fields.includes(1) && !fields.includes(3) && !fields.includes(5)) {
    throw new InvalidRecordError('an unsigned PeerInfo, as sent before 2021, is not accepted: send a signed peer record (libp2p RFC 0002 and 0003)')
  }
}
