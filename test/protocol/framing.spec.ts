import { setImmediate } from 'node:timers/promises'
import * as lp from 'it-length-prefixed'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { readMessages } from '../../src/client/read-messages.ts'
import { serveMessages } from '../../src/point/serve-messages.ts'
import { writeMessage } from '../../src/protocol/write-message.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'
import type { Stream } from '@libp2p/interface'

const KIB = 1024
const WINDOW = 256 * KIB
const options = { maxMessageSize: 16 * KIB }

function frame (...messages: Uint8Array[]): Uint8Array {
  return new Uint8ArrayList(...messages.map(message => lp.encode.single(message))).subarray()
}

function bytes (length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

type ReadAll = (stream: Stream, maxMessageSize?: number) => Promise<Uint8Array[]>

const readAll: ReadAll = async (stream, maxMessageSize = options.maxMessageSize) => {
  const all = []

  for await (const message of readMessages(stream, { maxMessageSize })) {
    all.push(message.subarray())
  }

  return all
}

const serveAll: ReadAll = async (stream, maxMessageSize = options.maxMessageSize) => {
  const all: Uint8Array[] = []
  await serveMessages(stream, { maxMessageSize, onPartial: () => {} }, message => { all.push(message.subarray()) })

  return all
}

const serveAllSlowly: ReadAll = async (stream, maxMessageSize = options.maxMessageSize) => {
  const all: Uint8Array[] = []
  await serveMessages(stream, { maxMessageSize, onPartial: () => {} }, async message => {
    await setImmediate()
    all.push(message.subarray())
  })

  return all
}

/** How many turns of the event loop a condition may take to come true. */
async function until (condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn++) {
    await setImmediate()
  }

  expect(condition()).toBe(true)
}

const messages = [bytes(3, 1), bytes(0, 0), bytes(200, 2), bytes(1, 3)]
const framed = frame(...messages)

const ways: Array<{ way: string, read: ReadAll, failure: string }> = [
  { way: 'reading messages', read: readAll, failure: 'UnexpectedEOFError' },
  { way: 'serving messages at once', read: serveAll, failure: 'InvalidMessageError' },
  { way: 'serving messages that take time', read: serveAllSlowly, failure: 'InvalidMessageError' }
]

for (const { way, read, failure } of ways) {
  describe(way, () => {
    it('puts messages together wherever the chunks are cut', async () => {
      for (let cut = 1; cut < framed.length; cut++) {
        const [local, remote] = await yamuxStreamPair()
        const all = read(remote)

        local.send(framed.slice(0, cut))
        await settle()
        local.send(framed.slice(cut))
        await local.close()

        expect(await all).toEqual(messages)
      }
    })

    it('puts messages together from single bytes', async () => {
      const [local, remote] = await yamuxStreamPair()
      const all = read(remote)

      for (const byte of framed) {
        local.send(Uint8Array.of(byte))
      }

      await local.close()

      expect(await all).toEqual(messages)
    })

    it('reads what arrived before anybody read', async () => {
      const [local, remote] = await yamuxStreamPair()
      local.send(framed)
      await local.close()
      await settle()

      expect(await read(remote)).toEqual(messages)
    })

    it('ends when the other side closes between messages', async () => {
      const [local, remote] = await yamuxStreamPair()
      const all = read(remote)
      await local.close()

      expect(await all).toEqual([])
    })

    it('fails when the other side closes inside a message', async () => {
      for (const cut of [1, 3, 100, 201]) {
        const [local, remote] = await yamuxStreamPair()
        const all = read(remote)
        local.send(frame(bytes(200, 1)).slice(0, cut))
        await local.close()

        await expect(all).rejects.toMatchObject({ name: failure })
      }
    })

    it('refuses a message that is too long from its length alone', async () => {
      const [local, remote] = await yamuxStreamPair()
      const all = read(remote, 1000)
      local.send(frame(bytes(1001, 1)).slice(0, 2))

      await expect(all).rejects.toMatchObject({ name: 'InvalidDataLengthError' })
    })

    it('accepts a message that is just not too long', async () => {
      const [local, remote] = await yamuxStreamPair()
      const all = read(remote, 1000)
      local.send(frame(bytes(1000, 1)))
      await local.close()

      expect(await all).toEqual([bytes(1000, 1)])
    })

    it('refuses a length that does not end', async () => {
      const [local, remote] = await yamuxStreamPair()
      const all = read(remote)
      local.send(bytes(6, 0xff))

      await expect(all).rejects.toMatchObject({ name: 'InvalidDataLengthLengthError' })
    })
  })
}

describe('reading messages', () => {
  it('fails when the stream is reset, also while a message is worked on', async () => {
    const [local, remote] = await yamuxStreamPair()
    const messages = readMessages(remote, options)
    local.send(frame(bytes(3, 1), bytes(3, 2)).slice(0, 6))
    await messages.next()
    local.abort(new Error('gone'))
    await settle()

    await expect(messages.next()).rejects.toMatchObject({ name: 'StreamResetError' })
  })

  it('has nothing to read on a stream that was reset before', async () => {
    const [local, remote] = await yamuxStreamPair()
    local.abort(new Error('gone'))
    await settle()

    await expect(readMessages(remote, options).next()).resolves.toEqual({ done: true, value: undefined })
  })

  it('fails with the error that this side aborted the stream with', async () => {
    const [, remote] = await yamuxStreamPair()
    const message = readMessages(remote, options).next()
    const failure = new Error('enough')
    await settle()
    remote.abort(failure)

    await expect(message).rejects.toBe(failure)
  })

  it('leaves no listener behind', async () => {
    const [local, remote] = await yamuxStreamPair()
    const counts = (): number[] => ['message', 'close', 'remoteCloseWrite'].map(type => (remote as any).listenerCount(type))
    const before = counts()
    local.send(frame(bytes(3, 1)))

    const messages = readMessages(remote, options)
    await messages.next()
    expect(counts()).not.toEqual(before)
    await messages.return(undefined)

    expect(counts()).toEqual(before)
  })

  it('loses nothing when the sender is faster', async () => {
    const [local, remote] = await yamuxStreamPair()
    const count = 3_000
    let received = 0
    local.send(frame(...Array.from({ length: count }, (_, i) => bytes(KIB, i % 256))))
    const closed = local.close()

    for await (const message of readMessages(remote, options)) {
      expect(message.get(0)).toBe(received++ % 256)
      // as slow as a request that takes a turn of the event loop
      await setImmediate()
    }

    await closed
    expect(received).toBe(count)
  })

  it('stops a sender whose messages nobody asks for', async () => {
    const [local, remote] = await yamuxStreamPair()
    const messages = readMessages(remote, options)
    local.send(frame(...Array.from({ length: 4_000 }, () => bytes(KIB, 1))))
    await messages.next()
    await settle()

    expect(remote.readBufferLength).toBeLessThanOrEqual(WINDOW)
    expect(local.writeBufferLength).toBeGreaterThan(3 * KIB * KIB)
  })

  it('stops it again after it has taken what was waiting', async () => {
    const [local, remote] = await yamuxStreamPair()
    const messages = readMessages(remote, options)
    local.send(frame(bytes(KIB, 1)))
    await messages.next()
    local.send(frame(...Array.from({ length: 3_000 }, () => bytes(KIB, 1))))
    await settle()
    await messages.next()
    await settle()

    // what was waiting, and what yamux let through when it was taken: it may double its window then
    expect(remote.readBufferLength).toBeLessThanOrEqual(2 * WINDOW)
    expect(local.writeBufferLength).toBeGreaterThan(2 * KIB * KIB - WINDOW)
  })
})

describe('serving messages', () => {
  it('serves a message in the event that brings it', async () => {
    const [local, remote] = await yamuxStreamPair()
    const seen: string[] = []
    const served = serveMessages(remote, { ...options, onPartial: () => {} }, () => { seen.push('served') })
    remote.addEventListener('message', () => { seen.push('next listener') })
    local.send(frame(bytes(3, 1)))
    await local.close()
    await served

    expect(seen).toEqual(['served', 'next listener'])
  })

  it('serves one message after the other', async () => {
    const [local, remote] = await yamuxStreamPair()
    let isServing = false
    let count = 0
    const served = serveMessages(remote, { ...options, onPartial: () => {} }, message => {
      expect(isServing).toBe(false)

      // some at once, some not
      if (message.get(0) % 2 === 0) {
        count++
        return
      }

      isServing = true

      return setImmediate().then(() => {
        isServing = false
        count++
      })
    })

    for (let i = 0; i < 20; i++) {
      local.send(frame(bytes(3, i), bytes(3, i + 1), bytes(3, i + 2)))
      await setImmediate()
    }

    await local.close()
    await served
    expect(count).toBe(60)
  })

  it('serves thousands that came at once without running out of stack', async () => {
    const [local, remote] = await yamuxStreamPair()
    const count = 50_000
    let served = 0
    local.send(new Uint8Array(count))
    await local.close()
    await serveMessages(remote, { ...options, onPartial: () => {} }, () => { served++ })

    expect(served).toBe(count)
  })

  it('tells of a message that is not whole, and of no other', async () => {
    const [local, remote] = await yamuxStreamPair()
    let partial = 0
    const served = serveMessages(remote, { ...options, onPartial: () => { partial++ } }, () => {})
    const framed = frame(bytes(3, 1))

    local.send(framed)
    await settle()
    expect(partial).toBe(0)
    local.send(framed.slice(0, 1))
    await settle()
    expect(partial).toBe(1)
    local.send(framed.slice(1, 2))
    await settle()
    expect(partial).toBe(2)
    local.send(framed.slice(2))
    await settle()
    expect(partial).toBe(2)
    await local.close()
    await served
  })

  it('stops the sender while a message is worked on', async () => {
    const [local, remote] = await yamuxStreamPair()
    const { promise, resolve } = Promise.withResolvers<void>()
    const served = serveMessages(remote, { ...options, onPartial: () => {} }, async () => promise)
    local.send(frame(...Array.from({ length: 4_000 }, () => bytes(KIB, 1))))
    await settle()

    expect(remote.readBufferLength).toBeLessThanOrEqual(WINDOW)
    expect(local.writeBufferLength).toBeGreaterThan(3 * KIB * KIB)
    resolve()
    await local.close()
    await served
  })

  it('fails with what serving fails with, at once or later, and serves no more', async () => {
    for (const serve of [() => { throw new Error('broken') }, async () => { throw new Error('broken') }]) {
      const [local, remote] = await yamuxStreamPair()
      let count = 0
      local.send(frame(bytes(3, 1), bytes(3, 2)))

      await expect(serveMessages(remote, { ...options, onPartial: () => {} }, () => {
        count++

        return serve()
      })).rejects.toThrow('broken')
      local.send(frame(bytes(3, 3)))
      await settle()
      expect(count).toBe(1)
    }
  })

  it('fails when the stream is reset, once the message in hand is served', async () => {
    const [local, remote] = await yamuxStreamPair()
    const { promise, resolve } = Promise.withResolvers<void>()
    let isOver = false
    const served = serveMessages(remote, { ...options, onPartial: () => {} }, async () => promise)
    served.catch(() => {}).finally(() => { isOver = true })
    local.send(frame(bytes(3, 1)))
    await settle()
    local.abort(new Error('gone'))
    await settle()
    expect(isOver).toBe(false)
    resolve()

    await expect(served).rejects.toMatchObject({ name: 'StreamResetError' })
  })

  it('has nothing to serve on a stream that was reset before', async () => {
    const [local, remote] = await yamuxStreamPair()
    local.abort(new Error('gone'))
    await settle()

    await expect(serveAll(remote)).resolves.toEqual([])
  })

  it('leaves no listener behind', async () => {
    const [local, remote] = await yamuxStreamPair()
    const counts = (): number[] => ['message', 'close', 'remoteCloseWrite'].map(type => (remote as any).listenerCount(type))
    const before = counts()
    const served = serveAll(remote)
    expect(counts()).not.toEqual(before)
    await local.close()
    await served

    expect(counts()).toEqual(before)
  })
})

describe('writing a message', () => {
  /** Reads as much as it is told to, and no more. */
  function reader (stream: Stream): { read: (bytes: number) => Promise<void> } {
    let total = 0
    stream.addEventListener('message', ({ data }) => {
      total += data.byteLength
      stream.pause()
    })

    return {
      read: async bytes => {
        const goal = total + bytes
        stream.resume()
        await until(() => {
          if (total < goal && stream.readStatus === 'paused') {
            stream.resume()
          }

          return total >= goal
        })
      }
    }
  }

  it('puts the length before it', async () => {
    const [local, remote] = await yamuxStreamPair()
    await writeMessage(local, bytes(300, 1))
    await writeMessage(local, bytes(0, 1))
    await local.close()

    expect(await readAll(remote)).toEqual([bytes(300, 1), bytes(0, 1)])
  })

  it('is over when the other side has taken all of it, not when it begins to', async () => {
    const [local, remote] = await yamuxStreamPair()
    const { read } = reader(remote)
    const length = 4 * WINDOW
    let isWritten = false
    const written = Promise.resolve(writeMessage(local, bytes(length, 1))).then(() => { isWritten = true })

    await read(1)
    await settle()
    expect(local.writeBufferLength).toBeGreaterThan(0)
    expect(isWritten).toBe(false)

    await read(length - WINDOW)
    await written
    expect(local.writeBufferLength).toBe(0)
  })

  it('fails with what the stream was aborted with meanwhile', async () => {
    const [local, remote] = await yamuxStreamPair()
    reader(remote)
    const written = writeMessage(local, bytes(4 * WINDOW, 1))
    const failure = new Error('too slow')
    local.abort(failure)

    await expect(written).rejects.toBe(failure)
  })

  it('fails when the other side resets the stream meanwhile', async () => {
    const [local, remote] = await yamuxStreamPair()
    reader(remote)
    const written = writeMessage(local, bytes(4 * WINDOW, 1))
    remote.abort(new Error('enough'))

    await expect(written).rejects.toMatchObject({ name: 'StreamResetError' })
  })

  it('fails on a closed stream', async () => {
    const [local] = await yamuxStreamPair()
    await local.close()

    expect(() => writeMessage(local, bytes(1, 1))).toThrow(expect.objectContaining({ name: 'StreamStateError' }))
  })

  it('stops waiting when it is told to', async () => {
    const [local, remote] = await yamuxStreamPair()
    reader(remote)
    const controller = new AbortController()
    const written = writeMessage(local, bytes(4 * WINDOW, 1), { signal: controller.signal })
    controller.abort()

    await expect(written).rejects.toMatchObject({ name: 'AbortError' })
  })
})
