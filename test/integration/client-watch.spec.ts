import { afterEach, describe, expect, it } from 'vitest'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { addressOf, clientNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import type { DiscoveredPeer, RendezvousClientInit } from '../../src/index.ts'
import type { ClientNode, PointNode } from '../fixtures/nodes.ts'

const MINUTE = 60_000

afterEach(stopNodes)

/** What points were asked to list, since the test began. */
function countDiscovers (point: PointNode): () => number {
  const events = allEvents(point.services.point, 'discover')

  return () => events.length
}

const ids = (node: ClientNode): string[] => node.services.rendezvous.discovered.map(({ id }) => id.toString())

/** Nodes that would look only once an hour by themselves. */
async function start (point: PointNode, init: RendezvousClientInit = {}): Promise<ClientNode> {
  return clientNode({ points: [addressOf(point)], discoverInterval: 60 * MINUTE, ...init })
}

describe('a client of a point that tells', () => {
  it('finds those that start with it, and asks for nothing', async () => {
    const point = await pointNode()
    const discovers = countDiscovers(point)
    const [one, two] = await Promise.all([start(point, { namespaces: ['x'] }), start(point, { namespaces: ['x'] })])
    await expect.poll(() => [ids(one), ids(two)]).toEqual([[two.peerId.toString()], [one.peerId.toString()]])

    expect(discovers()).toBe(0)
  })
})
