// One malformed frame ends the process that listens: node js-libp2p-websockets.mjs
import { connect } from 'node:net'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
  transports: [webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})

process.on('uncaughtException', err => {
  console.log(`uncaught, and the end of the process: ${err.message}`)
  process.exit(0)
})

const port = Number(/tcp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1])
const socket = connect(port, '127.0.0.1')
socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
// reserved bits are set
socket.once('data', () => { socket.write(Uint8Array.of(0xf2, 0x80, 0, 0, 0, 0)) })

setTimeout(() => {
  console.log('the process goes on: this is mended')
  process.exit(1)
}, 3_000)
