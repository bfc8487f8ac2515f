import { isPrivate } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { isPlainWebSocket } from '../client/addresses.ts'
import type { ConnectionGater } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * What libp2p's own gater for pages refuses, private addresses and `ws://`, is refused unless a point is given that is
 * at such an address itself: who gives it means it.
 */
export function gaterFor (points: Array<Multiaddr | string>): ConnectionGater {
  const given = points.map(point => multiaddr(point))
  const allowsPrivate = given.some(isPrivate)
  const allowsPlain = given.some(isPlainWebSocket)

  return {
    denyDialMultiaddr: address => (!allowsPrivate && isPrivate(address)) || (!allowsPlain && isPlainWebSocket(address))
  }
}
