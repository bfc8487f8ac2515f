import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { FairConnections } from '../../src/point/fair-connections.ts'
import { networkRule } from '../../src/point/network-of.ts'
import type { Connection, ConnectionGater, Libp2pEvents } from '@libp2p/interface'

interface Node {
  /** A newcomer is through its handshake. Resolves to whether it was refused before that. */
  open: (address: string, direction?: 'inbound' | 'outbound') => { connection: Connection, close: () => void }
  isRefused: (address: string) => Promise<boolean>
  /** The hosts of connections that have been closed, in order. */
  closed: string[]
  pruned: string[]
  gater: ConnectionGater
  connections: FairConnections
}

function node (maxConnections: number, gater: ConnectionGater = {}): Node {
  const events = new TypedEventEmitter<Libp2pEvents>()
  const closed: string[] = []
  const pruned: string[] = []
  const connections = new FairConnections({
    events: events as any,
    connectionManager: { getConnections: () => [], getMaxConnections: () => maxConnections },
    connectionGater: gater,
    networkOf: networkRule(),
    onClosed: ({ remoteAddr }) => { closed.push(hostOf(remoteAddr.toString())) }
  })
  events.addEventListener('connection:prune', ({ detail }) => { pruned.push(...detail.map(({ remoteAddr }) => hostOf(remoteAddr.toString()))) })
  connections.start()

  return {
    closed,
    pruned,
    gater,
    connections,
    isRefused: async address => await gater.denyInboundConnection?.({ remoteAddr: multiaddr(`/ip4/${address}/tcp/1`) } as any) === true,
    open: (address, direction = 'inbound') => {
      const end = new TypedEventEmitter<any>()
      const close = (): void => {
        events.safeDispatchEvent('connection:close', { detail: connection })
        end.safeDispatchEvent('close')
      }
      const connection = Object.assign(end, { direction, remoteAddr: multiaddr(`/ip4/${address}/tcp/1`), abort: close }) as unknown as Connection
      events.safeDispatchEvent('connection:open', { detail: connection })

      return { connection, close }
    }
  }
}

function hostOf (address: string): string {
  return address.split('/')[2] ?? ''
}

describe('connections, when there are as many as there may be', () => {
  it('make room where most of them come from, the youngest first', () => {
    const { open, closed, pruned } = node(5)
    const addresses = ['198.51.100.1', '203.0.113.1', '198.51.100.2', '198.51.101.3']
    addresses.forEach(address => open(address))

    expect(closed).toEqual([])
    open('192.0.2.1')
    expect(closed).toEqual(['198.51.100.2'])
    expect(pruned).toEqual(closed)
  })

  it('are refused to a network that has as many as any other', async () => {
    const { open, closed, pruned, isRefused } = node(5)
    const addresses = ['198.51.100.1', '198.51.100.2', '203.0.113.1', '203.0.113.2']
    addresses.forEach(address => open(address))

    // before the handshake
    expect(await isRefused('198.51.100.9')).toBe(true)
    expect(await isRefused('192.0.2.1')).toBe(false)
    // and where that was too early to know
    open('198.51.100.9')
    expect(closed).toEqual(['198.51.100.9'])
    expect(pruned).toEqual(closed)
  })

  it('let one of a crowd in where an address of it has more than others', () => {
    const { open, closed } = node(4)
    const addresses = ['198.51.100.1', '198.51.100.1', '198.51.100.1']
    addresses.forEach(address => open(address))
    open('198.51.100.2')

    expect(closed).toEqual(['198.51.100.1'])
  })

  it('go on to be so many, and those that this node opened count', async () => {
    const { open, closed, isRefused } = node(5)
    const own = open('192.0.2.9', 'outbound')
    const [first] = ['198.51.100.1', '198.51.100.1', '198.51.100.1'].map(address => open(address))

    expect(await isRefused('198.51.100.1')).toBe(true)
    first?.close()
    expect(await isRefused('198.51.100.1')).toBe(false)
    open('198.51.100.1')
    expect(await isRefused('198.51.100.1')).toBe(true)
    own.close()
    expect(await isRefused('198.51.100.1')).toBe(false)
    expect(closed).toEqual([])
  })

  it('of a thousand from one network do not keep out others', () => {
    const { open, closed } = node(101)

    for (let i = 0; i < 1_000; i++) {
      open(`127.5.${i >> 8}.${i & 255}`)
    }

    for (let i = 0; i < 50; i++) {
      open(`203.${i}.113.1`)
    }

    expect(closed.filter(address => address.startsWith('203'))).toEqual([])
    expect(closed.length).toBe(1_050 - 99)
  })
})

describe('below the limit', () => {
  it('everybody is let in, unless the gater of the node says no', async () => {
    const { isRefused, gater, connections } = node(5, { denyInboundConnection: async ({ remoteAddr }) => remoteAddr.toString().includes('203') })

    expect(await isRefused('198.51.100.1')).toBe(false)
    expect(await isRefused('203.0.113.1')).toBe(true)
    connections.stop()
    expect(await isRefused('203.0.113.1')).toBe(true)
    expect(await gater.denyInboundConnection?.({ remoteAddr: multiaddr('/ip4/198.51.100.1/tcp/1') } as any)).toBe(false)
  })

  it('a gater that had no opinion has none again', () => {
    const { gater, connections } = node(5)

    expect(gater.denyInboundConnection).toBeDefined()
    connections.stop()
    expect(gater).toEqual({})
  })
})
