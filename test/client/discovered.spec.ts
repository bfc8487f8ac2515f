import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Discovered } from '../../src/client/discovered.ts'
import { makePeers } from '../fixtures/peers.ts'
import type { Found } from '../../src/client/listing.ts'
import type { DiscoveredPeer } from '../../src/index.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

const HOUR = 60 * 60 * 1000

describe('Discovered', () => {
  let peer: PeerId
  let point: PeerId
  let otherPoint: PeerId
  const news: DiscoveredPeer[] = []
  const expired: DiscoveredPeer[] = []
  let discovered: Discovered

  beforeEach(async () => {
    [peer, point, otherPoint] = (await makePeers(3)).map(({ peerId }) => peerId) as [PeerId, PeerId, PeerId]
    news.length = 0
    expired.length = 0
    vi.useFakeTimers()
    discovered = new Discovered({
      onNew: peer => { news.push(peer) },
      onExpired: peer => { expired.push(peer) }
    })
  })

  afterEach(() => {
    discovered.clear()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  function found ({ id = peer, from = point, namespace = 'ns', sequence = 1n, ttl = HOUR, addresses = 1 }: { id?: PeerId, from?: PeerId, namespace?: string, sequence?: bigint, ttl?: number, addresses?: number } = {}): Found {
    const multiaddrs = Array<Multiaddr>(addresses).fill(multiaddr(`/ip4/192.0.2.1/tcp/${sequence}`))
    const envelope = new Uint8Array([Number(sequence)])

    return {
      record: { peerId: id, multiaddrs, sequence, envelope, domain: 'libp2p-peer-record' },
      peer: { id, multiaddrs, namespace, point: from, ttl, expires: Date.now() + ttl, peerRecordEnvelope: envelope }
    }
  }

  function ports (): string[] {
    return discovered.peers.map(({ multiaddrs }) => multiaddrs[0]!.getComponents().at(-1)!.value!)
  }

  it('reports a peer once, however often it is found', () => {
    discovered.add(found())
    discovered.add(found({ sequence: 2n }))
    discovered.add(found({ from: otherPoint }))

    expect(news).toHaveLength(1)
    expect(discovered.peers).toHaveLength(1)
  })

  it('has one entry for each namespace', () => {
    discovered.add(found())
    discovered.add(found({ namespace: 'other' }))

    expect(discovered.peers.map(({ namespace }) => namespace)).toEqual(['ns', 'other'])
    expect(news).toHaveLength(2)
  })

  it('keeps the newest record and the latest end, whichever comes first', () => {
    discovered.add(found({ sequence: 2n, ttl: HOUR }))
    const latest = discovered.add(found({ sequence: 1n, ttl: 2 * HOUR, from: otherPoint }))

    expect(ports()).toEqual(['2'])
    expect(latest).toMatchObject({ ttl: 2 * HOUR, point, peerRecordEnvelope: new Uint8Array([2]) })

    discovered.add(found({ sequence: 3n, ttl: 1 }))
    expect(ports()).toEqual(['3'])
    expect(discovered.peers[0]).toMatchObject({ ttl: 2 * HOUR })
  })

  it('tells of the end of a registration when it comes, and has it no longer', async () => {
    discovered.add(found({ ttl: 30 * HOUR }))
    await vi.advanceTimersByTimeAsync(30 * HOUR - 1)
    expect(discovered.peers).toHaveLength(1)
    expect(expired).toEqual([])
    await vi.advanceTimersByTimeAsync(1)

    expect(discovered.peers).toEqual([])
    expect(expired).toHaveLength(1)
  })

  it('does not show what has expired even before it says so', async () => {
    discovered.add(found({ ttl: 10 }))
    await vi.advanceTimersByTimeAsync(10)
    expect(discovered.peers).toEqual([])
    await vi.advanceTimersByTimeAsync(1_000)

    expect(expired).toHaveLength(1)
  })

  it('reports a peer again that comes back after its end, which is reported first', async () => {
    discovered.add(found({ ttl: 10 }))
    await vi.advanceTimersByTimeAsync(10)
    discovered.add(found({ sequence: 2n }))

    expect(expired).toMatchObject([{ peerRecordEnvelope: new Uint8Array([1]) }])
    expect(news).toHaveLength(2)
    expect(ports()).toEqual(['2'])
  })

  it('has one timer, whatever it knows', () => {
    for (let index = 0; index < 100; index++) {
      discovered.add(found({ namespace: `ns-${index}`, ttl: HOUR + index }))
    }

    expect(vi.getTimerCount()).toBe(1)
  })

  it('remembers no more than 100,000 peers, and forgets those found first', () => {
    const gone: string[] = []
    discovered.watch({ namespace: 'ns-0', onFound: () => {}, onGone: ({ namespace }) => { gone.push(namespace) } })

    for (let index = 0; index <= 100_000; index++) {
      discovered.add(found({ namespace: `ns-${index}` }))
    }

    expect(discovered.peers).toHaveLength(100_000)
    expect(discovered.peers[0]!.namespace).toBe('ns-1')
    expect(gone).toEqual(['ns-0'])
    expect(expired).toEqual([])
  })

  it('remembers fewer when they have many addresses', () => {
    for (let index = 0; index < 4_000; index++) {
      discovered.add(found({ namespace: `ns-${index}`, addresses: 100 }))
      discovered.add(found({ namespace: `ns-${index}`, addresses: 100, sequence: 2n }))
    }

    expect(discovered.peers).toHaveLength(3_000)
  })

  describe('a watcher', () => {
    function watch (namespace: string, from?: PeerId): { seen: string[], end: () => void } {
      const seen: string[] = []
      const end = discovered.watch({
        namespace,
        point: from,
        onFound: ({ peerRecordEnvelope }) => { seen.push(`found ${peerRecordEnvelope[0]}`) },
        onGone: () => { seen.push('gone') }
      })

      return { seen, end }
    }

    it('hears of what is known and of what comes, in its namespace, until it ends', async () => {
      discovered.add(found())
      discovered.add(found({ namespace: 'other', sequence: 9n }))
      const { seen, end } = watch('ns')
      discovered.add(found({ sequence: 2n }))
      await vi.advanceTimersByTimeAsync(HOUR)
      end()
      discovered.add(found({ sequence: 3n }))

      expect(seen).toEqual(['found 1', 'found 2', 'gone'])
    })

    it('does not hear of what has expired', async () => {
      discovered.add(found({ ttl: 10 }))
      await vi.advanceTimersByTimeAsync(10)

      expect(watch('ns').seen).toEqual([])
    })

    it('of one point hears of what it lists, also when another lists a newer record', () => {
      discovered.add(found({ sequence: 2n, from: otherPoint }))
      const { seen } = watch('ns', point)
      expect(seen).toEqual([])
      discovered.add(found({ sequence: 1n, from: point }))

      expect(seen).toEqual(['found 2'])
      expect(watch('ns', point).seen).toEqual(['found 2'])
      expect(watch('ns', peerIdFromString(otherPoint.toString())).seen).toEqual(['found 2'])
    })
  })
})
