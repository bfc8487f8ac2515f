import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { AbandonedStreams, onAbandoned } from '../../src/point/abandoned-streams.ts'
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

  it('are told of by the muxer', () => {
    const muxer = new TypedEventEmitter<any>()
    let abandoned = 0
    onAbandoned({ muxer } as unknown as Connection, () => { abandoned++ })

    for (const protocol of ['', '/rendezvous/1.0.0', '']) {
      const stream = Object.assign(new TypedEventEmitter<any>(), { protocol: '' })
      muxer.safeDispatchEvent('stream', { detail: stream })
      stream.protocol = protocol
      stream.safeDispatchEvent('close')
    }

    expect(abandoned).toBe(2)
  })

  it('are none where there is no muxer', () => {
    expect(() => { onAbandoned({} as unknown as Connection, () => {}) }).not.toThrow()
  })
})
