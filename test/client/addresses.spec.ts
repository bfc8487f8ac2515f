import { multiaddr } from '@multiformats/multiaddr'
import { beforeAll, describe, expect, it } from 'vitest'
import { networkOf, publicAddresses, usableAddresses, withAddresses } from '../../src/client/addresses.ts'
import { makePeers } from '../fixtures/peers.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** As a record may carry it: read from bytes, whatever they say. */
function named (name: string): Multiaddr {
  const bytes = new TextEncoder().encode(name)

  // dns4 and tcp/1
  return multiaddr(Uint8Array.from([54, bytes.length, ...bytes, 6, 0, 1]))
}

describe('usableAddresses', () => {
  let peer: Peer
  let other: Peer

  beforeAll(async () => { [peer, other] = await makePeers(2) as [Peer, Peer] })

  function usable (...multiaddrs: Array<Multiaddr | string>): string[] {
    return usableAddresses({ peerId: peer.peerId, multiaddrs: multiaddrs.map(address => multiaddr(address)) })
  }

  it.each([
    '/ip4/192.0.2.1/tcp/4001',
    '/ip6/2001:db8::1/udp/4001/quic-v1',
    '/dns4/example.org/tcp/443/tls/ws',
    '/dns4/bücher.example/tcp/443',
    '/ip4/192.0.2.1/udp/1/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ',
    '/memory/somewhere',
    '/ip6zone/eth0/ip6/fe80::1/tcp/1'
  ])('are such as %s', address => {
    expect(usable(address)).toEqual([address])
  })

  it('may end in the peer\'s own id, and lead over a relay', () => {
    const addresses = [
      `/ip4/192.0.2.1/tcp/1/p2p/${peer.peerId}`,
      `/ip4/192.0.2.1/tcp/1/p2p/${other.peerId}/p2p-circuit`,
      `/ip4/192.0.2.1/tcp/1/p2p/${other.peerId}/p2p-circuit/p2p/${peer.peerId}`
    ]

    expect(usable(...addresses)).toEqual(addresses)
  })

  it('do not end in the id of another peer', () => {
    expect(usable(
      `/ip4/192.0.2.1/tcp/1/p2p/${other.peerId}`,
      '/ip4/192.0.2.2/tcp/2',
      `/ip4/192.0.2.1/tcp/1/p2p/${peer.peerId}/p2p-circuit/p2p/${other.peerId}`
    )).toEqual(['/ip4/192.0.2.2/tcp/2'])
  })

  it.each([
    ['an escape that a terminal obeys', 'a\u001b[31m'],
    ['a line feed', 'a\nb'],
    ['the end of a string', 'a\u0000'],
    ['a character from 80 to 9F', 'a\u009b'],
    ['a separator of lines', 'a\u2028b'],
    ['a separator of paragraphs', 'a\u2029b'],
    ['a change of the direction of writing', 'a\u202eb'],
    ['what no text is', '\ufffd'],
    ['a slash, which reads as another address', 'a/tcp/2/http'],
    ['a slash at its end', 'a/']
  ])('have no name with %s', (_, name) => {
    expect(usable(named(name), '/ip4/192.0.2.2/tcp/2')).toEqual(['/ip4/192.0.2.2/tcp/2'])
  })

  it('are not empty', () => {
    expect(usable('/')).toEqual([])
  })
})

describe('a record with some addresses', () => {
  it('has them, and all else as it was', async () => {
    const [peer] = await makePeers(1) as [Peer]
    const record = {
      peerId: peer.peerId,
      sequence: 7n,
      domain: 'libp2p-routing-state' as const,
      envelope: new Uint8Array([1]),
      multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')]
    }

    expect(withAddresses(record, ['/ip4/192.0.2.2/tcp/2'])).toEqual({ ...record, multiaddrs: [multiaddr('/ip4/192.0.2.2/tcp/2')] })
  })
})

describe('publicAddresses', () => {
  const OUTSIDE = ['/ip4/8.8.8.8/tcp/1', '/ip6/2600::1/tcp/1', '/dns4/example.org/tcp/1', '/ip4/8.8.8.8/tcp/1/ws']
  const INSIDE = ['/ip4/10.1.2.3/tcp/1', '/ip4/192.168.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip4/169.254.1.1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip6/fd00::1/tcp/1', '/ip6zone/eth0/ip6/fe80::1/tcp/1', '/dns4/localhost/tcp/1']

  it.each(OUTSIDE)('accepts %s', address => {
    expect(publicAddresses(multiaddr(address))).toBe(true)
    expect(publicAddresses(multiaddr(address), multiaddr('/ip4/8.8.4.4/tcp/1'))).toBe(true)
  })

  it.each(INSIDE)('refuses %s, unless the point is reached at such an address', address => {
    expect(publicAddresses(multiaddr(address))).toBe(false)
    expect(publicAddresses(multiaddr(address), multiaddr('/ip4/8.8.4.4/tcp/1'))).toBe(false)

    for (const point of INSIDE) {
      expect(publicAddresses(multiaddr(address), multiaddr(point))).toBe(true)
    }
  })

  it('refuses a relay in a private network', () => {
    expect(publicAddresses(multiaddr('/ip4/10.0.0.1/tcp/1/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq/p2p-circuit'))).toBe(false)
  })
})

describe('networkOf', () => {
  it.each([
    ['/ip4/192.0.2.1/tcp/1', '192.0'],
    ['/ip4/192.0.99.9/udp/1/quic-v1', '192.0'],
    ['/ip6/2001:db8:1:2::1/tcp/1', '2001:db8'],
    ['/ip6/2001:db8::/tcp/1', '2001:db8'],
    ['/ip6/2600::1/tcp/1', '2600:0'],
    ['/ip6/::1/tcp/1', '0:0'],
    ['/ip6zone/eth0/ip6/2001:db8::1/tcp/1', '2001:db8'],
    ['/dns4/example.org/tcp/1', undefined],
    ['/memory/1', undefined],
    ['/', undefined]
  ])('of %s is %s', (address, network) => {
    expect(networkOf(multiaddr(address))).toBe(network)
  })
})
