import { setTimeout as delay } from 'node:timers/promises'
import { yamux } from '@libp2p/yamux'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Status } from '../../src/protocol/errors.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { rendezvousPoint } from '../../src/index.ts'
import { plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { connect, framed, openStream } from '../fixtures/raw-stream.ts'
import { envelope, identity } from '../fixtures/records.ts'
import { discover, register, unregister } from '../fixtures/requests.ts'
import { Watcher } from '../fixtures/watcher.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { PlainNode, PointNode } from '../fixtures/nodes.ts'
import type { RendezvousPointInit } from '../../src/index.ts'
import type { Connection, Stream } from '@libp2p/interface'

const unhandled: unknown[] = []
const onUnhandled = (error: unknown): void => { unhandled.push(error) }

beforeAll(() => {
  process.on('unhandledRejection', onUnhandled)
  process.on('uncaughtException', onUnhandled)
})

afterAll(() => {
  process.off('unhandledRejection', onUnhandled)
  process.off('uncaughtException', onUnhandled)
})

afterEach(async () => {
  await stopNodes()
  expect(unhandled.splice(0)).toEqual([])
})

const MIB = 1024 * 1024
const WINDOW = MIB / 4

interface Fixture {
  point: PointNode
  peer: PlainNode
  connection: Connection
  record: Uint8Array
  /** The peer's streams, as the point has them. */
  streams: () => Stream[]
  /** Resolves to what another peer is told when it asks, over its own connection. */
  askAsAnother: () => Promise<unknown>
}

async function start (init: RendezvousPointInit): Promise<Fixture> {
  const me = await identity()
  const [point, peer, other] = await Promise.all([
    pointNode(init),
    // takes no more than 256 KiB before it has read
    plainNode({ privateKey: me.privateKey, streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: WINDOW } })] }),
    plainNode()
  ])
  const elsewhere = await connect(other, point)

  return {
    point,
    peer,
    connection: await connect(peer, point),
    record: await envelope(me),
    streams: () => point.getConnections(peer.peerId).flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === '/rendezvous/1.0.0'),
    askAsAnother: async () => {
      const stream = await openStream(elsewhere)
      const response = await stream.ask(discover('my-app'))
      await stream.stream.close()

      return response?.discoverResponse?.status
    }
  }
}

async function until (condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000

  while (!condition() && Date.now() < deadline) {
    await delay(5)
  }

  expect(condition()).toBe(true)
}

describe('requestTimeout', () => {
  const init = { requestTimeout: 150, idleTimeout: 60_000 }

  it('is the time for a request to arrive whole, also when a byte comes now and then', async () => {
    const { connection, askAsAnother } = await start(init)
    const stream = await openStream(connection)
    const begun = performance.now()
    const drip = setInterval(() => {
      if (stream.stream.status === 'open') {
        stream.send(Uint8Array.of(200))
      }
    }, 20)
    stream.send(framed(new Uint8Array(200)).slice(0, 2))

    expect(await stream.ended).toBe('reset')
    clearInterval(drip)
    expect(performance.now() - begun).toBeGreaterThanOrEqual(100)
    expect(performance.now() - begun).toBeLessThan(2_000)
    expect(await askAsAnother()).toBe(Status.OK)
  })

  it('begins anew with each request', async () => {
    const { connection } = await start(init)
    const stream = await openStream(connection)
    const request = framed(discover('my-app'))

    for (let i = 0; i < 4; i++) {
      stream.send(request.slice(0, 3))
      await delay(60)
      stream.send(request.slice(3))
      expect((await stream.next())?.discoverResponse?.status).toBe(Status.OK)
    }
  })

  it('is not spent while nothing arrives', async () => {
    const { connection } = await start(init)
    const stream = await openStream(connection)
    await stream.ask(discover('my-app'))
    await delay(250)

    expect((await stream.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
  })

  it('is the time to decide, after which the answer is a refusal', async () => {
    let signal: AbortSignal | undefined
    const { connection, record } = await start({
      ...init,
      authorize: async request => {
        signal = request.signal

        return new Promise<never>(() => {})
      }
    })
    const stream = await openStream(connection)

    expect((await stream.ask(register('my-app', record)))?.registerResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
    expect(signal?.aborted).toBe(true)
    expect((await stream.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
  })

  it('is the time a store may take', async () => {
    const store = new MemoryStore() as any
    store.list = async () => new Promise<never>(() => {})
    const { connection } = await start({ ...init, store })
    const stream = await openStream(connection)

    expect((await stream.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.E_UNAVAILABLE)
  })

  it('ends for authorize when the peer hangs up', async () => {
    const asked = Promise.withResolvers<AbortSignal>()
    const { connection } = await start({
      requestTimeout: 60_000,
      authorize: async ({ signal }) => {
        asked.resolve(signal)

        return new Promise<never>(() => {})
      }
    })
    const stream = await openStream(connection)
    stream.sendMessage(discover('my-app'))
    const signal = await asked.promise
    stream.stream.abort(new Error('never mind'))
    await until(() => signal.aborted)
  })

  it('is the time to read a response, whose unread rest is let go', async () => {
    const store = filledStore()
    const { connection, streams, askAsAnother } = await start({ ...init, store })
    const stream = await openStream(connection)
    stream.stream.pause()
    stream.sendMessage(discover('large'))
    await until(() => (streams()[0]?.writeBufferLength ?? 0) > 0)

    expect(await askAsAnother()).toBe(Status.OK)
    await until(() => streams().length === 0)
  })
})

describe('idleTimeout', () => {
  it('is the time a stream may stay silent before it is closed', async () => {
    const { connection, streams } = await start({ idleTimeout: 100, requestTimeout: 1_000 })
    const fresh = await openStream(connection)
    const used = await openStream(connection)
    await used.ask(discover('my-app'))

    expect(await Promise.all([fresh.ended, used.ended])).toEqual(['closed', 'closed'])
    await until(() => streams().length === 0)
  })

  it('and requestTimeout end one whose other side does not close', async () => {
    const { connection, streams } = await start({ idleTimeout: 50, requestTimeout: 50 })
    // without the helper, which closes when the point does
    const stream = await connection.newStream('/rendezvous/1.0.0')
    await until(() => streams().length === 1)
    await until(() => streams().length === 0)
    await until(() => stream.status === 'reset')
  })

  it('does not lose an UNREGISTER that crosses the end of the stream', async () => {
    const { connection, point, record } = await start({ idleTimeout: 50 })
    await (await openStream(connection)).ask(register('my-app', record))
    // without the helper, which closes when the point does
    const stream = await connection.newStream('/rendezvous/1.0.0')
    await until(() => stream.remoteWriteStatus === 'closed')
    stream.send(framed(unregister('my-app')))
    await stream.close()
    await until(() => point.services.point.size.registrations === 0)
  })
})

describe('a reader that stops reading', () => {
  it('stops the point from producing, and costs it one response', async () => {
    const store = filledStore()
    let listed = 0
    const list = store.list.bind(store)
    store.list = (...args) => {
      listed++

      return list(...args)
    }
    const { connection, streams, askAsAnother } = await start({ store, rateLimit: false })
    const stream = await openStream(connection)
    stream.stream.pause()

    for (let i = 0; i < 200; i++) {
      stream.sendMessage(discover('large', { bothForms: true }))
    }

    const unsent = (): number => streams()[0]?.writeBufferLength ?? 0
    await until(() => unsent() > 0)
    await askAsAnother()
    expect(listed).toBe(2) // with the one of the other

    // one that reads a little gets as much more, and nothing more is made ready for it meanwhile
    for (let read = 1; read <= 3; read++) {
      const before = stream.receivedLength
      stream.stream.resume()
      await until(() => stream.receivedLength > before)
      stream.stream.pause()
      await askAsAnother()
      await until(() => unsent() > 0)
      expect(unsent()).toBeLessThanOrEqual(MIB)
      expect(listed - 2 - read).toBeLessThanOrEqual(Math.ceil(stream.receivedLength / MIB))
    }

    stream.stream.abort(new Error('enough'))
    await until(() => streams().length === 0)
    expect(listed).toBeLessThan(10)
  })
})

describe('a reader that asks on many streams and reads none', () => {
  it('costs the point little more than one response', async () => {
    const store = new MemoryStore()
    const { connection, streams } = await start({ store, rateLimit: false })
    const limits = { maxRegistrationsPerPeer: 1_000, maxRegistrationsPerNamespace: 1_000, maxNamespaces: 1_000, maxRegistrations: 1_000, maxBytes: Infinity }

    for (let i = 0; i < 300; i++) {
      store.register({ ...ORIGIN, namespace: 'my-app', peer: `peer ${i}`, signedPeerRecord: new Uint8Array(4_000), ttl: 3_600_000 }, limits, Date.now())
    }

    const asking = await Promise.all(Array.from({ length: 30 }, async () => {
      const stream = await openStream(connection)
      stream.stream.pause()
      stream.sendMessage(discover('my-app'))

      return stream
    }))
    const waiting = (): number => streams().reduce((bytes, { writeBufferLength }) => bytes + writeBufferLength, 0)
    await until(() => waiting() > MIB / 2)
    await delay(200)

    expect(waiting()).toBeLessThan(2 * MIB)

    // and all that is asked for is there to be read
    for (const stream of asking) {
      stream.stream.resume()
      expect((await stream.next())?.discoverResponse?.registrations.length).toBeGreaterThan(200)
    }
  })
})

describe('a peer that sends many requests at once', () => {
  const COUNT = 400
  // an unknown field makes them large
  const request = framed(Uint8Array.from([...discover('my-app'), 0x7a, 0x80, 10, ...new Uint8Array(1_280)]))
  const requests = Buffer.concat(Array.from({ length: COUNT }, () => request))

  it('is held back while one of them is worked on, and gets all its answers', async () => {
    const asked = Promise.withResolvers<void>()
    const verdict = Promise.withResolvers<boolean>()
    const { connection, streams } = await start({
      authorize: async () => {
        asked.resolve()

        return verdict.promise
      }
    })
    const stream = await openStream(connection)
    stream.send(request)
    await asked.promise
    stream.send(requests)
    await until(() => streams()[0]?.readBufferLength === WINDOW - request.length)
    expect(stream.stream.writeBufferLength).toBe(requests.length - WINDOW + request.length)
    verdict.resolve(true)

    for (let i = 0; i <= COUNT; i++) {
      expect((await stream.next())?.discoverResponse?.status, `request ${i}`).toBe(Status.OK)
    }
  })

  it('may not do so on all its streams', async () => {
    let asked = 0
    const { connection, streams } = await start({
      rateLimit: false,
      authorize: async () => {
        asked++

        return new Promise<never>(() => {})
      }
    })
    const opened = await Promise.all(Array.from({ length: 32 }, async () => openStream(connection)))
    opened.forEach(stream => { stream.send(request) })
    await until(() => asked === 32)
    opened.forEach(stream => { stream.send(requests) })

    expect(await Promise.all(opened.map(async ({ ended }) => ended))).toEqual(opened.map(() => 'reset'))
    await until(() => streams().length === 0)
  })
})

describe('maxMessageSize', () => {
  it('is the most a request may have', async () => {
    const { connection, record } = await start({ maxMessageSize: 1_000 })
    const request = register('my-app', record)
    const padding = 1_000 - request.length - 3
    // an unknown field makes it as long as it may be
    const padded = Uint8Array.from([...request, 0x7a, padding & 127 | 128, padding >> 7, ...new Uint8Array(padding)])
    expect(padded).toHaveLength(1_000)

    expect((await (await openStream(connection)).ask(padded))?.registerResponse?.status).toBe(Status.OK)
    const stream = await openStream(connection)
    stream.send(framed(new Uint8Array(1_001)).slice(0, 2))
    expect(await stream.ended).toBe('reset')
  })
})

describe('maxInboundStreams', () => {
  it('is the most that one connection may have open', async () => {
    const { connection, streams } = await start({ maxInboundStreams: 3 })
    const opened = []

    for (let i = 0; i < 3; i++) {
      const stream = await openStream(connection)
      await stream.ask(discover('my-app'))
      opened.push(stream)
    }

    const [first, ...others] = opened
    const tooMany = await openStream(connection)
    expect(await tooMany.ended).toBe('reset')
    expect((await others[0]!.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
    await first?.stream.close()
    await until(() => streams().length === 2)
    expect((await (await openStream(connection)).ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
  })

  it('is 32 unless it is said', async () => {
    const { connection, streams } = await start({ rateLimit: false })
    const opened = await Promise.all(Array.from({ length: 40 }, async () => openStream(connection)))

    await Promise.race(opened.map(async ({ ended }) => ended))
    await until(() => streams().length === 32)
    expect((await Promise.all(opened.slice(0, 3).map(async stream => stream.ask(discover('my-app'))))).map(message => message?.discoverResponse?.status)).toContain(Status.OK)
  })
})

describe('rateLimit', () => {
  it('refuses what is over it, once the interval has passed', async () => {
    // a stream counts as two
    const { connection, record, askAsAnother } = await start({ rateLimit: { requests: 5, interval: 400 } })
    // the interval begins with the stream
    const begun = performance.now()
    const stream = await openStream(connection)
    const statuses = []

    for (let i = 0; i < 3; i++) {
      statuses.push((await stream.ask(discover('my-app')))?.discoverResponse?.status)
    }

    expect(statuses).toEqual([Status.OK, Status.OK, Status.OK])
    const refused = stream.ask(register('my-app', record))
    expect(await askAsAnother()).toBe(Status.OK)
    expect((await refused)?.registerResponse).toEqual({ status: Status.E_UNAVAILABLE, statusText: 'rateLimit (5 requests in 400 ms) is reached' })
    expect(performance.now() - begun).toBeGreaterThan(300)
    expect((await stream.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
  })

  it('is 1,000 requests in 10 seconds unless it is said', async () => {
    const { connection } = await start({ requestTimeout: 100 })
    const stream = await openStream(connection)
    const statuses: unknown[] = []

    for (let i = 0; i < 999; i++) {
      statuses.push((await stream.ask(discover('my-app')))?.discoverResponse?.status)
    }

    // the stream took two
    expect(statuses.slice(0, 998).every(status => status === Status.OK)).toBe(true)
    expect(statuses[998]).toBe(Status.E_UNAVAILABLE)
  })

  it('does not hold for those who ask for none', async () => {
    const { connection } = await start({ rateLimit: false })
    const stream = await openStream(connection)
    let served = 0

    for (let i = 0; i < 1_100; i++) {
      served += (await stream.ask(discover('my-app')))?.discoverResponse?.status === Status.OK ? 1 : 0
    }

    expect(served).toBe(1_100)
  })

  it('is reached sooner by those who ask for large responses', async () => {
    const { connection } = await start({ store: filledStore(), requestTimeout: 200, rateLimit: { requests: 50, interval: 60_000 } })
    const stream = await openStream(connection)
    const statuses = []

    for (let i = 0; i < 4; i++) {
      statuses.push((await stream.ask(discover('large')))?.discoverResponse?.status)
    }

    expect(statuses).toEqual([Status.OK, Status.OK, Status.E_UNAVAILABLE, Status.E_UNAVAILABLE])
  })

  it('is reached sooner by those who have a large namespace listed to them as they watch it', async () => {
    const { connection } = await start({ store: filledStore(), requestTimeout: 200, rateLimit: { requests: 50, interval: 60_000 } })
    const watcher = await Watcher.open(connection)
    const statuses = []

    for (let id = 1; id <= 3; id++) {
      watcher.subscribe(id, 'large')
      let update

      do {
        update = await watcher.update()
      } while (update.more)

      statuses.push(update.status)
    }

    // two megabytes each, in updates of one share or two
    expect(statuses).toEqual([0, 0, 400])
  })

  it('is reached sooner by those who ask again and again who this node is', async () => {
    const { connection, peer, point } = await start({ rateLimit: { requests: 20, interval: 60_000 } })
    let asked = 0

    while (connection.status === 'open' && asked < 100) {
      const stream = await connection.newStream('/ipfs/id/1.0.0').catch(() => undefined)
      asked += stream == null ? 0 : 1
      await stream?.close().catch(() => {})
    }

    expect(asked).toBeLessThan(20)
    await until(() => point.getConnections(peer.peerId).length === 0)
  })

  it('counts each peer for itself, whatever its streams and connections', async () => {
    const { connection, peer, point, askAsAnother } = await start({ requestTimeout: 100, rateLimit: { requests: 6, interval: 60_000 } })
    await (await openStream(connection)).ask(discover('my-app'))
    await connection.close()
    const again = await openStream(await connect(peer, point))

    expect((await again.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
    expect((await again.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.E_UNAVAILABLE)
    expect(await askAsAnother()).toBe(Status.OK)
  })

  it('resets the stream of an UNREGISTER that is over it, which has no other answer', async () => {
    const { connection, point, record } = await start({ requestTimeout: 50, rateLimit: { requests: 3, interval: 60_000 } })
    const stream = await openStream(connection)
    expect((await stream.ask(register('my-app', record)))?.registerResponse?.status).toBe(Status.OK)
    stream.sendMessage(unregister('my-app'))

    expect(await stream.ended).toBe('reset')
    expect(point.services.point.size.registrations).toBe(1)
  })

  it('is not spent by an UNREGISTER that the store cannot carry out', async () => {
    const store = new MemoryStore()
    store.unregister = () => { throw new Error('the disk is gone') }
    const { connection } = await start({ store, rateLimit: { requests: 20, interval: 60_000 } })

    for (let i = 0; i < 5; i++) {
      const stream = await openStream(connection)
      stream.sendMessage(unregister('my-app'))
      expect(await stream.ended).toBe('reset')
    }

    expect((await (await openStream(connection)).ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
  })

  it('lets a flood of requests wait on its stream', async () => {
    const { connection, streams, askAsAnother } = await start({ rateLimit: { requests: 11, interval: 60_000 } })
    const stream = await openStream(connection)
    const flood = framed(discover('my-app'))
    stream.send(Buffer.concat(Array.from({ length: 500 }, () => flood)))
    let served = 0

    while (served < 9) {
      expect((await stream.next())?.discoverResponse?.status).toBe(Status.OK)
      served++
    }

    expect(await askAsAnother()).toBe(Status.OK)
    expect(streams()).toHaveLength(1)
  })

  it('closes the connection of a peer that goes on sending', async () => {
    const { connection, peer, point, askAsAnother } = await start({ maxMessageSize: 1_000, rateLimit: { requests: 10, interval: 60_000 } })
    const flood = Buffer.concat(Array.from({ length: 500 }, () => framed(discover('my-app'))))
    let opened = 0

    // each stream is reset when too much waits on it
    while (connection.status === 'open' && opened < 100) {
      const stream = await openStream(connection).catch(() => undefined)
      opened += stream == null ? 0 : 1

      while (stream?.stream.status === 'open') {
        stream.send(flood)
        await delay(5)
      }
    }

    expect(opened).toBeLessThan(20)
    await until(() => point.getConnections(peer.peerId).length === 0)
    expect(await askAsAnother()).toBe(Status.OK)
  })

  it('closes the connection of a peer that goes on sending nonsense', async () => {
    const { connection, peer, point, askAsAnother } = await start({ rateLimit: { requests: 10, interval: 60_000 } })
    let opened = 0

    while (connection.status === 'open' && opened < 100) {
      const stream = await openStream(connection).catch(() => undefined)
      opened += stream == null ? 0 : 1

      if (stream?.stream.status === 'open') {
        stream.sendMessage(Uint8Array.of(0xff))
        await stream.ended
      }
    }

    expect(opened).toBeLessThan(20)
    await until(() => point.getConnections(peer.peerId).length === 0)
    expect(await askAsAnother()).toBe(Status.OK)
  })

  it('closes the connection of a peer that goes on opening streams', async () => {
    const { connection, peer, point, askAsAnother } = await start({ rateLimit: { requests: 10, interval: 60_000 } })
    let opened = 0

    // each is reset, until nothing is left to open one on
    while (connection.status === 'open' && opened < 1_000) {
      const stream = await openStream(connection).catch(() => undefined)
      opened += stream == null ? 0 : 1
      stream?.stream.abort(new Error('next'))
    }

    expect(opened).toBeLessThan(200)
    await until(() => point.getConnections(peer.peerId).length === 0)
    expect(await askAsAnother()).toBe(Status.OK)

    // nor is it welcome before the interval has passed
    const again = await connect(peer, point)
    await openStream(again).catch(() => {})
    await until(() => point.getConnections(peer.peerId).length === 0)
  })
})

/** A namespace that takes more than one message to list. */
function filledStore (): MemoryStore {
  const store = new MemoryStore()
  const limits = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }

  for (let i = 0; i < 200; i++) {
    store.register({ ...ORIGIN, namespace: 'large', peer: `peer ${i}`, signedPeerRecord: new Uint8Array(10_000), ttl: 7_200_000 }, limits, Date.now())
  }

  return store
}

describe('streams that are opened and reset', () => {
  it('close their connection when they are a thousand, however few requests are made', async () => {
    const { point, peer, connection, askAsAnother } = await start({ rateLimit: false })
    const { muxer } = connection as unknown as { muxer: { createStream: () => Promise<Stream> } }
    const open = (): number => point.getConnections(peer.peerId).length

    for (let i = 0; i < 1_000; i++) {
      (await muxer.createStream()).abort(new Error('changed my mind'))
    }

    await askAsAnother()
    expect(open()).toBe(1)

    for (let i = 0; i < 10; i++) {
      await muxer.createStream().then(stream => { stream.abort(new Error('changed my mind')) }, () => {})
    }

    await until(() => open() === 0)
    expect(await askAsAnother()).toBe(Status.OK)
  })
})

describe('streams that are opened and reset, under a rateLimit', () => {
  it('count for their peer like any other', async () => {
    const { point, peer, connection } = await start({ rateLimit: { requests: 20, interval: 60_000 } })
    const { muxer } = connection as unknown as { muxer: { createStream: () => Promise<Stream> } }

    for (let i = 0; i < 70; i++) {
      await muxer.createStream().then(stream => { stream.abort(new Error('changed my mind')) }, () => {})
    }

    await until(() => point.getConnections(peer.peerId).length === 0)
  })

  it('end their connection once, however many are open when it goes', async () => {
    const { point, peer, connection, askAsAnother } = await start({ rateLimit: { requests: 20, interval: 60_000 } })
    const { muxer } = connection as unknown as { muxer: { createStream: () => Promise<Stream> } }
    const streams = await Promise.all(Array.from({ length: 200 }, async () => muxer.createStream()))
    await delay(50)

    for (const stream of streams.slice(0, 100)) {
      stream.abort(new Error('changed my mind'))
    }

    await until(() => point.getConnections(peer.peerId).length === 0)
    expect(await askAsAnother()).toBe(Status.OK)
  })
})

describe('protocols that are proposed', () => {
  const line = (text: string): Uint8Array => framed(Buffer.from(`${text}\n`))
  const propose = async (connection: Connection, ...lines: Uint8Array[]): Promise<{ stream: Stream, answered: () => string, status: () => string }> => {
    const { muxer } = connection as unknown as { muxer: { createStream: () => Promise<Stream> } }
    const stream = await muxer.createStream()
    let answered = ''
    stream.addEventListener('message', ({ data }) => { answered += Buffer.from(data.subarray()).toString('latin1') })
    stream.send(Buffer.concat([line('/multistream/1.0.0'), ...lines]))

    return { stream, answered: () => answered, status: () => stream.status }
  }

  it('are twenty at the most, and the stream is reset', async () => {
    const { connection, askAsAnother } = await start({})
    const { answered, status } = await propose(connection, ...Array.from({ length: 10_000 }, () => line('/none')))
    await until(() => status() === 'reset')

    expect(answered()).toBe('')
    expect(await askAsAnother()).toBe(Status.OK)
  })

  it('may be some, before one that there is', async () => {
    const { connection } = await start({})
    const { answered } = await propose(connection, ...Array.from({ length: 10 }, () => line('/none')), line('/rendezvous/1.0.0'), framed(discover('my-app')))

    await until(() => answered().includes('/rendezvous/1.0.0') && answered().split('na').length === 11 && answered().includes('my-app'))
  })

  it('are twenty at the most, though they end as one that there is', async () => {
    const { connection } = await start({})
    const { status } = await propose(connection, ...Array.from({ length: 100 }, () => line('x/rendezvous/1.0.0')))

    await until(() => status() === 'reset')
  })

  it.each([
    ['at once', [1, Infinity]],
    ['cut behind it', [40]],
    ['cut before it has ended', [30, 35, 100]]
  ])('end with one that there is, whatever comes behind it: %s', async (_, cuts) => {
    const { connection } = await start({})
    const { stream, answered } = await propose(connection)
    const request = Buffer.concat([line('/rendezvous/1.0.0'), framed(discover('\n'.repeat(200)))])
    let sent = 0

    for (const end of [...cuts, request.byteLength]) {
      stream.send(request.subarray(sent, end))
      sent = Math.min(end, request.byteLength)
    }

    await until(() => answered().includes('\n'.repeat(200)))
  })
})

describe('fairConnections', () => {
  async function crowded (init: RendezvousPointInit): Promise<{ point: PointNode, from: (network: string) => Promise<Connection>, open: () => number }> {
    let network = ''
    const point = await pointNode({ ...init, networkOf: () => network }, { connectionManager: { maxConnections: 4 } })

    return {
      point,
      open: () => point.getConnections().length,
      from: async name => {
        network = name

        return connect(await plainNode(), point)
      }
    }
  }

  it('lets somebody in where most come from elsewhere, and closes the youngest of those', async () => {
    const { from, open, point } = await crowded({})
    const pruned: string[] = []
    point.addEventListener('connection:prune', ({ detail }) => { pruned.push(...detail.map(({ remotePeer }) => remotePeer.toString())) })
    const crowd = [await from('crowd/1'), await from('crowd/2'), await from('crowd/3')]

    // for their own network there is no room
    await expect(from('crowd/4')).rejects.toThrow()
    expect(open()).toBe(3)
    const honest = await from('honest')
    await until(() => crowd[2]!.status !== 'open')

    expect(honest.status).toBe('open')
    expect(crowd.map(({ status }) => status).slice(0, 2)).toEqual(['open', 'open'])
    expect(open()).toBe(3)
    expect(pruned).toHaveLength(1)
  })

  it('may be left to libp2p', async () => {
    const { from, open } = await crowded({ fairConnections: false })

    for (let i = 1; i <= 4; i++) {
      await from(`crowd/${i}`)
    }

    await expect(from('honest')).rejects.toThrow()
    expect(open()).toBe(4)
  })
})

describe('trustedProxies', () => {
  it('are addresses, or networks', () => {
    expect(() => rendezvousPoint({ trustedProxies: ['somewhere'] })({} as any)).toThrow('trustedProxies must have IP addresses, or networks such as 10.0.0.0/8, not somewhere')
  })
})
