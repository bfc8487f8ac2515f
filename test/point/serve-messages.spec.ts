import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { serveMessages } from '../../src/point/serve-messages.ts'
import { bytes, frame, KIB, MAX_MESSAGE_SIZE, testReading, WINDOW } from '../fixtures/framing.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'
import type { ReadAll } from '../fixtures/framing.ts'

const options = { maxMessageSize: MAX_MESSAGE_SIZE }

const serveAll: ReadAll = async (stream, maxMessageSize) => {
  const all: Uint8Array[] = []
  await serveMessages(stream, { maxMessageSize, onPartial: () => {} }, message => { all.push(message.subarray()) })

  return all
}

testReading('serving messages at once', serveAll, 'InvalidMessageError')

testReading('serving messages that take time', async (stream, maxMessageSize) => {
  const all: Uint8Array[] = []
  await serveMessages(stream, { maxMessageSize, onPartial: () => {} }, async message => {
    await setImmediate()
    all.push(message.subarray())
  })

  return all
}, 'InvalidMessageError')

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

  it.each([[[0x80, 0]], [[0x83, 0]], [[0x83, 0x80, 0]]])('refuses a length that is longer than it has to be: %j', async length => {
    const [local, remote] = await yamuxStreamPair()
    const served = serveMessages(remote, { ...options, onPartial: () => {} }, () => {})
    local.send(Uint8Array.from([...length, 1, 2, 3]))

    await expect(served).rejects.toMatchObject({ name: 'InvalidDataLengthLengthError' })
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

    await expect(serveAll(remote, MAX_MESSAGE_SIZE)).resolves.toEqual([])
  })

  it('leaves no listener behind', async () => {
    const [local, remote] = await yamuxStreamPair()
    const counts = (): number[] => ['message', 'close', 'remoteCloseWrite'].map(type => (remote as any).listenerCount(type))
    const before = counts()
    const served = serveAll(remote, MAX_MESSAGE_SIZE)
    expect(counts()).not.toEqual(before)
    await local.close()
    await served

    expect(counts()).toEqual(before)
  })
})
