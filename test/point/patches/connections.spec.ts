import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { listInOnePass } from '../../../src/point/patches/connections.ts'
import { base, pointNode, stopNodes } from '../../fixtures/nodes.ts'
import { identity } from '../../fixtures/records.ts'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'

let node: Libp2p
let manager: ConnectionManager

beforeEach(async () => {
  node = await createLibp2p({
    ...base(),
    start: false,
    services: {
      manager: ({ connectionManager }: { connectionManager: ConnectionManager }) => {
        manager = connectionManager

        return {}
      }
    }
  }) as unknown as Libp2p
})

afterEach(async () => {
  await node.stop()
  await stopNodes()
})

/** Has the manager hold so many connections of a new peer. */
async function connected (count: number): Promise<{ peer: PeerId, connections: Connection[] }> {
  const { peerId: peer } = await identity()
  const connections = Array.from({ length: count }, (_, id) => ({ id: `${peer}/${id}` }) as unknown as Connection)
  manager.getConnectionsMap().set(peer, connections)

  return { peer, connections }
}

/** How often a list is copied to get all connections. */
function copies (): number {
  const concat = vi.spyOn(Array.prototype, 'concat')
  manager.getConnections()
  const { length } = concat.mock.calls
  concat.mockRestore()

  return length
}

describe("the connections of libp2p's manager", () => {
  it('are the same in one pass, in the same order', async () => {
    await connected(1)
    await connected(3)
    await connected(0)
    await connected(2)
    const before = manager.getConnections()

    listInOnePass(manager)

    expect(before).toHaveLength(6)
    expect(manager.getConnections()).toEqual(before)
  })

  it('are a list of whoever asks', async () => {
    const { peer } = await connected(2)
    listInOnePass(manager)

    manager.getConnections().pop()

    expect(manager.getConnections()).toHaveLength(2)
    expect(manager.getConnectionsMap().get(peer)).toHaveLength(2)
  })

  it('are those of one peer when they are asked for', async () => {
    const { peer, connections } = await connected(2)
    const { peer: another } = await connected(1)
    const { peerId: nobody } = await identity()
    listInOnePass(manager)

    expect(manager.getConnections(peer)).toBe(connections)
    expect(manager.getConnections(another)).toHaveLength(1)
    expect(manager.getConnections(nobody)).toEqual([])
  })

  // where the first of these fails, libp2p is mended and src/point/patches/connections.ts can go
  it('are copied once for each peer by libp2p, and not at all in one pass', async () => {
    for (let i = 0; i < 5; i++) {
      await connected(1)
    }

    expect(copies()).toBe(5)

    listInOnePass(manager)

    expect(copies()).toBe(0)
  })

  it('are asked for as before when it is taken back', async () => {
    const { getConnections } = manager
    const takeBack = listInOnePass(manager)

    takeBack()

    expect(manager.getConnections).toBe(getConnections)
    expect(Object.hasOwn(manager, 'getConnections')).toBe(false)
  })
})

describe('a connection manager that is not as expected', () => {
  it("is left alone when it is not libp2p's", () => {
    const getConnections = (): Connection[] => []
    const another = { getConnections, getConnectionsMap: () => { throw new Error('There is none') } }

    listInOnePass(another)()

    expect(another.getConnections).toBe(getConnections)
  })

  it('is left alone when somebody else has changed it', () => {
    const getConnections = (): Connection[] => []
    manager.getConnections = getConnections

    listInOnePass(manager)()

    expect(manager.getConnections).toBe(getConnections)
  })

  it('keeps what somebody else has changed since', () => {
    const getConnections = (): Connection[] => []
    const takeBack = listInOnePass(manager)
    manager.getConnections = getConnections

    takeBack()

    expect(manager.getConnections).toBe(getConnections)
  })
})

describe('a point', () => {
  it('has the connections of its node listed in one pass while it runs', async () => {
    const point = await pointNode()
    // the manager is no part of what a node shows
    const { connectionManager: ofPoint } = (point as unknown as { components: { connectionManager: ConnectionManager } }).components

    expect(Object.hasOwn(ofPoint, 'getConnections')).toBe(true)

    await point.stop()

    expect(Object.hasOwn(ofPoint, 'getConnections')).toBe(false)
  })
})
