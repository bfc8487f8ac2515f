import { IpNet } from '@chainsafe/netmask'
import { InvalidParametersError } from '@libp2p/interface'
import type { Origin } from './types.ts'
import type { Network } from '../store/fair-shares.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * The rule by which connections and registrations are counted under networks.
 *
 * @param trustedProxies - addresses, or networks as in `10.0.0.0/8`, behind which each connection is a
 * network of its own
 * @throws {InvalidParametersError} when one of them is neither
 */
export function networkRule (trustedProxies: string[] = []): (origin: Origin) => Network {
  const proxies = trustedProxies.map(asNet)

  return ({ remoteAddr, id = '' }) => {
    const ip = ipOf(remoteAddr)

    return ip != null && proxies.some(net => net.contains(ip)) ? `proxied-${id}` : networkOf(remoteAddr)
  }
}

/** The same rule, asked once for each connection: what it comes from does not change. */
export function oncePerConnection (rule: (origin: Origin) => Network): (origin: Origin) => Network {
  const networks = new WeakMap<Origin, Network>()

  return origin => {
    const known = networks.get(origin)

    if (known != null) {
      return known
    }

    const network = rule(origin)
    networks.set(origin, network)

    return network
  }
}

function asNet (proxy: string): IpNet {
  try {
    return new IpNet(proxy.includes('/') ? proxy : `${proxy}/${proxy.includes(':') ? 128 : 32}`)
  } catch {
    throw new InvalidParametersError(`trustedProxies must have IP addresses, or networks such as 10.0.0.0/8, not ${proxy}`)
  }
}

/** The codes of /ip4 and /ip6, as an address begins with them in bytes. */
const IP4 = 4
const IP6 = 41

/** An IPv6 address that is an IPv4 address: ten bytes of zero, two of ones. */
const MAPPED_IP4 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]

const IP4_LENGTH = 4

/**
 * The network that an address belongs to, at three widths: of IPv4 the first two bytes, the third and the
 * fourth, of IPv6 the first 32 bits, what an organisation has of them (48), and a single line (64). Peers
 * behind a relay count under the relay, whose address theirs begins with. What has no IP address is one
 * network for each kind of address, `memory` for example.
 */
export function networkOf (address: Multiaddr): Network {
  const ip = ipOf(address)

  if (ip == null) {
    return address.getComponents()[0]?.name ?? 'nowhere'
  }

  if (ip.byteLength === IP4_LENGTH) {
    return networkOfIp4(ip)
  }

  const hex = [...ip].map(byte => byte.toString(16).padStart(2, '0')).join('')

  return pathOf([hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16)])
}

/** The address that another begins with; an IPv4 address in the form of an IPv6 one as what it is. */
function ipOf ({ bytes }: Multiaddr): Uint8Array | undefined {
  switch (bytes[0]) {
    case IP4:
      return bytes.subarray(1, 5)
    case IP6: {
      const isMapped = MAPPED_IP4.every((byte, i) => bytes[1 + i] === byte)

      return isMapped ? bytes.subarray(13, 17) : bytes.subarray(1, 17)
    }
    default:
  }
}

function networkOfIp4 ([a, b, c, d]: Uint8Array): Network {
  return pathOf([`${a}.${b}`, c, d])
}

/** One string: what a template puts together may be kept in its parts, for each registration. */
function pathOf (segments: unknown[]): Network {
  return segments.join('/')
}
