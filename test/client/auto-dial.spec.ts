import { beforeEach, describe, expect, it } from 'vitest'
import { AutoDial } from '../../src/client/auto-dial.ts'
import { listedAs, namedPeer } from '../fixtures/listed.ts'
import type { Listed } from '../../src/client/listing.ts'

describe('AutoDial', () => {
  let connected: Set<string>
  let dial: AutoDial

  beforeEach(() => {
    connected = new Set()
    dial = new AutoDial(3)
  })

  function peer (name: string, ...addresses: string[]): Listed {
    return listedAs({ id: namedPeer(name), point: namedPeer('point'), ...(addresses.length > 0 ? { addresses } : {}) })
  }

  /** Peers of as many networks. */
  function peers (count: number): Listed[] {
    return Array.from({ length: count }, (_, index) => peer(`peer-${index}`, `/ip4/10.${index}.0.1/tcp/1`))
  }

  function choose (peers: Listed[], now = 0, random = (): number => 0): string[] {
    return dial.choose(peers, id => connected.has(id.toString()), now, random).map(String)
  }

  it('chooses as many as are missing', () => {
    expect(choose(peers(10))).toHaveLength(3)
    expect(new Set(choose(peers(2)))).toEqual(new Set())
  })

  it('counts who is connected and who is being dialled, and chooses neither', () => {
    connected.add('peer-1')
    expect(choose(peers(5))).toEqual(['peer-0', 'peer-2'])
    expect(choose(peers(5))).toEqual([])
    dial.onConnected(namedPeer('peer-0'))

    // it is neither connected nor dialled now
    expect(choose(peers(5))).toEqual(['peer-0'])
  })

  it('chooses nobody where nobody is wanted', () => {
    dial = new AutoDial(0)

    expect(choose(peers(5))).toEqual([])
  })

  it('prefers networks in which it has nobody yet', () => {
    const crowd = Array.from({ length: 20 }, (_, index) => peer(`crowd-${index}`, `/ip4/192.0.${index}.1/tcp/1`))
    const others = [peer('six', '/ip6/2001:db8:1::1/tcp/1'), peer('same six', '/ip6/2001:db8:2::1/tcp/1'), peer('four', '/ip4/192.1.0.1/tcp/1')]
    connected.add('crowd-0')

    expect(choose([...crowd, ...others])).toEqual(['six', 'four'])
  })

  it('takes others where there are no more networks', () => {
    const crowd = Array.from({ length: 5 }, (_, index) => peer(`crowd-${index}`, `/ip4/192.0.${index}.1/tcp/1`))

    expect(choose([...crowd, peer('name', '/dns4/example.org/tcp/1')])).toEqual(['crowd-0', 'crowd-1', 'crowd-2'])
  })

  it('counts a peer in a network in which one of its addresses is', () => {
    expect(choose([
      peer('one', '/ip4/192.0.2.1/tcp/1', '/ip6/2001:db8::1/tcp/1'),
      peer('both', '/ip4/10.0.0.1/tcp/1', '/ip6/2001:db8::2/tcp/1'),
      peer('two', '/ip4/10.0.0.2/tcp/1'),
      peer('three', '/ip4/10.1.0.2/tcp/1')
    ])).toEqual(['one', 'two', 'three'])
  })

  it('chooses at random', () => {
    expect(choose(peers(10), 0, () => 0.999)).toEqual(['peer-9', 'peer-0', 'peer-1'])
  })

  it('leaves one alone for a while that could not be reached, longer each time', () => {
    const one = [peer('one')]
    expect(choose(one)).toEqual(['one'])
    expect(dial.onFailed(namedPeer('one'), 0, 1)).toBe(1_000)
    expect(choose(one, 999)).toEqual([])
    expect(choose(one, 1_000)).toEqual(['one'])
    expect(dial.onFailed(namedPeer('one'), 1_000, 1)).toBe(3_000)
    expect(choose(one, 2_999)).toEqual([])
    expect(choose([...one, peer('two')], 2_999)).toEqual(['two'])
  })

  it('has no memory of one that is known no longer', () => {
    dial.onFailed(namedPeer('one'), 0, 1)
    dial.forget(namedPeer('one'))

    expect(choose([peer('one')])).toEqual(['one'])
  })
})
