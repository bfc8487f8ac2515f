import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Status } from '../../src/protocol/errors.ts'
import { Message } from '../../src/protocol/message.ts'
import { plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { connect, framed, openStream } from '../fixtures/raw-stream.ts'
import { badRecords, envelope, identity } from '../fixtures/records.ts'
import { discover, OUT_OF_TURN, register, unregister } from '../fixtures/requests.ts'
import type { PlainNode, PointNode } from '../fixtures/nodes.ts'
import type { RawStream } from '../fixtures/raw-stream.ts'
import type { Identity } from '../fixtures/records.ts'
import type { RendezvousPointInit } from '../../src/index.ts'
import type { Connection } from '@libp2p/interface'

const init: RendezvousPointInit = { rateLimit: false, maxInboundStreams: 1_000, requestTimeout: 5_000, idleTimeout: 60_000 }

const unhandled: unknown[] = []
const onUnhandled = (error: unknown): void => { unhandled.push(error) }

let point: PointNode
let attacker: PlainNode
let connection: Connection
let me: Identity
let record: Uint8Array
let honest: RawStream

beforeAll(async () => {
  process.on('unhandledRejection', onUnhandled)
  process.on('uncaughtException', onUnhandled)
})

afterAll(() => {
  process.off('unhandledRejection', onUnhandled)
  process.off('uncaughtException', onUnhandled)
})

beforeEach(async () => {
  point = await pointNode(init)
  const friend = await identity()
  const friendly = await plainNode({ privateKey: friend.privateKey })
  me = await identity()
  record = await envelope(me)
  attacker = await plainNode({ privateKey: me.privateKey })
  connection = await connect(attacker, point)
  honest = await openStream(await connect(friendly, point))
  await honest.ask(register('honest', await envelope(friend)))
})

afterEach(async () => {
  await pointIsAsBefore()
  await stopNodes()
  expect(unhandled.splice(0)).toEqual([])
})

/** What must hold whatever was sent: nothing is held, nothing is open, and others are served. */
async function pointIsAsBefore (): Promise<void> {
  const { discoverResponse } = await honest.ask(discover('honest')) ?? {}
  expect(discoverResponse).toMatchObject({ status: Status.OK })
  expect(discoverResponse?.registrations).toHaveLength(1)
  await until(() => openStreams() === 0)
  expect(point.services.point.size).toMatchObject({ registrations: 1, namespaces: 1, peers: 1 })

  // and the attacker can behave
  const stream = await openStream(await connect(attacker, point))
  expect((await stream.ask(register('mine', record)))?.registerResponse?.status).toBe(Status.OK)
  stream.sendMessage(unregister('mine'))
  expect((await stream.ask(discover('mine')))?.discoverResponse).toMatchObject({ status: Status.OK, registrations: [] })
  await stream.stream.close()
}

/** Streams of the attacker that the point has open. */
function openStreams (): number {
  return point.getConnections(attacker.peerId).flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === '/rendezvous/1.0.0').length
}

async function until (condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000

  while (!condition() && Date.now() < deadline) {
    await delay(5)
  }

  expect(condition()).toBe(true)
}

/** Sends bytes, half-closes, and resolves to what came back until the stream was over. */
async function exchange (bytes: Uint8Array): Promise<{ responses: Message[], ending: string }> {
  const stream = await openStream(connection)
  const responses: Message[] = []
  stream.send(bytes)
  stream.stream.close().catch(() => {})
  let response: Message | undefined

  while ((response = await stream.next()) != null) {
    responses.push(response)
  }

  return { responses, ending: await stream.ended }
}

function statusesOf (responses: Message[]): unknown[] {
  return responses.map(({ registerResponse, discoverResponse }) => (registerResponse ?? discoverResponse)?.status)
}

describe('bytes that are no request', () => {
  it('end their stream when they are cut off, wherever', async () => {
    for (const request of [register('mine', record, 7_200n), unregister('honest'), discover('honest', { limit: 5n, cookie: new Uint8Array(14) })]) {
      const whole = framed(request)

      await Promise.all(Array.from({ length: whole.length - 1 }, async (_, i) => {
        const { responses, ending } = await exchange(whole.slice(0, i + 1))

        expect(responses, `${i + 1} of ${whole.length} bytes`).toEqual([])
        expect(['reset', 'closed']).toContain(ending)
      }))
    }
  })

  it('end their stream when they are cut off and the length says so', async () => {
    for (const request of [register('mine', record, 2n ** 40n), discover('honest', { limit: 2n ** 63n, cookie: new Uint8Array(14) })]) {
      await Promise.all(Array.from({ length: request.length }, async (_, length) => {
        const { responses, ending } = await exchange(framed(request.slice(0, length)))

        expect(responses, `${length} of ${request.length} bytes`).toEqual([])
        expect(ending).toBe('reset')
      }))
    }
  })

  it.each(OUT_OF_TURN)('reset their stream: %s', async (_, message) => {
    const stream = await openStream(connection)
    stream.sendMessage(message)

    expect(await stream.next()).toBeUndefined()
    expect(await stream.ended).toBe('reset')
  })

  it('do not take back what was answered before them', async () => {
    const stream = await openStream(connection)

    expect((await stream.ask(discover('honest')))?.discoverResponse?.status).toBe(Status.OK)
    expect(await stream.ask(Uint8Array.of(0xff))).toBeUndefined()
    expect(await stream.ended).toBe('reset')
  })

  it.each([
    ['a length that never ends', new Uint8Array(20).fill(0xff)],
    ['a length of 2^53', Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)],
    ['16 MiB announced', Uint8Array.of(0x80, 0x80, 0x80, 0x08)],
    ['a byte more than is allowed', framed(new Uint8Array(16 * 1024 + 1)).slice(0, 3)],
    ['zeros', new Uint8Array(1_000)],
    ['a HTTP request', new TextEncoder().encode('GET / HTTP/1.1\r\nHost: rendezvous.example.com\r\nConnection: keep-alive\r\n\r\n')]
  ])('reset their stream at once: %s', async (_, bytes) => {
    const stream = await openStream(connection)
    stream.send(bytes)

    expect(await stream.next()).toBeUndefined()
    expect(await stream.ended).toBe('reset')
  })

  it('of 16 MiB are not taken in', async () => {
    const stream = await openStream(connection)
    stream.send(Buffer.concat([Uint8Array.of(0x80, 0x80, 0x80, 0x08), new Uint8Array(16 * 1024 * 1024)]))

    expect(await stream.ended).toBe('reset')
  })
})

describe('requests that are wrong', () => {
  it('with a namespace of no or too many bytes are refused', async () => {
    const requests = [undefined, '', 'x'.repeat(255), 'x'.repeat(256), '漢'.repeat(85), '漢'.repeat(86), 'x'.repeat(15_000)].map(namespace => framed(register(namespace, record)))
    const { responses, ending } = await exchange(Buffer.concat([...requests, framed(unregister('x'.repeat(255))), framed(unregister('漢'.repeat(85)))]))

    expect(statusesOf(responses)).toEqual([
      Status.E_INVALID_NAMESPACE, Status.E_INVALID_NAMESPACE, Status.OK, Status.E_INVALID_NAMESPACE,
      Status.OK, Status.E_INVALID_NAMESPACE, Status.E_INVALID_NAMESPACE
    ])
    expect(ending).toBe('closed')
  })

  it('with a namespace of broken UTF-8 reset their stream, and register nothing', async () => {
    for (const request of [register('####', record), unregister('####'), discover('####')]) {
      const broken = Uint8Array.from(request)
      const place = Buffer.from(broken).indexOf('####')
      broken.set([0xed, 0xa0, 0x80, 0xff], place)

      expect(await exchange(framed(broken))).toEqual({ responses: [], ending: 'reset' })
    }
  })

  it('with any TTL, limit or cookie get an answer', async () => {
    const numbers = [0n, 1n, 2n ** 31n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
    const cookies = [0, 1, 7, 8, 9, 263, 264, 10_000].map(length => new Uint8Array(length).fill(0xff))
    const { responses } = await exchange(Buffer.concat([
      ...numbers.map(ttl => framed(register('mine', record, ttl))),
      ...numbers.map(limit => framed(discover('honest', { limit }))),
      ...cookies.map(cookie => framed(discover('honest', { cookie })))
    ]))

    expect(statusesOf(responses)).toEqual([
      ...numbers.map(() => Status.E_INVALID_TTL),
      ...numbers.map(() => Status.OK),
      Status.OK, // an empty cookie is none
      ...cookies.slice(1).map(() => Status.E_INVALID_COOKIE)
    ])
  })

  it('with a bad record are refused, whichever way it is bad', async () => {
    const other = await identity()
    const bad = [...await badRecords(me, other), ['of another peer', await envelope(other), /register only itself/] as const]
    const { responses } = await exchange(Buffer.concat(bad.map(([, record]) => framed(register('mine', record)))))

    expect(responses).toHaveLength(bad.length)
    responses.forEach(({ registerResponse }, i) => {
      const [name, , says] = bad[i]!
      expect(registerResponse?.status, name).toBe(name === 'of another peer' ? Status.E_NOT_AUTHORIZED : Status.E_INVALID_SIGNED_PEER_RECORD)
      expect(registerResponse?.statusText, name).toMatch(says)
    })
  })

  it('do not reach what others registered', async () => {
    const { responses } = await exchange(Buffer.concat([framed(unregister('honest')), framed(discover('honest'))]))

    expect(responses.map(({ discoverResponse }) => discoverResponse?.registrations.length)).toEqual([1])
  })
})

describe('messages with errors', () => {
  const SEED = 62649

  it('get an answer or a reset, four thousand of them', async () => {
    const valid = [register('mine', record, 7_200n), register('mine', record), unregister('mine'), discover('honest', { limit: 10n, cookie: new Uint8Array(14).fill(1) }), discover()]
    const mutation = fc.oneof(
      // a byte or a few are others
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }).map(changes => (message: Uint8Array) => {
        const changed = message.slice()

        for (const [place, byte] of changes) {
          changed[place % changed.length] = byte
        }

        return changed
      }),
      // some are missing, or twice there
      fc.tuple(fc.nat(), fc.nat(40)).map(([place, length]) => (message: Uint8Array) => {
        const at = place % message.length

        return Uint8Array.from([...message.slice(0, at), ...message.slice(at + length)])
      }),
      fc.tuple(fc.nat(), fc.nat(40)).map(([place, length]) => (message: Uint8Array) => {
        const at = place % message.length

        return Uint8Array.from([...message.slice(0, at + length), ...message.slice(at)])
      }),
      // one goes on as another
      fc.tuple(fc.nat(), fc.constantFrom(...valid)).map(([place, other]) => (message: Uint8Array) => {
        const at = place % message.length

        return Uint8Array.from([...message.slice(0, at), ...other.slice(at)])
      }),
      // bytes without any sense
      fc.uint8Array({ maxLength: 400 }).map(bytes => () => bytes)
    )
    const messages = fc.sample(fc.tuple(fc.constantFrom(...valid), mutation).map(([message, mutate]) => mutate(message)), { numRuns: 4_000, seed: SEED })
    const endings = { answered: 0, silent: 0, reset: 0 }
    const known = new Set<unknown>(Object.values(Status))

    // a few at a time, as fast as they end
    const queue = messages.values()
    await Promise.all(Array.from({ length: 20 }, async () => {
      for (const message of queue) {
        const { responses, ending } = await exchange(framed(message))
        statusesOf(responses).forEach(status => { expect(known).toContain(status) })
        expect(responses.length).toBeLessThanOrEqual(1)
        endings[ending === 'reset' ? 'reset' : responses.length > 0 ? 'answered' : 'silent']++
      }
    }))

    // by its luck one may have registered the attacker, and nobody else
    expect(point.services.point.size.peers).toBeLessThanOrEqual(2)
    const { responses } = await exchange(framed(discover()))
    const mine = responses[0]?.discoverResponse?.registrations.map(({ ns }) => ns as string).filter(ns => ns !== 'honest') ?? []
    await exchange(Buffer.concat(mine.map(namespace => framed(unregister(namespace)))))

    // every way to end was met, so the messages were neither all broken nor all whole
    expect(Math.min(endings.answered, endings.reset)).toBeGreaterThan(200)
    expect(endings.silent).toBeGreaterThan(10)
  })

  it('without a length of their own get an answer or a reset too', async () => {
    const valid = framed(discover('honest'))
    const streams = fc.sample(fc.array(fc.oneof(fc.constant(valid), fc.uint8Array({ maxLength: 60 })), { minLength: 1, maxLength: 5 }), { numRuns: 500, seed: SEED })
    const queue = streams.values()

    await Promise.all(Array.from({ length: 20 }, async () => {
      for (const parts of queue) {
        const { ending } = await exchange(Buffer.concat(parts))
        expect(['reset', 'closed']).toContain(ending)
      }
    }))
  })
})

describe('streams that end early', () => {
  it('are let go, at whatever step they are reset', async () => {
    const request = framed(discover('honest'))

    for (let length = 0; length <= request.length; length++) {
      const stream = await openStream(connection)
      stream.send(request.slice(0, length))
      stream.stream.abort(new Error('changed my mind'))
    }

    for (let answered = 0; answered < 5; answered++) {
      const stream = await openStream(connection)

      for (let i = 0; i < answered; i++) {
        await stream.ask(discover('honest'))
      }

      stream.sendMessage(register('honest', record))
      stream.stream.abort(new Error('changed my mind'))
    }

    // a registration that was made before the reset came is one that was asked for
    await exchange(framed(unregister('honest')))
  })

  it('are let go with their connection', async () => {
    const stream = await openStream(connection)
    stream.send(framed(discover('honest')).slice(0, 5))
    await (await openStream(connection)).ask(discover('honest'))
    connection.abort(new Error('unplugged'))
    await until(() => point.getConnections(attacker.peerId).length === 0)
  })
})
