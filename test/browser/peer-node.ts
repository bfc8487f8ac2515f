import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webRTC } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from 'libp2p-rendezvous'
import { Greeter } from './greeter.ts'
import type { State } from './tab.ts'
import type { Libp2p } from '@libp2p/interface'

/** A peer in Node that does what a tab does. */
export class PeerNode {
  readonly id: string
  readonly #node: Libp2p<any>
  readonly #greeter: Greeter

  constructor (node: Libp2p<any>, greeter: Greeter) {
    this.id = String(node.peerId)
    this.#node = node
    this.#greeter = greeter
  }

  static async start (points: string[], namespace: string, listen: string[]): Promise<PeerNode> {
    const node = await createLibp2p({
      addresses: { listen },
      transports: [webSockets(), webRTC(), circuitRelayTransport()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), rendezvous: rendezvousClient({ points, namespaces: [namespace] }) }
    })

    return new PeerNode(node, await Greeter.start(node, namespace))
  }

  async state (): Promise<State> {
    return this.#greeter.state()
  }

  async stop (): Promise<void> {
    await this.#node.stop()
  }
}
