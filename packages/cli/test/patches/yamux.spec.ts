import { setTimeout as delay } from 'node:timers/promises'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { StreamMessageEvent } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hardenedYamux } from '../../src/patches/yamux.ts'
import type { Connection, Libp2p, MessageStream, MultiaddrConnection, StreamMuxerFactory } from '@libp2p/interface'

const KIB = 1024
const HEADER_SIZE = 12
const PING = Buffer.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)

/** What is below the streams of a connection, where frames can be written by hand. */
interface Insides {
  muxer: { maConn: MessageStream, decoder: { buffer: { byteLength: number, bufs: unknown[] } } }
  maConn: MessageStream
}

let node: Libp2p
let other: Libp2p
let connection: Connection
let theirs: Connection

async function start (muxer: () => StreamMuxerFactory): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [muxer],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false }
  })
}

beforeEach(async () => {
  [node, other] = await Promise.all([start(hardenedYamux()), start(yamux())])
  const opened = new Promise<CustomEvent<Connection>>(resolve => { node.addEventListener('connection:open', resolve) })
  connection = await other.dial(node.getMultiaddrs())
  theirs = (await opened).detail
})

afterEach(async () => { await Promise.all([node.stop(), other.stop()]) })

function insides (connection: Connection): Insides {
  return connection as unknown as Insides
}

/** Writes frames, as they are, and resolves when they are sent. */
async function write (bytes: Uint8Array): Promise<void> {
  const { maConn } = insides(connection).muxer
  maConn.send(bytes)

  while (maConn.writeBufferLength > 0 && maConn.status === 'open' && theirs.status === 'open') {
    await delay(1)
  }
}

async function until (condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5_000; !condition() && Date.now() < deadline;) {
    await delay(1)
  }

  expect(condition()).toBe(true)
}

/** The beginning of a frame of data, for a stream that it opens. */
function dataFrame (length: number): Buffer {
  const header = Buffer.of(0, 0, 0, 1, 0, 0, 0, 101, 0, 0, 0, 0)
  header.writeUInt32BE(length, 8)

  return header
}

describe('a frame that is longer than any window', () => {
  it('ends its connection when so much of it has come', async () => {
    await write(dataFrame(2 ** 32 - 1))
    let sent = 0

    while (connection.status === 'open' && sent < 4_096 * KIB) {
      await write(new Uint8Array(32 * KIB)).catch(() => {})
      sent += 32 * KIB
      await delay(1)
    }

    await until(() => theirs.status !== 'open')
    expect(sent).toBeLessThan(1_024 * KIB)
  })
})

describe('a frame that comes in small pieces', () => {
  it('is held in few', async () => {
    const { decoder } = insides(theirs).muxer
    await write(dataFrame(1_000))

    for (let i = 0; i < 200; i++) {
      await write(Uint8Array.of(i))
    }

    await until(() => decoder.buffer.byteLength >= HEADER_SIZE + 200)
    expect(decoder.buffer.bufs.length).toBeLessThanOrEqual(32)
    expect(theirs.status).toBe('open')
  })
})

describe('pings', () => {
  it('are answered, a thousand of them, and end their connection beyond', async () => {
    const pings = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => PING))
    // it does not expect any answer, and is not to mind
    let answered = 0;
    (connection as any).muxer.onData = (data: { byteLength: number }) => { answered += data.byteLength / HEADER_SIZE }
    // each side has sent one by itself
    await write(pings(990))
    await until(() => answered >= 990)
    expect(theirs.status).toBe('open')
    await write(pings(20))

    await until(() => theirs.status !== 'open')
  })
})

describe('answers that are not read', () => {
  afterEach(() => { vi.useRealTimers() })

  it('are a thousand at the most, and then the connection ends', () => {
    vi.useFakeTimers()
    const abort = vi.fn()
    const full = Object.assign(new TypedEventEmitter<any>(), { direction: 'inbound', status: 'open', log: defaultLogger().forComponent('test'), send: () => false, abort })
    const muxer = hardenedYamux()().createStreamMuxer(full as unknown as MultiaddrConnection)
    const ping = (count: number): void => {
      full.dispatchEvent(new StreamMessageEvent(Buffer.concat(Array.from({ length: count }, () => PING))))
      vi.advanceTimersByTime(10_000)
    }
    ping(600)
    full.safeDispatchEvent('drain')
    ping(600)
    expect(abort).not.toHaveBeenCalled()
    ping(600)

    expect(abort).toHaveBeenCalled()
    muxer.abort(new Error('enough'))
  })
})

describe('a connection', () => {
  it('carries streams as any other does', async () => {
    const received = Promise.withResolvers<void>()
    let bytes = 0
    await node.handle('/sink/1.0.0', stream => {
      stream.addEventListener('message', ({ data }) => {
        bytes += data.byteLength

        if (bytes === 1_024 * KIB) {
          received.resolve()
        }
      })
    })
    const stream = await connection.newStream('/sink/1.0.0')
    stream.send(new Uint8Array(1_024 * KIB))
    await received.promise
  })
})
