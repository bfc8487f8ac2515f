import { hash } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { sealPeerRecord } from '../dist/protocol/peer-record.js'
import type { NewRegistration, StoreLimits } from 'libp2p-rendezvous'

export const HOUR = 60 * 60 * 1_000

/** A store for itself takes any envelope: so many bytes have those of two addresses. */
export const ENVELOPE_LENGTH = 200

/** In the way of nothing. */
export const NO_LIMITS: StoreLimits = {
  maxRegistrationsPerPeer: Infinity,
  maxRegistrationsPerNamespace: Infinity,
  maxNamespaces: Infinity,
  maxRegistrations: Infinity,
  maxBytes: Infinity
}

const PREFIX = '12D3KooW'
const PEER_ID_LENGTH = 52
const buffer = Buffer.alloc(PEER_ID_LENGTH, PREFIX + 'x')

/**
 * As long as the peer id of an Ed25519 key, and as different from others at its end. Each call makes a
 * new string, as each connection does.
 */
export function peerName (index: number): string {
  buffer.write(hash('sha384', String(index), 'base64url'), PREFIX.length, 'latin1')

  return buffer.toString('latin1')
}

/** Each peer has an address of its own, in as many networks as the internet would have for so many. */
export function networkName (index: number): string {
  const bytes = hash('sha1', String(index), 'buffer')

  return [`${bytes[0]}.${bytes[1]}`, bytes[2], bytes[3]].join('/')
}

/** A registration as a store gets it, of a peer that does not exist. */
export function madeUp (index: number, namespace: string, ttl = 2 * HOUR): NewRegistration {
  return { namespace, peer: peerName(index), signedPeerRecord: new Uint8Array(ENVELOPE_LENGTH), domain: 'libp2p-peer-record', network: networkName(index), ttl }
}

/** Registrations of peers with keys of their own and records that can be verified. */
export async function real (count: number, namespace: string, ttl = 2 * HOUR): Promise<NewRegistration[]> {
  return Promise.all(Array.from({ length: count }, async (_, index) => {
    const privateKey = await generateKeyPair('Ed25519')
    const peerId = peerIdFromPrivateKey(privateKey)
    const multiaddrs = [multiaddr(`/ip4/192.0.2.1/tcp/${1_024 + index}`), multiaddr(`/ip4/192.0.2.1/udp/${1_024 + index}/quic-v1`)]

    return {
      namespace,
      peer: peerId.toString(),
      signedPeerRecord: await sealPeerRecord({ peerId, multiaddrs, sequence: 1n }, privateKey),
      domain: 'libp2p-peer-record',
      network: networkName(index),
      ttl
    }
  }))
}
