import { BlockList, isIP } from 'node:net'

/** An IPv6 address that is an IPv4 address, as Node has it of a socket that listens on both. */
const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i

/** An IP address as it is written without what a socket adds to it: a zone, or that it is IPv4 in the form of IPv6. */
export function plainIp (address: string): string {
  return address.replace(/%.*$/, '').replace(MAPPED, '')
}

/** The network of an address: the first three bytes of IPv4, what an organisation has of IPv6 (48 bits). */
export function networkOfIp (address: string): string {
  const ip = plainIp(address)

  if (isIP(ip) !== 6) {
    return ip.split('.').slice(0, 3).join('.')
  }

  const [head = '', tail = ''] = ip.split('::')
  const [before, after] = [head, tail].map(part => part.split(':').filter(group => group !== '')) as [string[], string[]]
  const between = ip.includes('::') ? Array.from({ length: 8 - before.length - after.length }, () => '0') : []

  return [...before, ...between, ...after].slice(0, 3).map(group => Number.parseInt(group, 16).toString(16)).join(':')
}

/**
 * Who asks, where some that ask do so for others: of what `X-Forwarded-For` says, what a proxy that is trusted has added
 * is believed, and nothing that was there before.
 *
 * @param proxies - IP addresses, or networks as in `10.0.0.0/8`
 * @returns a function that gives the address of who asks; undefined where a proxy does not tell
 */
export function askerBehind (proxies: string[]): (remote: string, forwardedFor: string | undefined) => string | undefined {
  const trusted = new BlockList()

  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'

    if (bits == null) {
      trusted.addAddress(address, family)
    } else {
      trusted.addSubnet(address, Number(bits), family)
    }
  }

  const isTrusted = (ip: string): boolean => trusted.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4')

  return (remote, forwardedFor) => {
    const ip = plainIp(remote)

    if (proxies.length === 0 || !isTrusted(ip)) {
      return ip
    }

    // each proxy adds at the end from where it was asked
    const asker = (forwardedFor ?? '').split(',').map(part => plainIp(part.trim())).findLast(part => isIP(part) === 0 || !isTrusted(part))

    return asker != null && isIP(asker) !== 0 ? asker : undefined
  }
}
