import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * What cannot be avoided, done with libp2p's own parts and nothing else.
 */

/** Makes a signed peer record. */
export async function sealRecord (peerId: PeerId, privateKey: PrivateKey, multiaddrs: Multiaddr[], seqNumber: bigint): Promise<Uint8Array> {
  const envelope = await RecordEnvelope.seal(new PeerRecord({ peerId, multiaddrs, seqNumber }), privateKey)

  return envelope.marshal()
}

/** Reads a signed peer record and verifies it. */
export async function openRecord (bytes: Uint8Array): Promise<PeerRecord> {
  const envelope = await RecordEnvelope.openAndCertify(bytes, PeerRecord.DOMAIN)

  return PeerRecord.createFromProtobuf(envelope.payload)
}
