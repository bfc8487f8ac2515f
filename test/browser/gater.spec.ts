import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { gaterFor } from '../../src/browser/gater.ts'

const WSS = '/dns4/example.com/tcp/443/wss'
const WS = '/dns4/example.com/tcp/80/ws'
const PRIVATE_WSS = '/ip4/192.168.0.1/tcp/443/tls/ws'
const LOCAL_WS = '/ip4/127.0.0.1/tcp/80/ws'
const DIRECT = '/ip4/1.2.3.4/udp/9000/webrtc-direct'
const ID = '/p2p/12D3KooWEgkGrARt6rdQA4HtY4hsfTzLqdJnGQC1EKnJ3zKCMTLu'

describe('the gater of a page', () => {
  function allowed (...points: string[]): string[] {
    const { denyDialMultiaddr } = gaterFor(points)

    return [WSS, WS, PRIVATE_WSS, LOCAL_WS, DIRECT].filter(address => denyDialMultiaddr!(multiaddr(address)) === false)
  }

  it('refuses private addresses and ws:// where the points are at public ones, as libp2p does in pages', () => {
    expect(allowed(WSS, DIRECT)).toEqual([WSS, DIRECT])
    expect(allowed()).toEqual([WSS, DIRECT])
  })

  it('dials ws:// where a point is at one', () => {
    expect(allowed(WSS, WS)).toEqual([WSS, WS, DIRECT])
  })

  it('dials private addresses where a point is at one', () => {
    expect(allowed(PRIVATE_WSS)).toEqual([WSS, PRIVATE_WSS, DIRECT])
    expect(allowed(LOCAL_WS)).toEqual([WSS, WS, PRIVATE_WSS, LOCAL_WS, DIRECT])
  })

  it('has the same to say of what is behind a relay', () => {
    const { denyDialMultiaddr } = gaterFor([WSS])

    expect([WSS, LOCAL_WS].map(address => denyDialMultiaddr!(multiaddr(`${address}${ID}/p2p-circuit/webrtc${ID}`)))).toEqual([false, true])
  })
})
