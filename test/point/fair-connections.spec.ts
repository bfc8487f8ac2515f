import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { FairConnections } from '../../src/point/fair-connections.ts'
import { networkRule } from '../../src/point/network-of.ts'
import type { Connection, ConnectionGater, Libp2pEvents } from '@libp2p/interface'

interface Handshake {
  isRefused: boolean
  isAborted: () => boolean
  /** It is through. */
  open: () => void
  /** It has failed. */
  fail: () => void
}

interface Node {
  /** A newcomer is through its handshake. Resolves to whether it was refused before that. */
  open: (address: string, direction?: 'inbound' | 'outbound') => { connection: Connection, close: () => void }
  isRefused: (address: string) => Promise<boolean>
  /** A newcomer begins its handshake. */
  begin: (address: string) => Promise<Handshake>
  /** The hosts of connections that have been closed, in order. */
  closed: string[]
  pruned: string[]
  gater: ConnectionGater
  connections: FairConnections
}

function node (maxConnections: number, gater: ConnectionGater = {}, maxIncomingPendingConnections?: number): Node {
  const events = new TypedEventEmitter<Libp2pEvents>()
  const closed: string[] = []
  const pruned: string[] = []
  const connections = new FairConnections({
    events: events as any,
    connectionManager: { getConnections: () => [], getMaxConnections: () => maxConnections, ...(maxIncomingPendingConnections == null ? {} : { maxIncomingPendingConnections }) },
    connectionGater: gater,
    networkOf: networkRule(),
    onClosed: ({ remoteAddr }) => { closed.push(hostOf(remoteAddr.toString())) }
  })
  events.addEventListener('connection:prune', ({ detail }) => { pruned.push(...detail.map(({ remoteAddr }) => hostOf(remoteAddr.toString()))) })
  connections.start()

  const newcomer = (address: string): TypedEventEmitter<any> & { timeline: object, abort: () => void } => {
    const socket = new TypedEventEmitter<any>()

    return Object.assign(socket, {
      remoteAddr: multiaddr(`/ip4/${address}/tcp/1`),
      timeline: {},
      abort: () => { socket.safeDispatchEvent('close') }
    })
  }

  return {
    closed,
    pruned,
    gater,
    connections,
    isRefused: async address => {
      const socket = newcomer(address)
      const isRefused = await gater.denyInboundConnection?.(socket as any) === true
      socket.abort()

      return isRefused
    },
    begin: async address => {
      const socket = newcomer(address)
      let isAborted = false
      socket.addEventListener('close', () => { isAborted = true })
      const isRefused = await gater.denyInboundConnection?.(socket as any) === true

      return {
        isRefused,
        isAborted: () => isAborted,
        open: () => {
          const { timeline } = socket
          events.safeDispatchEvent('connection:open', { detail: { direction: 'inbound', remoteAddr: multiaddr(`/ip4/${address}/tcp/1`), timeline } as any })
        },
        fail: () => { socket.abort() }
      }
    },
    open: (address, direction = 'inbound') => {
      const end = new TypedEventEmitter<any>()
      const close = (): void => {
        events.safeDispatchEvent('connection:close', { detail: connection })
        end.safeDispatchEvent('close')
      }
      const connection = Object.assign(end, { direction, remoteAddr: multiaddr(`/ip4/${address}/tcp/1`), timeline: {}, abort: close }) as unknown as Connection
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

describe('handshakes, when as many are under way as may be', () => {
  it('make room where most of them come from, the youngest first', async () => {
    const { begin } = node(100, {}, 5)
    const [first, other, second, third] = await Promise.all(['198.51.100.1', '203.0.113.1', '198.51.100.2', '198.51.100.3'].map(begin)) as [Handshake, Handshake, Handshake, Handshake]

    expect((await begin('192.0.2.1')).isRefused).toBe(false)
    expect([first, second, third, other].map(({ isAborted }) => isAborted())).toEqual([false, false, true, false])
  })

  it('are refused to a network that has as many as any other', async () => {
    const { begin } = node(100, {}, 5)
    const all = await Promise.all(['198.51.100.1', '203.0.113.1', '192.0.2.1', '192.88.99.1'].map(begin))

    expect((await begin('198.51.100.2')).isRefused).toBe(true)
    expect(all.some(({ isAborted }) => isAborted())).toBe(false)
  })

  it('are no more when they are through, have failed, or the point has stopped', async () => {
    const { begin, connections } = node(100, {}, 3)
    const [through, failed] = [await begin('198.51.100.1'), await begin('203.0.113.1')]
    const isRefused = async (): Promise<boolean> => {
      const another = await begin('198.51.100.9')
      another.fail()

      return another.isRefused
    }

    expect(await isRefused()).toBe(true)
    through.open()
    expect(await isRefused()).toBe(false)
    expect(await isRefused()).toBe(false)
    await begin('198.51.100.1')
    expect(await isRefused()).toBe(true)
    failed.fail()
    expect(await isRefused()).toBe(false)
    await begin('203.0.113.1')
    connections.stop()
    connections.start()
    expect(await isRefused()).toBe(false)
  })

  it('of a thousand that say nothing do not keep out others', async () => {
    const { begin } = node(10_000, {}, 101)

    for (let i = 0; i < 1_000; i++) {
      await begin(`127.5.${i >> 8}.${i & 255}`)
    }

    const others = await Promise.all(Array.from({ length: 50 }, async (_, i) => begin(`203.${i}.113.1`)))
    expect(others.filter(({ isRefused, isAborted }) => isRefused || isAborted())).toEqual([])
  })
})

describe('below the limit', () => {
  it('everybody is let in, unless the gater of the node says no', async () => {
    const { isRefused, connections } = node(5, { denyInboundConnection: async ({ remoteAddr }) => remoteAddr.toString().includes('203') })

    expect(await isRefused('198.51.100.1')).toBe(false)
    expect(await isRefused('203.0.113.1')).toBe(true)
    connections.stop()
    expect(await isRefused('203.0.113.1')).toBe(true)
    expect(await isRefused('198.51.100.1')).toBe(false)
  })

  it('a gater that had no opinion has none again', () => {
    const { gater, connections } = node(5)

    expect(gater.denyInboundConnection).toBeDefined()
    connections.stop()
    expect(gater).toEqual({})
  })
})
