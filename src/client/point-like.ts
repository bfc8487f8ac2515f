import { InvalidParametersError, isPeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, isMultiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PointLike } from './types.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A point by its peer id, with the address to dial when one was given. */
export interface PointReference {
  peerId: PeerId
  address?: Multiaddr
}

/**
 * @param option - what it was given as, for the error's message
 * @throws {InvalidParametersError} when it names no peer
 */
export function parsePoint (point: PointLike, option = 'point'): PointReference {
  if (isPeerId(point)) {
    return { peerId: point }
  }

  if (isMultiaddr(point)) {
    return { peerId: peerIdOf(point, option), address: point }
  }

  let parsed: PeerId | Multiaddr

  try {
    parsed = String(point).startsWith('/') ? multiaddr(point) : peerIdFromString(point)
  } catch {
    // what the parser says is about its own terms
    throw new InvalidParametersError(`${option} must be a peer id or an address that ends in /p2p/ and a peer id, not "${String(point)}"`)
  }

  return isPeerId(parsed) ? { peerId: parsed } : { peerId: peerIdOf(parsed, option), address: parsed }
}

/**
 * The peer that a point's address ends in.
 *
 * @throws {InvalidParametersError} when it does not end in a peer id
 */
export function peerIdOf (address: Multiaddr, option = 'point'): PeerId {
  const last = address.getComponents().at(-1)

  if (last?.code !== CODE_P2P || last.value == null) {
    throw new InvalidParametersError(`${option} must be an address that ends in /p2p/ and a peer id, not ${address}`)
  }

  return peerIdFromString(last.value)
}
