/** What runs in the page: a node that cannot listen finds a peer at a point over WebSocket. */

import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { peerIdFromString } from '@libp2p/peer-id'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from '../../src/index.ts'
import type { RendezvousClientInit } from '../../src/index.ts'
import type { Libp2p } from '@libp2p/interface'

async function nodeWith (init: RendezvousClientInit): Promise<Libp2p<{ rendezvous: ReturnType<ReturnType<typeof rendezvousClient>> }>> {
  return createLibp2p({
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify(), rendezvous: rendezvousClient(init) }
  })
}

/** @returns the peer ids found, and the name of what registering without an address throws */
export async function discoverFrom (point: string): Promise<{ found: string[], refused: string }> {
  const node = await nodeWith({ points: [point] })
  const found: string[] = []
  let refused = ''

  for await (const peer of node.services.rendezvous.discover('my-app')) {
    found.push(peer.id.toString())
  }

  await node.services.rendezvous.register('my-app').catch((err: Error) => { refused = err.name })
  await node.stop()

  return { found, refused }
}

/** @returns who is reached by these ids, at a point and a registry that know them */
export async function dialByIds (point: string, registry: string, ids: string[]): Promise<string[]> {
  const node = await nodeWith({ points: [point], routing: true, registries: [registry] })
  const connections = await Promise.all(ids.map(async id => node.dial(peerIdFromString(id))))
  await node.stop()

  return connections.map(({ remotePeer }) => remotePeer.toString())
}
