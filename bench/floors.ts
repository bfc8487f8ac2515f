import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import type { PeerId, PeerStore, PrivateKey } from '@libp2p/interface'
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

/** The same, and what libp2p takes to keep it: one write to its peer store, of a peer that it has nothing of. */
export async function openAndStoreRecord (bytes: Uint8Array, peerStore: PeerStore): Promise<void> {
  const { peerId, multiaddrs } = await openRecord(bytes)
  await peerStore.patch(peerId, { addresses: multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true })), peerRecordEnvelope: bytes })
}
