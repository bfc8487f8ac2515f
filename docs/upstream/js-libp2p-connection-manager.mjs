// What the connection manager takes to list its connections: node js-libp2p-connection-manager.mjs
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createLibp2p } from 'libp2p'

let manager
await createLibp2p({ start: false, services: { manager: ({ connectionManager }) => (manager = connectionManager) } })

const inOnePass = () => {
  const all = []

  for (const connections of manager.getConnectionsMap().values()) {
    all.push(...connections)
  }

  return all
}

/** Milliseconds, the least of some. */
function timed (list) {
  return Math.min(...Array.from({ length: 10 }, () => {
    const begin = performance.now()
    list()

    return performance.now() - begin
  })).toFixed(2)
}

for (const held of [1_000, 2_000, 4_000, 8_000, 15_000]) {
  while (manager.getConnectionsMap().size < held) {
    manager.getConnectionsMap().set(peerIdFromPrivateKey(await generateKeyPair('Ed25519')), [{ remoteAddr: 'none' }])
  }

  console.log(`${held} connections: listed in ${timed(() => manager.getConnections())} ms, in one pass in ${timed(inOnePass)} ms`)
}

process.exit()
