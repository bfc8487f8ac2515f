// A relay forgets a reservation that was renewed, and keeps one whose peer has left: node js-libp2p-circuit-relay.mjs
import { circuitRelayServer, RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

// two hours by default, and a renewal some minutes before the end
const TTL = 2_000
const RENEWAL = 1_600

const node = (...listen) => ({ addresses: { listen }, transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
const relay = await createLibp2p({ ...node('/ip4/127.0.0.1/tcp/0'), services: { identify: identify(), relay: circuitRelayServer({ reservations: { reservationTtl: TTL } }) } })
const peer = await createLibp2p(node())
const connection = await peer.dial(relay.getMultiaddrs())

async function reserve () {
  const stream = await connection.newStream(RELAY_V2_HOP_CODEC)
  const messages = lpStream(stream)
  // RESERVE
  await messages.write(Uint8Array.of(8, 0))
  await messages.read()
  await stream.close()
}

let forgotten

for (let renewal = 0; renewal <= 10 && forgotten == null; renewal++) {
  await reserve()

  for (const end = Date.now() + RENEWAL; Date.now() < end && forgotten == null;) {
    await new Promise(resolve => setTimeout(resolve, 50))
    forgotten = relay.services.relay.reservations.has(peer.peerId) ? undefined : renewal
  }
}

console.log(forgotten == null ? 'There was a reservation throughout ten renewals' : `${RENEWAL} ms after each the reservation was renewed, for ${TTL} ms, and after ${forgotten} renewals it is gone`)

await reserve()
await peer.stop()
await new Promise(resolve => setTimeout(resolve, 500))
console.log(`The peer has left, and there ${relay.services.relay.reservations.size === 1 ? 'is a reservation' : 'is none'}`)
await relay.stop()
process.exit()
