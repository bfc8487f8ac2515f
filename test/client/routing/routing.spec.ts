import { CID } from 'multiformats/cid'
import { multiaddr } from '@multiformats/multiaddr'
import { defaultLogger } from '@libp2p/logger'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Routing } from '../../../src/client/routing/routing.ts'
import { collect } from '../../fixtures/nodes.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { RoutingInit } from '../../../src/client/routing/routing.ts'
import type { Peer } from '../../fixtures/peers.ts'
import type { PeerId } from '@libp2p/interface'

const cid = CID.parse('QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn')

describe('Routing', () => {
  let alice: Peer
  let bob: Peer
  let points: Peer[]
  let isConnected: (peerId: PeerId) => boolean
  let connections: Array<{ direction: string, remoteAddr: unknown }>
  let stored: string[]
  /** Milliseconds that each point takes, and whom it lists. */
  let lists: Map<Peer, [number, Peer[]]>
  let asked: Array<[Peer, number]>
  let wanted: Array<{ namespace: string, peer: PeerId | undefined, limit: number }>

  beforeEach(async () => {
    const [one, two, three, four, five] = await makePeers(5) as [Peer, Peer, Peer, Peer, Peer]
    ;[alice, bob] = [one, two]
    points = [three, four, five]
    isConnected = () => true
    connections = []
    stored = []
    lists = new Map()
    asked = []
    wanted = []
    vi.useFakeTimers()
  })

  afterEach(() => { vi.useRealTimers() })

  function routing (init: Partial<RoutingInit> = {}): Routing {
    const start = Date.now()

    return new Routing({
      components: {
        peerId: alice.peerId,
        connectionManager: { getConnections: () => connections } as any,
        peerStore: { get: async () => ({ addresses: stored.map(address => ({ multiaddr: multiaddr(address), isCertified: true })) }) } as any
      },
      points: { defaults: points as any, isConnected, addressesOf: () => [] },
      discovery: {
        orStopping: signal => signal ?? new AbortController().signal,
        recordOf: () => undefined,
        lookUp: async function * (point, namespace, { peer, limit }) {
          wanted.push({ namespace, peer, limit })
          asked.push([point as any, Date.now() - start])
          const [ms, peers] = lists.get(point as any) ?? [1, []]
          await new Promise(resolve => { setTimeout(resolve, ms) })
          yield * peers.map(({ peerId }) => ({ peerId, multiaddrs: [multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${peerId}`)] } as any))
        },
        verify: async () => { throw new Error('nobody has signed anything here') }
      },
      registries: [],
      discoverFilter: undefined,
      timeout: 10_000,
      register: async () => {},
      unregister: async () => {},
      log: defaultLogger().forComponent('test'),
      ...init
    })
  }

  /** What it comes to, as time goes on. */
  async function settled <T> (work: Promise<T>): Promise<PromiseSettledResult<T>> {
    const [[result]] = await Promise.all([Promise.allSettled([work]), vi.advanceTimersByTimeAsync(20_000)])

    return result
  }

  it('does not say where a peer that has only come here can be reached', async () => {
    connections = [{ direction: 'inbound', remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/54321') }]
    expect((await routing().findPeer(bob.peerId)).multiaddrs).toEqual([])

    connections.push({ direction: 'outbound', remoteAddr: multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${bob.peerId}`) })
    expect((await routing().findPeer(bob.peerId)).multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/1'])

    stored = ['/ip4/192.0.2.2/tcp/2']
    expect((await routing().findPeer(bob.peerId)).multiaddrs.map(String)).toEqual(['/ip4/192.0.2.2/tcp/2'])
    expect(asked).toEqual([])
  })

  it('asks points that are connected first, and dials the others when nothing has come for 150 ms', async () => {
    isConnected = peerId => peerId.equals(points[1]!.peerId)
    lists.set(points[1]!, [200, [bob]])
    const found = await settled(routing().findPeer(bob.peerId))

    expect(found).toMatchObject({ value: { id: bob.peerId } })
    expect(asked).toEqual([[points[1], 0], [points[0], 150], [points[2], 150]])
  })

  it('asks registries when points have said nothing for 300 ms more', async () => {
    isConnected = peerId => peerId.equals(points[0]!.peerId)
    points.forEach(point => { lists.set(point, [5_000, []]) })
    const start = Date.now()
    let registryAsked = -1
    const registry = {
      address: multiaddr('/dns/example.org'),
      findPeer: async function * () {
        registryAsked = Date.now() - start
        yield { peerId: bob.peerId, multiaddrs: [] }
        yield { peerId: bob.peerId, multiaddrs: [multiaddr('/ip4/192.0.2.3/tcp/3')] }
      }
    }
    const found = await settled(routing({ registries: [registry as any] }).findPeer(bob.peerId))

    expect(registryAsked).toBe(450)
    // one of which it says nothing but that it is there is not found
    expect(found).toMatchObject({ value: { multiaddrs: [multiaddr('/ip4/192.0.2.3/tcp/3')] } })
  })

  it('asks points for the one peer that is looked for, and for a hundred of those who have a block', async () => {
    points = [points[0]!]
    await settled(routing().findPeer(bob.peerId))
    await settled(collect(routing().findProviders(cid)))

    expect(wanted).toEqual([
      { namespace: bob.peerId.toString(), peer: bob.peerId, limit: 1 },
      { namespace: 'bafkreiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354', peer: undefined, limit: 100 }
    ])
  })

  it('does not ask a point where it is itself', async () => {
    await settled(routing().findPeer(points[1]!.peerId))

    expect(asked.map(([point]) => point)).toEqual([points[0], points[2]])
  })

  it('leaves nothing behind on its caller\'s signal, nor a timer', async () => {
    lists.set(points[0]!, [1, [bob]])
    const { signal } = new AbortController()
    const listening = vi.spyOn(signal, 'addEventListener')
    const leaving = vi.spyOn(signal, 'removeEventListener')
    await settled(routing().findPeer(bob.peerId, { signal }))

    expect(leaving.mock.calls.length).toBe(listening.mock.calls.length)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('finds nobody when all have said so', async () => {
    expect(await settled(routing().findPeer(bob.peerId))).toMatchObject({ reason: { name: 'NotFoundError' } })
    expect(asked).toHaveLength(3)
  })

  it('names no provider twice, nor its own node', async () => {
    points.forEach(point => { lists.set(point, [1, [alice, bob, bob]]) })
    const found = await settled(collect(routing().findProviders(cid)))

    expect(found).toMatchObject({ value: [{ id: bob.peerId, multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')] }] })
    expect(await collect(routing().findProviders(cid, { useNetwork: false }))).toEqual([])
  })

  it('knows nobody who is close, and says so with a pause: libp2p asks again without one', async () => {
    let ended = false
    const closest = collect(routing().getClosestPeers(new Uint8Array())).finally(() => { ended = true })
    await vi.advanceTimersByTimeAsync(999)
    expect(ended).toBe(false)

    await vi.advanceTimersByTimeAsync(1)
    expect(await closest).toEqual([])

    const caller = new AbortController()
    const aborted = collect(routing().getClosestPeers(new Uint8Array(), { signal: caller.signal }))
    caller.abort()
    await expect(aborted).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
  })
})
