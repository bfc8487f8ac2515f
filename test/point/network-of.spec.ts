import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { networkOf } from '../../src/point/network-of.ts'

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
