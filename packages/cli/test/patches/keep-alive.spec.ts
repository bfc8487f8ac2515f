import { createServer, connect } from 'node:net'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hardenedWebSockets } from '../../src/patches/web-sockets.ts'
import { impatient } from '../../src/patches/keep-alive.ts'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

const ends: Array<() => unknown> = []
let node: Libp2p

async function create (options: Libp2pOptions): Promise<Libp2p> {
  const node = await createLibp2p({
    connectionEncrypters: [noise()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    ...options
  })
  ends.push(async () => node.stop())

  return node
}

beforeEach(async () => {
  node = await create({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [tcp(), hardenedWebSockets()],
    streamMuxers: [impatient(yamux({ keepAliveInterval: 20 }), 1_000)]
  })
})

afterEach(async () => { await Promise.all(ends.splice(0).reverse().map(async end => end())) })

const portOf = (address: string): number => Number(/tcp\/(\d+)/.exec(address)?.[1])

/** A way to an address on which, once it is cut, nothing arrives any more and nobody is told. */
async function network (address: string): Promise<{ address: string, cut: () => void }> {
  const sockets: Socket[] = []
  let isCut = false
  const server: Server = createServer(near => {
    const far = connect(portOf(address), '127.0.0.1')
    sockets.push(near, far)

    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on('data', bytes => { isCut || to.write(bytes) })
      from.on('error', () => {})
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => {
    sockets.forEach(socket => { socket.destroy() })
    server.close()
  })

  return {
    address: address.replace(/tcp\/\d+/, `tcp/${(server.address() as AddressInfo).port}`),
    cut: () => { isCut = true }
  }
}

it.each(['TCP', 'WebSocket'])('ends a connection over %s on which nothing arrives any more', async transport => {
  const address = node.getMultiaddrs().map(String).find(address => address.includes('/ws') === (transport === 'WebSocket')) as string
  const between = await network(address)
  const peer = await create({ transports: [tcp(), webSockets()], streamMuxers: [yamux({ enableKeepAlive: false })] })
  const disconnected = new Promise<CustomEvent>(resolve => { node.addEventListener('peer:disconnect', resolve) })
  await peer.dial(multiaddr(between.address))
  await expect.poll(() => node.getConnections()).toHaveLength(1)
  between.cut()

  expect((await disconnected).detail.equals(peer.peerId)).toBe(true)
})

it('keeps a connection on which somebody answers', async () => {
  const peer = await create({ transports: [tcp()], streamMuxers: [yamux({ enableKeepAlive: false })] })
  const connection = await peer.dial(node.getMultiaddrs())
  await new Promise(resolve => setTimeout(resolve, 1_500))

  expect(connection.status).toBe('open')
})
