import { setImmediate } from 'node:timers/promises'
import { StreamMessageEvent } from '@libp2p/interface'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { InboundStream } from '../../src/point/inbound-stream.ts'
import { Pace } from '../../src/point/pace.ts'
import { pointSettings } from '../../src/point/settings.ts'
import { Unsent } from '../../src/point/unsent.ts'
import { FakeStream } from '../fixtures/fake-stream.ts'
import { framed } from '../fixtures/raw-stream.ts'
import { discover, unregister } from '../fixtures/requests.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'
import type { AnswerRequest } from '../../src/point/inbound-stream.ts'
import type { RendezvousPointInit } from '../../src/point/types.ts'
import type { Outbox } from '../../src/point/unsent.ts'
import type { Stream } from '@libp2p/interface'

const RESPONSE = Uint8Array.of(1)

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function outbox (unsent = new Unsent()): Outbox {
  return unsent.outbox({}, 'memory', () => {})
}

function messages (...all: Uint8Array[]): Uint8Array {
  return Uint8Array.from(all.flatMap(message => [...framed(message)]))
}

/** Serves the far end of a stream. Timers are fake: time is what the test says. */
async function serve (answer: AnswerRequest, init: RendezvousPointInit = {}): Promise<{ local: Stream, remote: Stream, inbound: InboundStream, serving: Promise<unknown> }> {
  const [local, remote] = await yamuxStreamPair()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const inbound = new InboundStream(remote, pointSettings({ requestTimeout: 1_000, idleTimeout: 5_000, ...init }), new Pace(), outbox(), answer)

  // what it ended with, if that was an error
  return { local, remote, inbound, serving: inbound.serve().catch(err => err) }
}

describe('requests that come in one go', () => {
  it('do not keep others from their turn', async () => {
    const [local, remote] = await yamuxStreamPair()
    let now = 0
    let served = 0
    const inEachTurn: number[] = []
    vi.spyOn(performance, 'now').mockImplementation(() => now)

    const serving = new InboundStream(remote, pointSettings({}), new Pace(), outbox(), () => {
      now += 3
      served++

      return undefined
    }).serve()
    local.send(messages(...Array.from({ length: 30 }, () => unregister('my-app'))))

    for (let turn = 0; turn < 40; turn++) {
      const before = served
      await setImmediate()
      inEachTurn.push(served - before)
    }

    expect(served).toBe(30)
    expect(Math.max(...inEachTurn)).toBe(2)
    await local.close()
    await serving
  })
})

describe('requests that come in one go on many streams', () => {
  function come (send = (stream: FakeStream): void => { stream.receive(discover('my-app')) }): { streams: FakeStream[], inbound: InboundStream[], served: () => number } {
    const pace = new Pace()
    let now = 0
    let served = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    const streams = Array.from({ length: 60 }, () => new FakeStream())
    const inbound = streams.map(stream => new InboundStream(stream.asStream, pointSettings({ requestTimeout: 1_000 }), pace, outbox(), () => {
      served++
      now++

      return RESPONSE
    }))
    inbound.forEach(stream => { stream.serve().catch(() => {}) })
    streams.forEach(send)

    return { streams, inbound, served: () => served }
  }

  it('do not keep others from their turn', async () => {
    const { streams, served } = come()
    expect(served()).toBeLessThan(30)

    await setImmediate()
    expect(served()).toBeLessThan(60)
    await vi.waitFor(() => { expect(served()).toBe(60) })
    expect(streams.map(stream => stream.read())).toEqual(streams.map(() => [RESPONSE]))
    streams.forEach(stream => { stream.abort() })
  })

  it('are answered when the point stops meanwhile', async () => {
    const { streams, inbound } = come()
    await Promise.all(inbound.map(async stream => stream.finish()))

    expect(streams.map(stream => stream.read())).toEqual(streams.map(() => [RESPONSE]))
  })

  it('are not answered where nobody is there any more when it is their turn', async () => {
    const { streams, inbound, served } = come()
    streams.slice(30).forEach(stream => { stream.abort(new Error('gone')) })
    await Promise.all(inbound.map(async stream => stream.finish()))

    expect(served()).toBe(30)
  })

  it('are not late because of that', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const { streams, served } = come(stream => {
      // as a request that comes in two parts, for the second of which there is a time
      const request = messages(discover('my-app'))
      stream.dispatchEvent(new StreamMessageEvent(request.subarray(0, 5)))
      stream.dispatchEvent(new StreamMessageEvent(request.subarray(5)))
    })
    vi.advanceTimersByTime(1_000)

    expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 'open'))
    await vi.waitFor(() => { expect(served()).toBe(60) })
    streams.forEach(stream => { stream.abort() })
  })
})

describe('a request on a stream that this side has closed', () => {
  it('is not carried out where nobody could be told what came of it', async () => {
    const answer = vi.fn(() => RESPONSE)
    const { local, remote, serving } = await serve(answer)
    await remote.close()
    await settle()
    local.send(messages(discover('my-app')))
    await settle()
    await local.close()

    expect(await serving).toBeUndefined()
    expect(answer).not.toHaveBeenCalled()
  })

  it('is carried out when it is UNREGISTER, which nobody answers', async () => {
    const answer = vi.fn<AnswerRequest>(() => undefined)
    const { local, serving } = await serve(answer)
    // closes it as idle, and this crosses what the peer sends
    vi.advanceTimersByTime(5_000)
    local.send(messages(discover('my-app'), unregister('my-app')))
    await local.close()

    expect(await serving).toBeUndefined()
    expect(answer.mock.calls.map(([request]) => request)).toEqual([{ type: 'unregister', namespace: 'my-app' }])
  })

  it('is carried out when it is UNREGISTER, also when that takes longer than the peer keeps the stream', async () => {
    const done = Promise.withResolvers<undefined>()
    const signals: AbortSignal[] = []
    const { local, remote, serving } = await serve(async (_, signal) => {
      signals.push(signal)

      return done.promise
    })
    vi.advanceTimersByTime(5_000)
    local.send(messages(unregister('my-app')))
    await local.close()
    await settle()
    expect(remote.status).toBe('closed')
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    done.resolve(undefined)

    expect(await serving).toBeUndefined()
  })

  it('may take so long, and no longer, whatever the peer sends', async () => {
    const signals: AbortSignal[] = []
    const { local, serving } = await serve(async (_, signal) => {
      signals.push(signal)

      return new Promise((resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason) }) })
    })
    vi.advanceTimersByTime(5_000)
    local.send(messages(unregister('my-app')))
    await settle()
    vi.advanceTimersByTime(999)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    vi.advanceTimersByTime(1)

    expect(await serving).toMatchObject({ name: 'StreamEndedError', reason: 'slow', message: 'the stream stayed open within 1000 ms' })
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })
})

describe('a stream of a point that stops', () => {
  it('is closed at once when there is nothing to answer', async () => {
    const { local, remote, inbound, serving } = await serve(() => RESPONSE)
    const finished = inbound.finish()
    expect(remote.writeStatus).not.toBe('writable')
    await local.close()
    await finished

    expect(await serving).toBeUndefined()
  })

  it('answers the request in hand, and unregisters what has come to be unregistered', async () => {
    const answering = Promise.withResolvers<Uint8Array>()
    const asked: string[] = []
    const { local, inbound, serving } = await serve(({ type }) => {
      asked.push(type)

      return type === 'unregister' ? undefined : answering.promise
    })
    const received: number[] = []
    local.addEventListener('message', ({ data }) => { received.push(...data.subarray()) })
    local.send(messages(discover('one'), discover('two'), unregister('three')))
    await settle()
    const finished = inbound.finish()
    await settle()
    expect(asked).toEqual(['discover'])
    answering.resolve(RESPONSE)
    await settle()
    await local.close()
    await finished

    expect(await serving).toBeUndefined()
    expect(asked).toEqual(['discover', 'unregister'])
    expect(received).toEqual([1, 1])
  })

  it('is reset when the peer leaves it open, whatever it still sends', async () => {
    const { local, inbound, serving } = await serve(() => undefined)
    const finished = inbound.finish()

    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(99)
      local.send(messages(unregister('my-app')))
      await settle()
    }

    expect(local.status).toBe('open')
    vi.advanceTimersByTime(5)
    await finished

    expect(await serving).toMatchObject({ message: 'This rendezvous point has stopped' })
  })

  it('is not waited for longer because it had been closed before', async () => {
    const { inbound, serving } = await serve(() => undefined, { requestTimeout: 60_000 })
    vi.advanceTimersByTime(5_000)
    const finished = inbound.finish()
    vi.advanceTimersByTime(500)
    await finished

    expect(await serving).toMatchObject({ message: 'This rendezvous point has stopped' })
  })
})
