import { once } from 'node:events'
import { connect } from 'node:net'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hardenedWebSockets } from '../../src/patches/web-sockets.ts'
import type { Socket } from 'node:net'
import type { WebSocketsInit } from '../../src/patches/web-sockets.ts'
import type { Connection, Libp2p } from '@libp2p/interface'

const MIB = 1024 * 1024

let node: Libp2p
let isFull = false

async function listening (init: WebSocketsInit = {}): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [hardenedWebSockets(init)],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false, denyInboundConnection: () => isFull }
  })
}

beforeEach(async () => {
  isFull = false
  node = await listening()
})

afterEach(async () => { await node.stop() })

function port (): number {
  return Number(/tcp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1])
}

/** A WebSocket on which nothing has been sent. */
async function webSocket (): Promise<Socket> {
  const socket = connect(port(), '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
  await once(socket, 'data')

  return socket
}

/** The beginning of a frame of binary data, masked with zeros. */
function frame (length: number, { isFirst, isLast }: { isFirst: boolean, isLast: boolean }): Buffer {
  const header = Buffer.alloc(14)
  header[0] = (isLast ? 0x80 : 0) | (isFirst ? 2 : 0)
  header[1] = 0x80 | 127
  header.writeBigUInt64BE(BigInt(length), 2)

  return header
}

describe('a WebSocket that sends a message which does not end', () => {
  it('is cut off when its length is announced', async () => {
    const socket = await webSocket()
    socket.write(frame(100 * MIB, { isFirst: true, isLast: true }))

    await once(socket.resume(), 'close')
  })

  it('is cut off when its parts are too much', async () => {
    const socket = await webSocket()
    let sent = 0
    socket.resume()

    while (!socket.closed && sent < 100 * MIB) {
      socket.write(Buffer.concat([frame(64 * 1024, { isFirst: sent === 0, isLast: false }), Buffer.alloc(64 * 1024)]))
      sent += 64 * 1024
      await new Promise(resolve => setTimeout(resolve, 5))
    }

    expect(sent).toBeLessThan(8 * MIB)
  })
})

describe('a WebSocket that sends what is no frame', () => {
  it('is cut off, and the process goes on', async () => {
    const socket = await webSocket()
    // reserved bits
    socket.write(Buffer.of(0xf2, 0x80, 0, 0, 0, 0))

    await once(socket.resume(), 'close')
    expect(node.status).toBe('started')
  })
})

describe('a socket that does not become a WebSocket', () => {
  const silent = async (localAddress = '127.0.0.1'): Promise<Socket> => {
    const socket = connect({ port: port(), host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    await once(socket, 'connect')

    return socket.resume()
  }

  it('is closed after ten seconds, whether it says nothing or a little', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })

    try {
      const sockets = [await silent(), await silent()]
      sockets[1]?.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
      const used = await webSocket()
      const closed = Promise.all(sockets.map(async socket => once(socket, 'close')))
      vi.advanceTimersByTime(10_000)

      await closed
      expect(used.closed).toBe(false)
    } finally {
      vi.useRealTimers()
    }
  })

  it('makes room for another when they are a thousand', async () => {
    const first = await silent()
    const closed = once(first, 'close')
    const sockets = []

    for (let i = 0; i < 1_000; i++) {
      sockets.push(await silent())
    }

    await closed
    const used = await webSocket()
    expect(used.closed).toBe(false)
    sockets.forEach(socket => { socket.destroy() })
  })

  it('makes room for one of a network that has fewer, and is not in its way while it waits', async () => {
    await node.stop()
    node = await listening({ maxWaiting: 4 })
    const crowd = [await silent('127.1.0.1'), await silent('127.1.0.1'), await silent('127.1.0.1'), await silent('127.1.0.1')]
    const honest = [await silent('127.2.0.1'), await silent('127.3.0.1')]
    await expect.poll(() => crowd.map(({ closed }) => closed)).toEqual([false, false, true, true])

    // a second of the crowd's own network makes room for one next door, and that for one from elsewhere
    crowd.push(await silent('127.1.0.2'))
    await expect.poll(() => crowd.map(({ closed }) => closed)).toEqual([false, true, true, true, false])
    honest.push(await silent('127.4.0.1'))
    await expect.poll(() => crowd.map(({ closed }) => closed)).toEqual([false, true, true, true, true])

    // with one each, nobody has more than a newcomer would have
    const last = await silent('127.5.0.1')
    await expect.poll(() => last.closed).toBe(true)
    expect([crowd[0], ...honest].map(socket => socket?.closed)).toEqual([false, false, false, false])

    // whose own place it would be takes that of the eldest there
    const again = await silent('127.1.0.1')
    await expect.poll(() => crowd[0]?.closed).toBe(true)
    expect([again, ...honest].map(({ closed }) => closed)).toEqual([false, false, false, false]);
    [...honest, again].forEach(socket => { socket.destroy() })
  })
})

describe('a connection that is aborted', () => {
  it('has its socket closed', async () => {
    const other = await listening()

    try {
      const opened = new Promise<CustomEvent<Connection>>(resolve => { node.addEventListener('connection:open', resolve) })
      const connection = await other.dial(node.getMultiaddrs())
      const closed = new Promise(resolve => { connection.addEventListener('close', resolve) });
      (await opened).detail.abort(new Error('enough'))

      await closed
    } finally {
      await other.stop()
    }
  })

  it('has it closed before the handshake is through, too', async () => {
    const socket = await webSocket()
    await node.stop()

    await once(socket.resume(), 'close')
  })
})

describe('a WebSocket that is used', () => {
  it('is a connection like any other, and takes a megabyte', async () => {
    const other = await listening()
    const received = Promise.withResolvers<void>()
    let bytes = 0

    try {
      await node.handle('/echo/1.0.0', stream => {
        stream.addEventListener('message', ({ data }) => {
          bytes += data.byteLength

          if (bytes === MIB) {
            received.resolve()
          }
        })
      })
      const connection = await other.dial(node.getMultiaddrs())
      const stream = await connection.newStream('/echo/1.0.0')
      stream.send(new Uint8Array(MIB))
      await received.promise
    } finally {
      await other.stop()
    }
  })
})

describe('a WebSocket that is refused', () => {
  it('is closed at once, whether or not it answers', async () => {
    isFull = true
    const socket = await webSocket()

    await once(socket.resume(), 'close')
  })
})
