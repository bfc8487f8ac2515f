import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gather, gatheringTcp } from '../../src/patches/tcp.ts'
import type { Socket } from 'node:net'
import type { Connection, Libp2p, MultiaddrConnection } from '@libp2p/interface'

const PROTOCOL = '/test/1.0.0'

let server: Libp2p
let client: Libp2p

const common = {
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  connectionGater: { denyDialMultiaddr: () => false }
}

beforeEach(async () => {
  server = await createLibp2p({ ...common, addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [gatheringTcp()] })
  client = await createLibp2p({ ...common, transports: [tcp()] })
})

afterEach(async () => { await Promise.all([client.stop(), server.stop()]) })

/** What the operating system is handed, of the connection that the server has. */
function writesOf (connection: Connection | undefined): number[] {
  const { socket } = (connection as unknown as { maConn: { socket: Socket & { _handle: any } } }).maConn
  const handle = socket._handle
  const writes: number[] = []
  const { writev, writeBuffer } = handle
  handle.writev = (request: object, chunks: unknown[], ...rest: unknown[]) => {
    writes.push(chunks.length)

    return writev.call(handle, request, chunks, ...rest)
  }
  handle.writeBuffer = (...args: unknown[]) => {
    writes.push(1)

    return writeBuffer.apply(handle, args)
  }

  return writes
}

/** Sends back what it gets, in so many pieces. */
async function answerInPieces (pieces: number): Promise<void> {
  await server.handle(PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => {
      const bytes = data.subarray()
      const size = bytes.byteLength / pieces

      for (let i = 0; i < pieces; i++) {
        stream.send(bytes.subarray(i * size, (i + 1) * size))
      }
    })
  })
}

/** The bytes that come back. */
async function exchange (bytes: Uint8Array): Promise<Uint8Array> {
  const stream = await client.dialProtocol(server.getMultiaddrs(), PROTOCOL)
  const received: Uint8Array[] = []
  const whole = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }) => {
    received.push(data.subarray())

    if (Buffer.concat(received).byteLength >= bytes.byteLength) {
      whole.resolve()
    }
  })
  stream.send(bytes)
  await whole.promise

  return new Uint8Array(Buffer.concat(received))
}

describe('TCP that gathers', () => {
  it('hands over in one go what is sent in one go, all of it and in order', async () => {
    await answerInPieces(10)
    const bytes = Uint8Array.from({ length: 1_000 }, (_, i) => i)
    // the stream is open
    await exchange(bytes)
    const writes = writesOf(server.getConnections()[0])

    expect(await exchange(bytes)).toEqual(bytes)

    // ten pieces, each with its length, its header and its tag
    expect(Math.max(...writes)).toBeGreaterThanOrEqual(20)
    expect(writes.filter(pieces => pieces === 1)).toHaveLength(0)
  })

  it('sends more than a socket takes at once', async () => {
    await answerInPieces(16)
    const bytes = Uint8Array.from({ length: 4 * 1024 * 1024 }, (_, i) => i * 7)

    expect(Buffer.compare(await exchange(bytes), bytes)).toBe(0)
  })

  it('sends what was held before it closes', async () => {
    await server.handle(PROTOCOL, (stream, connection) => {
      stream.addEventListener('message', ({ data }) => {
        stream.send(data)
        // the socket, while it still holds what was sent
        ;(connection as unknown as { maConn: MultiaddrConnection }).maConn.close().catch(() => {})
      })
    })

    expect(await exchange(new Uint8Array([1, 2, 3]))).toEqual(new Uint8Array([1, 2, 3]))
  })

  it('survives a peer that goes in the middle of a message', async () => {
    await answerInPieces(4)
    const stream = await client.dialProtocol(server.getMultiaddrs(), PROTOCOL)
    stream.send(new Uint8Array(1_000))
    client.getConnections().forEach(connection => { connection.abort(new Error('gone')) })

    expect(await (await client.dial(server.getMultiaddrs())).newStream(PROTOCOL)).toBeDefined()
  })

  it('leaves alone a connection that is not over a socket', () => {
    const sendData = (): void => {}
    const connection = { sendData, socket: {} }

    gather(connection as unknown as MultiaddrConnection)

    expect(connection.sendData).toBe(sendData)
  })
})
