import { describe, expect, it } from 'vitest'
import { writeMessage } from '../../src/protocol/write-message.ts'
import { bytes, until, WINDOW } from '../fixtures/framing.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'
import type { Stream } from '@libp2p/interface'

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
    const received: number[] = []
    remote.addEventListener('message', ({ data }) => { received.push(...data.subarray()) })
    await writeMessage(local, bytes(300, 1))
    await writeMessage(local, bytes(0, 1))
    await local.close()
    await settle()

    expect(received).toEqual([0xac, 0x02, ...bytes(300, 1), 0])
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
