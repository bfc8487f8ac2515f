import { connect } from 'node:net'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from 'libp2p-rendezvous'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { build, endPrograms, Program } from './program.ts'
import type { Libp2p } from '@libp2p/interface'

const TCP = '/ip4/127.0.0.1/tcp/0'
const WS = '/ip4/127.0.0.1/tcp/0/ws'

/** Less than the ten seconds that a handshake has, and than a WebSocket waits for its end. Milliseconds. */
const AT_ONCE = 5_000

const nodes: Libp2p[] = []

beforeAll(build, 60_000)

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async node => node.stop()))
  await endPrograms()
})

async function startPoint (...args: string[]): Promise<{ point: Program, overTcp: string, overWebSocket: string }> {
  const point = new Program(['point', '--memory', '--json', '--listen', TCP, '--listen', WS, ...args])
  const { addresses } = await point.event()

  return {
    point,
    overTcp: addresses.find((address: string) => !address.includes('/ws')),
    overWebSocket: addresses.find((address: string) => address.includes('/ws/'))
  }
}

async function startClient (point: string): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: [TCP] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify(), rendezvous: rendezvousClient({ points: [point] }) }
  })
  nodes.push(node)

  return node
}

/**
 * Opens a socket and says nothing of libp2p on it.
 *
 * @returns whether it is still open a while later, and what came on it
 */
async function knock (address: string): Promise<{ isOpen: boolean, received: string }> {
  const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1])
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.on('error', () => {})
  socket.on('data', data => { received += data.toString('latin1') })

  if (address.includes('/ws')) {
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
  }

  let timer: ReturnType<typeof setTimeout> | undefined
  const isOpen = await Promise.race([
    new Promise<boolean>(resolve => { socket.once('close', () => { resolve(false) }) }),
    new Promise<boolean>(resolve => { timer = setTimeout(() => { resolve(true) }, AT_ONCE) })
  ])
  clearTimeout(timer)
  socket.destroy()

  return { isOpen, received }
}

describe('who dials a point that has no room for it', () => {
  it.each([
    { transport: 'overTcp', flag: '--max-connections', reason: 'all connections are taken' },
    { transport: 'overWebSocket', flag: '--max-connections', reason: 'all connections are taken' },
    { transport: 'overTcp', flag: '--max-connection-rate', reason: 'its address has none left in this second' },
    { transport: 'overWebSocket', flag: '--max-connection-rate', reason: 'its address has none left in this second' }
  ] as const)('$transport is refused at once and before the handshake, when $reason', async ({ transport, flag }) => {
    const addresses = await startPoint(flag, '1')
    await (await startClient(addresses.overTcp)).dial(multiaddr(addresses.overTcp))
    const knocks = await Promise.all([knock(addresses[transport]), knock(addresses[transport]), knock(addresses[transport])])
    const open = knocks.filter(({ isOpen }) => isOpen)

    // a second has its own rate, and one or two may have begun since
    expect(open.length).to.be.at.most(flag === '--max-connections' ? 0 : 2)
    // no more than the answer in HTTP
    knocks.forEach(({ received }) => { expect(received.split('\r\n\r\n')[1] ?? '').to.equal('') })
  }, 30_000)
})

describe('many clients behind one address', () => {
  const CLIENTS = 200

  it('are all registered, and stay, while there is room', async () => {
    const { point, overTcp } = await startPoint('--max-connections', '300', '--max-connection-rate', '50')
    const clients = await Promise.all(Array.from({ length: CLIENTS }, async () => startClient(overTcp)))
    clients.forEach(node => { (node.services as any).rendezvous.register('office').catch(() => {}) })
    const registered = new Set<string>()

    while (registered.size < CLIENTS) {
      registered.add((await point.until('registration:added')).peer)
    }

    expect(clients.filter(node => node.getConnections().length === 1)).to.have.lengthOf(CLIENTS)
  }, 120_000)
})
