import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { readMessages } from '../../src/client/read-messages.ts'
import { bytes, frame, KIB, MAX_MESSAGE_SIZE, testReading, WINDOW } from '../fixtures/framing.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'

const options = { maxMessageSize: MAX_MESSAGE_SIZE }

testReading('reading messages', async (stream, maxMessageSize) => {
  const all = []

  for await (const message of readMessages(stream, { maxMessageSize })) {
    all.push(message.subarray())
  }

  return all
}, 'UnexpectedEOFError')

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
