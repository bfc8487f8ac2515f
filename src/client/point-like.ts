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
 * @throws {InvalidParametersError} when it names no peer
 */
export function parsePoint (point: PointLike): PointReference {
  if (isPeerId(point)) {
    return { peerId: point }
  }

  if (isMultiaddr(point)) {
    return { peerId: peerIdOf(point), address: point }
  }

  try {
    if (!String(point).startsWith('/')) {
      return { peerId: peerIdFromString(point) }
    }

    const address = multiaddr(point)

    return { peerId: peerIdOf(address), address }
  } catch (err) {
    // what the parser says is about its own terms
    throw err instanceof InvalidParametersError
      ? err
      : new InvalidParametersError(`A rendezvous point is named by its peer id or by an address that ends in it, not "${String(point)}"`)
  }
}

/**
 * The peer that a point's address ends in.
 *
 * @throws {InvalidParametersError} when it does not end in a peer id
 */
export function peerIdOf (address: Multiaddr): PeerId {
  const last = address.getComponents().at(-1)

  if (last?.code !== CODE_P2P || last.value == null) {
    throw new InvalidParametersError(`The address of a rendezvous point ends in /p2p/ and its peer id, not ${address}`)
  }

  return peerIdFromString(last.value)
}
