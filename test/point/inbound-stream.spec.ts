import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { InboundStream } from '../../src/point/inbound-stream.ts'
import { Pace } from '../../src/point/pace.ts'
import { pointSettings } from '../../src/point/settings.ts'
import { settle, yamuxStreamPair } from '../fixtures/stream-pair.ts'

/** Requests of one byte, as many as there are numbers. */
const REQUESTS = (count: number): Uint8Array => new Uint8Array(count * 2).fill(1)

afterEach(() => { vi.restoreAllMocks() })

describe('requests that come in one go', () => {
  it('do not keep others from their turn', async () => {
    const [local, remote] = await yamuxStreamPair()
    let now = 0
    let served = 0
    const inEachTurn: number[] = []
    vi.spyOn(performance, 'now').mockImplementation(() => now)

    const serving = new InboundStream(remote, pointSettings({}), new Pace(), () => {
      now += 3
      served++

      return undefined
    }).serve()
    local.send(REQUESTS(30))

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

describe('a request on a stream that this side has closed', () => {
  it('is not carried out: nobody can be told what came of it', async () => {
    const [local, remote] = await yamuxStreamPair()
    const answer = vi.fn(() => Uint8Array.of(1))
    const serving = new InboundStream(remote, pointSettings({}), new Pace(), answer).serve()
    await remote.close()
    await settle()
    local.send(REQUESTS(1))
    await settle()
    await local.close()
    await serving

    expect(answer).not.toHaveBeenCalled()
  })
})
