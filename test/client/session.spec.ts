import { getEventListeners } from 'node:events'
import { ConnectionClosedError, StreamCloseEvent } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import * as varint from 'uint8-varint'
import { describe, expect, it } from 'vitest'
import { Session } from '../../src/client/session.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'
import type { Stream } from '@libp2p/interface'

const MIB = 1024 * 1024

/** A session, and the point's ends of the streams that it opens. */
function openSession (onStream: (stream: Stream) => void = () => {}, timeout = 10_000): { session: Session, streams: Stream[] } {
  const streams: Stream[] = []
  const session = new Session({
    name: 'the point',
    timeout,
    openStream: async () => {
      const [local, remote] = await yamuxStreamPair()
      streams.push(remote)
      onStream(remote)

      return local
    }
  })

  return { session, streams }
}

/** What a point does with each message: it answers with the same, unless it is told otherwise. */
function echo (answer: (text: string, stream: Stream) => Promise<string | undefined> | string | undefined = text => text, seen: string[] = []) {
  return (stream: Stream): void => {
    (async () => {
      for await (const bytes of lp.decode(stream)) {
        const text = new TextDecoder().decode(bytes.subarray())
        seen.push(text)
        const response = await answer(text, stream)

        if (response != null) {
          stream.send(lp.encode.single(new TextEncoder().encode(response)))
        }
      }

      await stream.close()
    })().catch(() => {})
  }
}

async function request (session: Session, text: string, signal?: AbortSignal): Promise<string> {
  const bytes = await session.step(async turn => turn.request(new TextEncoder().encode(text)), signal)

  return new TextDecoder().decode(bytes.subarray())
}

describe('a session whose stream ends while it is opened', () => {
  it.each([
    ['with a reason', new Error('the cable was cut'), { message: 'the cable was cut' }],
    ['without one', undefined, { name: 'StreamResetError', message: 'the point closed the stream' }]
  ])('fails with an error, not with the event that libp2p rejects with: %s', async (_, reason, error) => {
    const session = new Session({
      name: 'the point',
      timeout: 1_000,

      openStream: async () => Promise.reject(new StreamCloseEvent(true, reason))
    })

    const failure = await request(session, 'one').catch(err => err)
    expect(failure).toBeInstanceOf(Error)
    expect(failure).toMatchObject(error)
  })
})

describe('a step', () => {
  it('is not overtaken between its requests by what was asked for meanwhile', async () => {
    const seen: string[] = []
    const { session } = openSession(echo(undefined, seen))
    const first = session.step(async turn => {
      await turn.request(new TextEncoder().encode('one'))
      await settle()
      await turn.request(new TextEncoder().encode('two'))
    })
    const second = request(session, 'three')
    await Promise.all([first, second])

    expect(seen).toEqual(['one', 'two', 'three'])
  })

  it('is not overtaken when the first of its requests fails', async () => {
    const seen: string[] = []
    const { session } = openSession(echo((text, stream) => {
      if (text === 'one') {
        stream.abort(new Error('unreadable'))
      } else {
        return text
      }
    }, seen))
    const first = session.step(async turn => {
      await turn.request(new TextEncoder().encode('one')).catch(() => {})
      await turn.request(new TextEncoder().encode('two'))
    })
    await Promise.all([first, session.step(async turn => turn.tell(new TextEncoder().encode('three')))])

    expect(seen).toEqual(['one', 'two', 'three'])
  })

  it('is taken in the order of asking, also when one that waited has given up', async () => {
    const seen: string[] = []
    const go = Promise.withResolvers<void>()
    const { session } = openSession(echo(async text => {
      await go.promise

      return text
    }, seen))
    const controller = new AbortController()
    const results = ['one', 'two', 'three'].map(async text => request(session, text, text === 'two' ? controller.signal : undefined).catch(err => err.name))
    await settle()
    controller.abort()
    await settle()
    go.resolve()

    expect(await Promise.all(results)).toEqual(['one', 'AbortError', 'three'])
    expect(seen).toEqual(['one', 'three'])
    expect(session.isIdle).toBe(true)
  })

  it('ends in time when the point is silent, and so does the one that waits', async () => {
    const { session } = openSession(echo(() => undefined), 20)

    const results = await Promise.allSettled([request(session, 'one'), request(session, 'two')])
    expect(results).toMatchObject([{ reason: { name: 'TimeoutError' } }, { reason: { name: 'TimeoutError' } }])
  })

  it('leaves nothing on its caller\'s signal', async () => {
    const { session } = openSession(echo())
    const { signal } = new AbortController()
    await request(session, 'one', signal)
    await session.step(async turn => turn.tell(new TextEncoder().encode('two')), signal)
    await session.step(async () => { throw new Error('failed') }, signal).catch(() => {})

    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('ends with what the session is closed with, on its way or waiting', async () => {
    const { session } = openSession(echo(() => undefined))
    const results = Promise.allSettled([request(session, 'one'), request(session, 'two')])
    await settle()
    session.close(new ConnectionClosedError('gone'))

    expect(await results).toMatchObject([{ reason: { name: 'ConnectionClosedError' } }, { reason: { name: 'ConnectionClosedError' } }])
  })

  it('ends with AbortError when the session is closed for no reason, and another may follow', async () => {
    const { session, streams } = openSession(echo(text => text === 'one' ? undefined : text))
    const result = request(session, 'one')
    await settle()
    session.close()

    await expect(result).rejects.toMatchObject({ name: 'AbortError' })
    expect(await request(session, 'two')).toBe('two')
    expect(streams).toHaveLength(2)
  })
})

describe('a response', () => {
  /** A point that answers the first request on each stream with these bytes. */
  function answering (...pieces: Uint8Array[]): (stream: Stream) => void {
    return stream => { stream.addEventListener('message', () => { pieces.forEach(piece => { stream.send(piece) }) }, { once: true }) }
  }

  it('is put together wherever it is cut', async () => {
    const framed = lp.encode.single(new TextEncoder().encode('x'.repeat(200))).subarray()

    for (let cut = 1; cut < framed.length; cut++) {
      const { session } = openSession(answering(framed.slice(0, cut), framed.slice(cut)))

      expect(await request(session, 'one')).toBe('x'.repeat(200))
    }
  })

  it('is put together from single bytes', async () => {
    const framed = lp.encode.single(new TextEncoder().encode('x'.repeat(200))).subarray()
    const { session } = openSession(answering(...[...framed].map(byte => Uint8Array.of(byte))))

    expect(await request(session, 'one')).toBe('x'.repeat(200))
  })

  it('may be empty', async () => {
    const { session } = openSession(answering(Uint8Array.of(0)))

    expect(await request(session, 'one')).toBe('')
  })

  it('may have four mebibytes', async () => {
    const { session } = openSession(answering(lp.encode.single(new Uint8Array(4 * MIB)).subarray()))

    const response = await session.step(async turn => turn.request(Uint8Array.of(1)))
    expect(response.byteLength).toBe(4 * MIB)
  })

  it.each([
    ['is longer', varint.encode(4 * MIB + 1)],
    ['has a length that does not end', new Uint8Array(6).fill(0xff)]
  ])('is not waited for when it %s', async (_, prefix) => {
    const { session, streams } = openSession(answering(prefix))

    await expect(request(session, 'one')).rejects.toMatchObject({ name: 'ProtocolError' })
    expect(session.isIdle).toBe(true)
    await expect.poll(() => streams[0]!.status).not.toBe('open')
  })

  it.each([0, 1, 100])('fails when the point closes the stream after %d bytes of it', async length => {
    const framed = lp.encode.single(new Uint8Array(200)).subarray()
    const { session } = openSession(stream => {
      stream.addEventListener('message', () => {
        if (length > 0) {
          stream.send(framed.slice(0, length))
        }

        stream.close().catch(() => {})
      })
    })

    await expect(request(session, 'one')).rejects.toMatchObject({ name: 'ProtocolError', message: expect.stringContaining('the point') })
  })

  it('that nobody asked for is held back, and not taken for what is asked for next', async () => {
    const { session, streams } = openSession(echo())
    await request(session, 'one')
    const [stream] = streams

    for (let sent = 0; sent < 6; sent++) {
      stream!.send(new Uint8Array(MIB))
    }

    await settle()
    expect(stream!.writableNeedsDrain).toBe(true)
    expect(await request(session, 'two')).toBe('two')
    expect(streams).toHaveLength(2)
  })
})
