/** What runs in the page: a node that cannot listen finds a peer at a point over WebSocket. */

import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from '../../src/index.ts'

/** @returns the peer ids found, and the name of what registering without an address throws */
export async function discoverFrom (point: string): Promise<{ found: string[], refused: string }> {
  const node = await createLibp2p({
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify(), rendezvous: rendezvousClient({ points: [point] }) }
  })
  const found: string[] = []
  let refused = ''

  for await (const peer of node.services.rendezvous.discover('my-app')) {
    found.push(peer.id.toString())
  }

  await node.services.rendezvous.register('my-app').catch((err: Error) => { refused = err.name })
  await node.stop()

  return { found, refused }
}
