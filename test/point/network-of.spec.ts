import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it, vi } from 'vitest'
import { networkOf, networkRule, oncePerConnection } from '../../src/point/network-of.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

const RELAY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

for (const [address, network] of [
  ['/ip4/198.51.100.7/tcp/4001', '198.51/100/7'],
  ['/ip4/198.51.100.7/udp/4001/quic-v1', '198.51/100/7'],
  ['/ip6/2001:db8:12:34:5:6:7:8/tcp/4001', '20010db8/0012/0034'],
  ['/ip6/::1/tcp/4001', '00000000/0000/0000'],
  ['/ip6/::ffff:198.51.100.7/tcp/4001', '198.51/100/7'],
  [`/ip4/198.51.100.7/tcp/4001/p2p/${RELAY}/p2p-circuit`, '198.51/100/7'],
  [`/p2p/${RELAY}/p2p-circuit`, 'p2p'],
  ['/memory/here', 'memory'],
  ['/dns4/example.org/tcp/443', 'dns4'],
  ['/', 'nowhere']
]) {
  it(`counts a peer at ${address} under ${network}`, () => {
    expect(networkOf(multiaddr(address))).to.equal(network)
  })
}

describe('behind a proxy that is trusted', () => {
  const rule = networkRule(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1'])

  it.each([
    ['/ip4/10.9.8.7/tcp/1', 'proxied-one'],
    ['/ip4/192.0.2.1/tcp/1', 'proxied-one'],
    ['/ip6/2001:db8:1::1/tcp/1', 'proxied-one'],
    ['/ip6/::1/tcp/1', 'proxied-one'],
    ['/ip6/::ffff:10.1.1.1/tcp/1', 'proxied-one'],
    ['/ip4/192.0.2.2/tcp/1', '192.0/2/2'],
    ['/ip4/11.0.0.1/tcp/1', '11.0/0/1'],
    ['/memory/here', 'memory']
  ])('each connection is a network of its own: %s', (address, network) => {
    expect(rule({ remoteAddr: multiaddr(address), id: 'one' })).toBe(network)
  })

  it('one that has not gone through its handshake is another than all', () => {
    expect(rule({ remoteAddr: multiaddr('/ip4/10.9.8.7/tcp/1') })).toBe('proxied-')
  })

  it.each(['', 'localhost', '10.0.0.0/33', '1.2.3'])('what is no address is refused: "%s"', proxy => {
    expect(() => networkRule([proxy])).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })
})

it('asks a rule once for each connection', () => {
  const rule = vi.fn(networkRule())
  const once = oncePerConnection(rule)
  const [a, b] = ['198.51.100.7', '203.0.113.1'].map(ip => ({ remoteAddr: multiaddr(`/ip4/${ip}/tcp/4001`) })) as [{ remoteAddr: Multiaddr }, { remoteAddr: Multiaddr }]

  expect([a, b, a, b].map(once)).toEqual(['198.51/100/7', '203.0/113/1', '198.51/100/7', '203.0/113/1'])
  expect(rule).toHaveBeenCalledTimes(2)
})
