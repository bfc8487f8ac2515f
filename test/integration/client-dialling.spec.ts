import { isPeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { publicAddresses } from '../../src/index.ts'
import { nextEvent } from '../fixtures/events.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeers } from '../fixtures/peers.ts'
import { listing, scriptedPoint } from '../fixtures/scripted-point.ts'
import type { ClientNode } from '../fixtures/nodes.ts'

describe('peers that start together', () => {
  afterEach(stopNodes)

  it('find each other at once, though they look for peers once a minute', async () => {
    const point = await pointNode()
    const init = { points: [addressOf(point)], namespaces: ['ns'] }
    const nodes = await Promise.all([clientNode(init), clientNode(init)])

    for (const { services: { rendezvous } } of nodes) {
      await expect.poll(() => rendezvous.discovered.length, { timeout: 10_000 }).toBe(1)
    }
  })
})

describe('autoDial', () => {
  afterEach(stopNodes)

  async function registered (count: number, points: string[]): Promise<ClientNode[]> {
    const nodes = await Promise.all(Array.from({ length: count }, async () => clientNode({ points })))
    await Promise.all(nodes.map(async ({ services: { rendezvous } }) => rendezvous.register('ns')))

    return nodes
  }

  function connectedTo (node: ClientNode, others: ClientNode[]): number {
    return others.filter(({ peerId }) => node.getConnections(peerId).length > 0).length
  }

  it('dials nobody unless asked', async () => {
    const points = [addressOf(await pointNode())]
    const others = await registered(3, points)
    const node = await clientNode({ points, namespaces: ['ns'] })
    await expect.poll(() => node.services.rendezvous.discovered.length).toBe(3)
    // a dial would have been made by then
    await node.services.rendezvous.discoverPage('ns', { point: points[0]! })

    expect(connectedTo(node, others)).toBe(0)
  })

  it('keeps so many connections, and replaces one that is lost', async () => {
    const points = [addressOf(await pointNode())]
    const others = await registered(4, points)
    const node = await clientNode({ points, namespaces: ['ns'], autoDial: 2 })
    await expect.poll(() => connectedTo(node, others)).toBe(2)
    await expect.poll(() => node.services.rendezvous.discovered.length).toBe(4)
    expect(connectedTo(node, others)).toBe(2)
    const lost = others.find(({ peerId }) => node.getConnections(peerId).length > 0)!
    await lost.stop()

    await expect.poll(() => connectedTo(node, others)).toBe(2)
    expect(node.getConnections(lost.peerId)).toEqual([])
  })

  it('goes on to others where one cannot be reached', async () => {
    const [dead] = await makePeers(1)
    const alive = await clientNode()
    const point = await scriptedPoint(listing(async () => [
      await listed(dead!, 'ns', { addresses: ['/memory/nowhere'] }),
      await listed({ peerId: alive.peerId, privateKey: (alive as any).components.privateKey }, 'ns', { addresses: [addressOf(alive)] })
    ]))
    const node = await clientNode({ points: [point.address], namespaces: ['ns'], autoDial: 1 })

    await expect.poll(() => connectedTo(node, [alive]), { timeout: 10_000 }).toBe(1)
  })

  it('does not keep a node from stopping', async () => {
    const [peer] = await makePeers(1)
    const isHeld = Promise.withResolvers<void>()
    const point = await scriptedPoint(listing(async () => {
      await isHeld.promise

      return [await listed(peer!, 'ns')]
    }))
    const node = await clientNode({ points: [point.address], namespaces: ['ns'], autoDial: 1 })
    let signal: AbortSignal | undefined
    const { connectionManager } = (node as any).components
    const { openConnection } = connectionManager
    const dialled = new Promise<void>(resolve => {
      connectionManager.openConnection = async (target: any, options: any) => {
        if (!isPeerId(target) || !peer!.peerId.equals(target)) {
          return openConnection.call(connectionManager, target, options)
        }

        signal = options.signal
        resolve()

        return new Promise((resolve, reject) => { options.signal.addEventListener('abort', () => { reject(options.signal.reason) }) })
      }
    })
    isHeld.resolve()
    await dialled
    await node.stop()

    expect(signal?.aborted).toBe(true)
  })
})

describe('discoverFilter', () => {
  afterEach(stopNodes)

  it('accepts all addresses unless asked', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(listing(async () => [await listed(peer!, 'ns', { addresses: ['/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1'] })]))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect((await collect(rendezvous.discover('ns')))[0]!.multiaddrs).toHaveLength(2)
  })

  it('refuses addresses of discovered peers, in what is found, reported and written, and peers without any', async () => {
    const [one, two] = await makePeers(2)
    const point = await scriptedPoint(listing(async () => [
      await listed(one!, 'ns', { addresses: ['/ip4/10.0.0.1/tcp/1', '/ip4/8.8.8.8/tcp/1'] }),
      await listed(two!, 'ns', { addresses: ['/ip4/192.168.0.1/tcp/1'] })
    ]))
    const { metrics, read } = readableMetrics()
    const node = await clientNode({ points: [point.address], discoverFilter: publicAddresses }, { metrics })
    const { rendezvous } = node.services
    const reported = nextEvent(rendezvous, 'peer')
    const wanted = [multiaddr('/ip4/8.8.8.8/tcp/1')]

    expect(await collect(rendezvous.discover('ns'))).toMatchObject([{ multiaddrs: wanted }])
    expect((await reported).multiaddrs).toEqual(wanted)
    expect((await node.peerStore.get(one!.peerId)).addresses).toMatchObject([{ multiaddr: wanted[0] }])
    expect(await read('libp2p_rendezvous_client_dropped_total')).toEqual({ filtered: 1 })
  })

  it('is told under which address the point is reached', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(listing(async () => [await listed(peer!, 'ns')]))
    const seen: string[] = []
    const { services: { rendezvous } } = await clientNode({
      points: [point.address],
      discoverFilter: (address, pointAddress) => seen.push(`${address} ${pointAddress}`) > 0
    })
    await collect(rendezvous.discover('ns'))

    expect(seen).toEqual([`/ip4/192.0.2.1/tcp/4001 ${point.address}`])
  })
})
