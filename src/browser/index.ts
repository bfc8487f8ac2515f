/**
 * @packageDocumentation
 *
 * What a node in a page needs to be found, and to be dialled by others in pages: it listens at a relay, and is dialled
 * over WebRTC. It takes the transports that it imports, which are optional peer dependencies of this package.
 *
 * @example A node in a page
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { browserInit } from 'libp2p-rendezvous/browser'
 *
 * const node = await createLibp2p(browserInit({ points: ['/dns4/rendezvous.example.com/tcp/443/wss/p2p/12D3Koo…'], namespaces: ['my-app'] }))
 *
 * for await (const peer of node.services.rendezvous.watch('my-app')) {
 *   await node.dial(peer.id)
 * }
 * ```
 */

import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { rendezvousClient } from '../client/index.ts'
import { gaterFor } from './gater.ts'
import { leaving } from './leaving.ts'
import { mendInitChannel } from './patches/init-channel.ts'
import type { RendezvousClient, RendezvousClientInit } from '../client/types.ts'
import type { Identify } from '@libp2p/identify'
import type { Libp2pOptions } from 'libp2p'

export interface BrowserInit extends RendezvousClientInit {
  /**
   * Given to WebRTC: the servers for ICE, for example.
   *
   * @default that of @libp2p/webrtc, which names some public STUN servers
   */
  rtcConfiguration?: RTCConfiguration
}

export interface BrowserServices extends Record<string, unknown> {
  identify: Identify
  rendezvous: RendezvousClient
}

/** An init of libp2p, to be changed and added to. */
export type BrowserNodeInit = Libp2pOptions<BrowserServices> & Required<Pick<Libp2pOptions<BrowserServices>, 'addresses' | 'transports' | 'connectionEncrypters' | 'streamMuxers' | 'connectionGater' | 'services'>>

/**
 * The init of a node in a page, with the client as its service `rendezvous`:
 *
 * - It asks the point, or another relay, to listen for it, and is registered with its address there. WebRTC needs that
 *   to begin with; the two talk directly then.
 * - It is unregistered when the page goes.
 * - Private addresses and `ws://` are dialled only where a given point is at one, as when it is tried at home.
 *
 * @throws {InvalidParametersError} from `createLibp2p`, when an option is out of its range
 */
export function browserInit ({ rtcConfiguration, ...init }: BrowserInit = {}): BrowserNodeInit {
  mendInitChannel(globalThis.RTCPeerConnection)

  return {
    addresses: { listen: ['/p2p-circuit', '/webrtc'] },
    transports: [
      webSockets(),
      webRTCDirect(),
      webRTC(rtcConfiguration == null ? {} : { rtcConfiguration }),
      circuitRelayTransport()
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: gaterFor(init.points ?? []),
    services: {
      identify: identify(),
      rendezvous: leaving(rendezvousClient(init), globalThis)
    }
  }
}
