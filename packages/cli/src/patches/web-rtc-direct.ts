import { isIPv6 } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { FairPlaces } from 'libp2p-rendezvous'
import type { webRTCDirect } from '@libp2p/webrtc'
import type { Network, Origin } from 'libp2p-rendezvous'

/**
 * What @libp2p/webrtc 6 leaves out, and this file is for until it does not: for each datagram that asks for a connection it
 * makes one at once, with all that belongs to it, and waits ten seconds for somebody to be there. Datagrams cost nothing,
 * and say of where they come what they like; libp2p counts connections from the upgrade on.
 */

/** Connections that are being made at a time. Each takes some round trips. */
const MAX_PENDING = 100

export type DirectTransport = ReturnType<typeof webRTCDirect>

/** What is here relied on of a listener. */
interface Insides {
  incomingConnection: (ufrag: string, host: string, port: number, signal: AbortSignal) => Promise<void>
}

/**
 * WebRTC-direct that makes so many connections at a time, shared fairly between networks. Who finds no place asks again
 * by itself.
 */
export function boundedWebRtcDirect (createTransport: DirectTransport, networkOf: (origin: Origin) => Network, max = MAX_PENDING): DirectTransport {
  return components => {
    const transport = createTransport(components)
    const createListener = transport.createListener.bind(transport)

    transport.createListener = options => {
      const listener = createListener(options)
      bound(listener as unknown as Partial<Insides>, networkOf, max)

      return listener
    }

    return transport
  }
}

export function bound (listener: Partial<Insides>, networkOf: (origin: Origin) => Network, max: number): void {
  const incomingConnection = listener.incomingConnection?.bind(listener)

  if (incomingConnection == null) {
    return
  }

  const pending = new FairPlaces<AbortController>(controller => { controller.abort(new Error('There are too many handshakes')) })

  listener.incomingConnection = async (ufrag, host, port, signal) => {
    const controller = new AbortController()

    if (!pending.take(controller, networkOf({ remoteAddr: multiaddr(`/ip${isIPv6(host) ? 6 : 4}/${host}/udp/${port}`) }), max)) {
      return
    }

    try {
      await incomingConnection(ufrag, host, port, AbortSignal.any([signal, controller.signal]))
    } finally {
      pending.release(controller)
    }
  }
}
