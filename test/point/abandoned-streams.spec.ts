import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { AbandonedStreams, onInboundStream } from '../../src/point/abandoned-streams.ts'
import type { Connection } from '@libp2p/interface'

describe('streams that end without a protocol', () => {
  it('may be a thousand in ten seconds', () => {
    const streams = new AbandonedStreams()

    for (let i = 0; i < 1_000; i++) {
      expect(streams.add(5_000 + i)).toBe(false)
    }

    expect(streams.add(14_999)).toBe(true)
    expect(streams.add(15_000)).toBe(false)
  })
})

describe('the streams of a connection', () => {
  const stream = (direction: string): any => Object.assign(new TypedEventEmitter<any>(), { direction })

  it('are told of by the muxer, those of before as well, and each once', () => {
    const muxer = new TypedEventEmitter<any>()
    const [early, late] = [stream('inbound'), stream('inbound')]
    const seen: unknown[] = []
    onInboundStream({ muxer, streams: [early, stream('outbound')] } as unknown as Connection, stream => { seen.push(stream) })
    muxer.safeDispatchEvent('stream', { detail: early })
    muxer.safeDispatchEvent('stream', { detail: late })

    expect(seen).toEqual([early, late])
  })

  it('are none where there is no muxer', () => {
    expect(() => { onInboundStream({ streams: [] } as unknown as Connection, () => {}) }).not.toThrow()
  })
})
