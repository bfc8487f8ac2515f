// Each datagram takes a hundred kilobytes: node js-libp2p-webrtc.mjs
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'
import { noise } from '@libp2p/noise'
import { webRTCDirect } from '@libp2p/webrtc'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const DATAGRAMS = 3_000

/** A binding request of STUN, with a signature that is none. */
function bindingRequest () {
  const name = Buffer.from(`libp2p+webrtc+v1/${randomBytes(12).toString('hex')}`)
  const user = Buffer.concat([name, Buffer.from(':'), name])
  const attributes = Buffer.concat([Buffer.from([0, 6, 0, user.length]), user, Buffer.alloc(3 - (user.length - 1) % 4), Buffer.from([0, 8, 0, 20]), randomBytes(20)])

  return Buffer.concat([Buffer.from([0, 1, 0, attributes.length, 0x21, 0x12, 0xa4, 0x42]), randomBytes(12), attributes])
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/udp/0/webrtc-direct'] },
  transports: [webRTCDirect({ rtcConfiguration: { iceServers: [] } })],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})
const port = Number(/udp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1])
const megabytes = () => Math.round(process.memoryUsage.rss() / 1024 / 1024)
const before = megabytes()
const socket = createSocket('udp4')

for (let i = 0; i < DATAGRAMS; i++) {
  socket.send(bindingRequest(), port, '127.0.0.1')

  if (i % 50 === 0) {
    await delay(10)
  }
}

await delay(5_000)
console.log(`${DATAGRAMS} datagrams of ${bindingRequest().length} bytes: ${before} MB before, ${megabytes()} MB after, and ${node.getConnections().length} connections`)
process.exit()
