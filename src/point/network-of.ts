import type { Network } from '../store/fair-shares.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** The codes of /ip4 and /ip6, as an address begins with them in bytes. */
const IP4 = 4
const IP6 = 41

/** An IPv6 address that is an IPv4 address: ten bytes of zero, two of ones. */
const MAPPED_IP4 = '00000000000000000000ffff'

/**
 * The network that an address belongs to, at three widths: of IPv4 the first two bytes, the third and the
 * fourth, of IPv6 the first 32 bits, what an organisation has of them (48), and a single line (64). Peers
 * behind a relay count under the relay, whose address theirs begins with. What has no IP address is one
 * network for each kind of address, `memory` for example.
 */
export function networkOf (address: Multiaddr): Network {
  const { bytes } = address

  switch (bytes[0]) {
    case IP4:
      return networkOfIp4(bytes.subarray(1, 5))
    case IP6: {
      const hex = [...bytes.subarray(1, 17)].map(byte => byte.toString(16).padStart(2, '0')).join('')

      return hex.startsWith(MAPPED_IP4)
        ? networkOfIp4(bytes.subarray(13, 17))
        : `${hex.slice(0, 8)}/${hex.slice(8, 12)}/${hex.slice(12, 16)}`
    }
    default:
      return address.getComponents()[0]?.name ?? 'nowhere'
  }
}

function networkOfIp4 ([a, b, c, d]: Uint8Array): Network {
  return `${a}.${b}/${c}/${d}`
}
