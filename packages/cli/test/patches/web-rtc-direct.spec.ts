import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { noise } from '@libp2p/noise'
import { webRTCDirect } from '@libp2p/webrtc'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { networkRule } from 'libp2p-rendezvous'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bound, boundedWebRtcDirect } from '../../src/patches/web-rtc-direct.ts'
import type { Libp2p } from '@libp2p/interface'

const nodes: Libp2p[] = []

afterEach(async () => { await Promise.all(nodes.splice(0).map(async node => node.stop())) })

interface Handshake {
  key: string
  signal: AbortSignal
  end: () => void
}

/** A listener whose connections are made as the test says. */
function listener (max: number): { ask: (host: string, ufrag: string, signal?: AbortSignal) => Promise<void>, begun: Handshake[] } {
  const begun: Handshake[] = []
  const target = {
    incomingConnection: async (ufrag: string, host: string, port: number, signal: AbortSignal) => new Promise<void>((resolve, reject) => {
      begun.push({ key: `${host} ${ufrag}`, signal, end: resolve })
      signal.addEventListener('abort', () => { reject(signal.reason) })
    })
  }
  bound(target, networkRule(), max)

  return { begun, ask: async (host, ufrag, signal = new AbortController().signal) => target.incomingConnection(ufrag, host, 4_000, signal) }
}

describe('connections over WebRTC-direct', () => {
  it('are made so many at a time, and the next when one has been made', async () => {
    const { ask, begun } = listener(2)
    const first = ask('192.0.2.1', 'a')
    ask('192.0.2.1', 'b').catch(() => {})
    await ask('192.0.2.1', 'c')
    expect(begun.map(({ key }) => key)).to.deep.equal(['192.0.2.1 a', '192.0.2.1 b'])

    begun[0]?.end()
    await first
    ask('192.0.2.1', 'c').catch(() => {})
    expect(begun.at(-1)?.key).to.equal('192.0.2.1 c')
  })

  it('are shared between networks', async () => {
    const { ask, begun } = listener(2)
    const older = ask('192.0.2.1', 'a')
    const younger = ask('192.0.2.1', 'b')
    ask('2001:db8::1', 'c').catch(() => {})

    await expect(younger).rejects.toThrow('There are too many handshakes')
    expect(begun.map(({ signal }) => signal.aborted)).to.deep.equal([false, true, false])
    begun[0]?.end()
    await older
  })

  it('end when the listener has them end', async () => {
    const { ask } = listener(1)
    const controller = new AbortController()
    const asked = ask('192.0.2.1', 'a', controller.signal)
    controller.abort(new Error('It stops'))

    await expect(asked).rejects.toThrow('It stops')
  })

  it('are left to a listener that makes them otherwise', () => {
    expect(() => { bound({}, networkRule(), 1) }).to.not.throw()
  })
})

/** A binding request of STUN, with a signature that is none. */
function bindingRequest (): Buffer {
  const name = Buffer.from(`libp2p+webrtc+v1/${randomBytes(12).toString('hex')}`)
  const user = Buffer.concat([name, Buffer.from(':'), name])
  const attributes = Buffer.concat([Buffer.from([0, 6, 0, user.length]), user, Buffer.alloc(3 - (user.length - 1) % 4), Buffer.from([0, 8, 0, 20]), randomBytes(20)])

  return Buffer.concat([Buffer.from([0, 1, 0, attributes.length, 0x21, 0x12, 0xa4, 0x42]), randomBytes(12), attributes])
}

describe('datagrams that ask for connections which nobody wants', () => {
  it('have so many made at a time, and whoever wants one gets it after that', async () => {
    const max = 5
    let made = 0
    const node = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/udp/0/webrtc-direct'] },
      transports: [boundedWebRtcDirect(components => {
        const transport = webRTCDirect({ rtcConfiguration: () => { made++; return { iceServers: [] } } })(components)

        return transport
      }, networkRule(), max)],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionManager: { inboundUpgradeTimeout: 1_000 }
    })
    const [address] = node.getMultiaddrs()
    const socket = createSocket('udp4')

    for (let i = 0; i < 50; i++) {
      socket.send(bindingRequest(), Number(/udp\/(\d+)/.exec(String(address))?.[1]), '127.0.0.1')
    }

    await vi.waitFor(() => { expect(made).to.equal(max) })
    const client = await createLibp2p({ transports: [webRTCDirect({ rtcConfiguration: { iceServers: [] } })], connectionEncrypters: [noise()], streamMuxers: [yamux()], connectionGater: { denyDialMultiaddr: () => false } })
    nodes.push(node, client)
    const connection = await client.dial(node.getMultiaddrs())
    socket.close()

    expect(connection.status).to.equal('open')
    expect(made).to.be.at.most(max + 1)
  }, 30_000)
})
