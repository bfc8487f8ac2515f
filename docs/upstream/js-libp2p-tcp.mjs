// How many calls of the operating system one newcomer is: node js-libp2p-tcp.mjs
import { Socket } from 'node:net'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const create = listen => createLibp2p({
  addresses: { listen },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  services: { identify: identify() }
})
let [calls, bytes] = [0, 0]
const { _write, _writev } = Socket.prototype
const isOfNode = socket => socket.localPort === port
Socket.prototype._write = function (chunk, ...rest) {
  calls += isOfNode(this) ? 1 : 0
  bytes += isOfNode(this) ? chunk.length : 0

  return _write.call(this, chunk, ...rest)
}
Socket.prototype._writev = function (chunks, ...rest) {
  calls += isOfNode(this) ? 1 : 0

  return _writev.call(this, chunks, ...rest)
}

const node = await create(['/ip4/127.0.0.1/tcp/0'])
const port = Number(String(node.getMultiaddrs()[0]).split('/')[4])
const client = await create([])
await client.dial(node.getMultiaddrs())
await new Promise(resolve => setTimeout(resolve, 1_000))
console.log(`a client that connects and identifies itself: ${calls} calls with ${bytes} bytes`)
process.exit()
