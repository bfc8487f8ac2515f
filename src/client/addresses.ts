import { isLinkLocal, isLoopback, isPrivate } from '@libp2p/utils'
import { CODE_IP4, CODE_IP6, CODE_IP6ZONE, CODE_P2P, CODE_TLS, CODE_WS, CODE_WSS, multiaddr } from '@multiformats/multiaddr'
import { isSound } from '../protocol/address.ts'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * The addresses of a record under which its peer may be dialled, as text: those that can be shown, that
 * are the same when they are read again, and that do not end in somebody else's peer id.
 */
export function usableAddresses ({ peerId, multiaddrs }: Pick<SignedPeerRecord, 'peerId' | 'multiaddrs'>): string[] {
  return multiaddrs
    .filter(address => isSound(address) && isOf(address, peerId))
    .map(address => address.toString())
}

/**
 * The same record with these addresses alone. They are kept as one text, in lines, and read when they are
 * asked for: as objects, each takes most of a kilobyte.
 */
export function withAddresses ({ peerId, sequence, domain, envelope }: SignedPeerRecord, addresses: string[]): SignedPeerRecord {
  const lines = addresses.join('\n')

  return {
    peerId,
    sequence,
    domain,
    envelope,
    get multiaddrs () {
      return lines.split('\n').map(address => multiaddr(address))
    }
  }
}

/**
 * Whether an address of a discovered peer leads into the open internet, as far as it says: addresses of
 * private networks, of the machine itself and of its links do not. Where the point that listed the peer
 * is itself reached under such an address, all are accepted.
 *
 * @param pointAddress - under which the point is reached; absent when that is not known
 */
export function publicAddresses (address: Multiaddr, pointAddress?: Multiaddr): boolean {
  return isPublic(address) || (pointAddress != null && !isPublic(pointAddress))
}

function isPublic (address: Multiaddr): boolean {
  return !isPrivate(address) && !isLoopback(address) && !isLinkLocal(address)
}

/**
 * The part of the internet that an address is in: the first 16 bits of IPv4, the first 32 of IPv6.
 *
 * @returns undefined where the address begins with a name or something else
 */
export function networkOf (address: Multiaddr): string | undefined {
  const [first, second] = address.getComponents()
  const { code, value = '' } = (first?.code === CODE_IP6ZONE ? second : first) ?? {}

  switch (code) {
    case CODE_IP4:
      return value.split('.', 2).join('.')
    case CODE_IP6: {
      // `::` stands for zeros, which may be among the first two groups
      const [head = ''] = value.split('::')
      const groups = head === '' ? [] : head.split(':')

      return `${groups[0] ?? 0}:${groups[1] ?? 0}`
    }
    default:
  }
}

/** As the peer store keeps it. */
export function withoutPeerId (address: Multiaddr): Multiaddr {
  return address.getComponents().at(-1)?.code === CODE_P2P ? address.decapsulateCode(CODE_P2P) : address
}

/** Whether it is, or begins with, a WebSocket without TLS, which pages open to few hosts. */
export function isPlainWebSocket (address: Multiaddr): boolean {
  const codes = address.getComponents().map(({ code }) => code)

  return codes.includes(CODE_WS) && !codes.includes(CODE_TLS) && !codes.includes(CODE_WSS)
}

function isOf (address: Multiaddr, peerId: PeerId): boolean {
  const last = address.getComponents().at(-1)

  return last?.code !== CODE_P2P || peerId.equals(last.value)
}
