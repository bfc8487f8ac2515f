import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { AbandonedStreams, onStreamEnd } from '../../src/point/abandoned-streams.ts'
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
  const open = (): any => Object.assign(new TypedEventEmitter<any>(), { protocol: '', direction: 'inbound' })

  it('are told of by the muxer when they end, with the protocol that they had', () => {
    const muxer = new TypedEventEmitter<any>()
    const ended: string[] = []
    onStreamEnd({ muxer, streams: [] } as unknown as Connection, protocol => { ended.push(protocol) })

    for (const protocol of ['', '/rendezvous/1.0.0', '/ipfs/id/1.0.0']) {
      const stream = open()
      muxer.safeDispatchEvent('stream', { detail: stream })
      stream.protocol = protocol
      stream.safeDispatchEvent('close')
    }

    expect(ended).toEqual(['', '/rendezvous/1.0.0', '/ipfs/id/1.0.0'])
  })

  it('are told of, too, where they were opened before, by the other side', () => {
    const [theirs, own] = [open(), { ...open(), direction: 'outbound' }]
    const muxer = new TypedEventEmitter<any>()
    let ended = 0
    onStreamEnd({ muxer, streams: [theirs, own] } as unknown as Connection, () => { ended++ })
    // once more, for those who did not listen yet
    muxer.safeDispatchEvent('stream', { detail: theirs })
    theirs.safeDispatchEvent('close')

    expect(ended).toBe(1)
  })

  it('are none where there is no muxer', () => {
    expect(() => { onStreamEnd({ streams: [] } as unknown as Connection, () => {}) }).not.toThrow()
  })
})
