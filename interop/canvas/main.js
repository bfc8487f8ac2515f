// Canvas's client of a rendezvous point, over js-libp2p 2, driven over standard input and output. The
// commands and their answers are described in interop/README.md.
import { createInterface } from 'node:readline'
import { rendezvousClient } from '@canvas-js/libp2p-rendezvous/client'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const PATIENCE = 15_000

const [mode, address] = process.argv.slice(2)

if (mode !== 'client' || address == null) {
  process.stderr.write('usage: main.js client ADDRESS [--listen]\n')
  process.exit(1)
}

const point = multiaddr(address)
const listen = process.argv.includes('--listen')
const node = await createLibp2p({
  addresses: listen ? { listen: ['/ip4/127.0.0.1/tcp/0'] } : { announce: ['/ip4/127.0.0.1/tcp/20000'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), rendezvous: rendezvousClient({ autoDiscover: false }) }
})

const commands = {
  register: async ({ ns, ttl }) => ({ ttl: (await ask(point => point.register(ns, { ttl }))).ttl }),
  unregister: async ({ ns }) => { await ask(point => point.unregister(ns)) },
  discover: async ({ ns, limit }) => ({
    // it has no cookies, and gives what the peer store holds then
    registrations: (await ask(point => point.discover(ns, { limit }))).map(({ id, addresses }) => ({ peer: id.toString(), ns, addresses: addresses.map(({ multiaddr }) => multiaddr.toString()) }))
  }),
  // what it has discovered is in the peer store
  dial: async ({ peer }) => { await node.dial(peerIdFromString(peer)) }
}

function ask (request) {
  return node.services.rendezvous.connect(point, request)
}

function say (answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

say({ event: 'ready', peerId: node.peerId.toString() })

for await (const line of createInterface({ input: process.stdin })) {
  const { cmd, ...args } = JSON.parse(line)
  let timer

  try {
    const late = new Promise((resolve, reject) => { timer = setTimeout(() => { reject(new Error('no answer')) }, PATIENCE) })
    say({ ok: true, ...await Promise.race([commands[cmd](args), late]) })
  } catch (err) {
    // of a refusal it tells only the status
    say(/^E_[A-Z_]+$/.test(err.message) ? { ok: false, status: err.message } : { ok: false, error: `${err.name}: ${err.message}` })
  } finally {
    clearTimeout(timer)
  }
}

await node.stop()
process.exit()
