/** What docs/upstream/js-libp2p.md tells, shown: node docs/upstream/js-libp2p.js */

import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'

const ADDRESS = multiaddr('/ip4/192.0.2.1/tcp/4001')
let lastPort = 0

async function makeNode (options = {}) {
  return createLibp2p({
    addresses: { listen: [`/memory/${++lastPort}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), identifyPush: identifyPush(), inside: components => ({ components }) },
    ...options
  })
}

async function makePeer () {
  const privateKey = await generateKeyPair('Ed25519')

  return { privateKey, peerId: peerIdFromPrivateKey(privateKey) }
}

async function seal ({ peerId, privateKey }, seqNumber = 1n, form = {}) {
  return (await RecordEnvelope.seal(Object.assign(new PeerRecord({ peerId, multiaddrs: [ADDRESS], seqNumber }), form), privateKey)).marshal()
}

const shown = {
  '1. peers that are written to the peer store, each once': async () => {
    const counts = { get: 0, put: 0, batch: 0 }
    let self = ''
    const count = (what, key) => { counts[what] += String(key).endsWith(`/${self}`) ? 0 : 1 }

    class Counting extends MemoryDatastore {
      get (key, ...args) { count('get', key); return super.get(key, ...args) }
      put (key, ...args) { count('put', key); return super.put(key, ...args) }
      batch () { counts.batch++; return super.batch() }
    }

    const node = await makeNode({ datastore: new Counting() })
    const peers = await Promise.all(Array.from({ length: 100 }, makePeer))
    // what it writes about itself does not count
    self = node.peerId.toCID().toString()
    Object.assign(counts, { get: 0, put: 0, batch: 0 })
    await Promise.all(peers.map(async ({ peerId }) => node.peerStore.save(peerId, { multiaddrs: [ADDRESS] })))
    await node.stop()

    return `of 100 peers that are not known, ${counts.get} are looked up, and ${counts.put} are put, in ${counts.batch} batches`
  },

  '2. an address that is written again after an hour': async () => {
    const node = await makeNode()
    const { peerId } = await makePeer()
    const { now } = Date
    const count = async () => (await node.peerStore.get(peerId)).addresses.length
    const write = async () => node.peerStore.patch(peerId, { multiaddrs: [ADDRESS] })
    await write()
    const before = await count()
    Date.now = () => now() + 61 * 60_000
    const [hidden] = [await count(), await write()]
    const after = await count()
    Date.now = now
    await node.stop()

    return `${before} at first, ${hidden} after 61 minutes, ${after} when it has been written again`
  },

  '3. an address that is certified after it was known': async () => {
    const node = await makeNode()
    const { peerId } = await makePeer()
    await node.peerStore.merge(peerId, { addresses: [{ multiaddr: ADDRESS, isCertified: false }] })
    await node.peerStore.merge(peerId, { addresses: [{ multiaddr: ADDRESS, isCertified: true }] })
    const [address] = (await node.peerStore.get(peerId)).addresses
    await node.stop()

    return `isCertified is ${address.isCertified}`
  },

  '4. a record that somebody else has verified': async () => {
    const node = await makeNode()
    const peer = await makePeer()
    const routing = { domain: 'libp2p-routing-state', codec: new TextEncoder().encode('/libp2p/routing-state-record') }
    const ours = await node.peerStore.consumePeerRecord(await seal(peer, 1n)).catch(err => err.name)
    const theirs = await node.peerStore.consumePeerRecord(await seal(peer, 2n, routing)).catch(err => err.name)
    await node.stop()

    return `of the domain libp2p-peer-record: ${ours}; of libp2p-routing-state: ${theirs}`
  },

  '5. onConnect of a topology, on one connection': async () => {
    const [node, other] = await Promise.all([makeNode(), makeNode()])
    let calls = 0
    await node.services.inside.components.registrar.register('/a/1.0.0', { onConnect: () => { calls++ } })
    await other.handle('/a/1.0.0', () => {})
    await node.dial(other.getMultiaddrs())
    await sleep(1_000)
    const before = calls

    for (const protocol of ['/b/1.0.0', '/c/1.0.0', '/d/1.0.0']) {
      await other.handle(protocol, () => {})
      await sleep(1_500)
    }

    await Promise.all([node.stop(), other.stop()])

    return `called ${before} time(s) when it is made, ${calls} when the peer has added three other protocols since`
  },

  '6. getConnections() with n connections held': async () => {
    const node = await makeNode()
    const { connectionManager } = node.services.inside.components
    const connections = connectionManager.getConnectionsMap()
    const times = []

    for (const count of [2_000, 4_000, 8_000]) {
      while (connections.size < count) {
        const { peerId } = await makePeer()
        connections.set(peerId, [{ remotePeer: peerId, status: 'open' }])
      }

      const took = Array.from({ length: 7 }, () => {
        const start = performance.now()
        connectionManager.getConnections()

        return performance.now() - start
      })
      times.push(`${Math.min(...took).toFixed(1)} ms with ${count}`)
    }

    connections.clear()
    await node.stop()

    return times.join(', ')
  },

  '7. a newcomer at maxConnections': async () => {
    let asked = 0
    const node = await makeNode({ connectionManager: { maxConnections: 1 }, connectionGater: { denyInboundConnection: () => { asked++; return false } } })
    const others = await Promise.all([makeNode(), makeNode()])
    const results = []

    for (const other of others) {
      results.push(await other.dial(node.getMultiaddrs()).then(() => 'accepted', () => 'refused'))
    }

    await Promise.all([node, ...others].map(async node => node.stop()))

    return `the first is ${results[0]}, the second ${results[1]}; the connection gater was asked ${asked} time(s)`
  },

  // in a process of its own: nothing can end it from within
  '8. a random walk with a router that has no getClosestPeers': async () => {
    const walk = `
      import { peerRoutingSymbol } from '@libp2p/interface'
      import { createLibp2p } from 'libp2p'
      import { writeSync } from 'node:fs'
      const router = { [peerRoutingSymbol]: { findPeer: async () => {} } }
      const node = await createLibp2p({ services: { router: () => router } })
      setInterval(() => writeSync(1, '.'), 10)
      node.components.randomWalk.walk().next()`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', walk], { cwd: import.meta.dirname, encoding: 'utf8', timeout: 3_000, killSignal: 'SIGKILL' })

    return `timers had ${stdout.length} turns in 3 s`
  }
}

for (const [what, show] of Object.entries(shown)) {
  console.log(`${what}: ${await show()}`)
}
