import { isIPv6 } from 'node:net'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { FairPlaces, networkRule } from 'libp2p-rendezvous'
import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Server as TlsServer } from 'node:tls'
import type { Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Network, Origin } from 'libp2p-rendezvous'

/**
 * What @libp2p/websockets 10 does wrong with what comes in, and this file is for until it does not:
 *
 * - It listens to no errors of its sockets, so that a single frame that is none ends the process.
 * - To abort a connection it closes the socket with a code that `ws` refuses, and the socket stays open.
 * - A connection that is refused, or fails in its handshake, it closes in good manners: for thirty seconds it waits for who
 *   says nothing to agree, and nobody counts the socket any more.
 * - It takes messages of up to 100 MiB, before anybody has said who they are, and has no option for it.
 * - It waits for ever for what comes on a socket that it has accepted, with any number of them: libp2p counts connections
 *   from the upgrade on.
 */

/**
 * Bytes of a message. What comes over a WebSocket is Noise, whose messages have at most 64 KiB; others may send some of
 * them in one.
 */
const MAX_MESSAGE_SIZE = 256 * 1024

/** Sockets that are no WebSockets yet, at a time; and how long one may take to become one, in milliseconds. */
const MAX_WAITING = 1_000
const UPGRADE_TIMEOUT = 10_000

/** Stands for "abnormal closure" and may not be sent. */
const ABNORMAL_CLOSURE = 1006

interface ServerSocket {
  on: (event: 'error', listener: () => void) => void
  close: (code?: number, reason?: string) => void
  terminate: () => void
}

interface SocketServer {
  options: { maxPayload: number }
  handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, onSocket: (socket: ServerSocket, request: IncomingMessage) => void) => void
}

interface Insides {
  server: Server
  wsServer: SocketServer
  /** Where it speaks TLS, from when it listens on. */
  https: Pick<TlsServer, 'setSecureContext'>
}

/** A certificate and its private key. */
interface PemPair {
  cert: string
  key: string
}

export interface WebSocketsInit {
  /** What is served at addresses that end in /tls/ws. */
  certificate?: PemPair | undefined
  /** Told once how to serve another certificate, to who connects from then on. */
  onRenewable?: (renew: (certificate: PemPair) => void) => void
  /**
   * Under which network a socket is counted that is no WebSocket yet.
   *
   * @default as connections are by default
   */
  networkOf?: (origin: Origin) => Network
  /** Sockets that are no WebSockets yet, at a time. */
  maxWaiting?: number
}

/** WebSockets that survive what others send. */
export function hardenedWebSockets ({ certificate, onRenewable, networkOf = networkRule(), maxWaiting = MAX_WAITING }: WebSocketsInit = {}): ReturnType<typeof webSockets> {
  const createTransport = webSockets(certificate == null ? {} : { https: certificate })
  const listeners: Array<Partial<Insides>> = []

  // not by libp2p's `certificate:renew`, upon which plain WebSockets speak TLS, too
  onRenewable?.(certificate => { listeners.forEach(({ https }) => https?.setSecureContext(certificate)) })

  return components => {
    const transport = createTransport(components)
    const createListener = transport.createListener.bind(transport)

    transport.createListener = options => {
      const listener = createListener({ ...options, upgrader: abortingRefused(options.upgrader) })
      const insides = listener as Partial<Insides>
      const { server, wsServer } = insides
      listeners.push(insides)

      if (server != null && wsServer != null) {
        harden(wsServer, boundWaiting(server, networkOf, maxWaiting))
      }

      return listener
    }

    return transport
  }
}

/** Ends at once what does not become a connection, as TCP does. */
function abortingRefused (upgrader: Upgrader): Upgrader {
  return Object.create(upgrader, {
    upgradeInbound: {
      value: async (...[connection, options]: Parameters<Upgrader['upgradeInbound']>) => {
        try {
          await upgrader.upgradeInbound(connection, options)
        } catch (err: any) {
          connection.abort(err)

          throw err
        }
      }
    }
  })
}

/**
 * Ends sockets that do not become WebSockets: after a while, and when they are too many those of the network that has most,
 * or, when that is the newcomer's own, the one there that has waited longest. Where all have as few, the newcomer goes.
 *
 * @returns what a socket that has become one is to be told to
 */
function boundWaiting (server: Server, networkOf: (origin: Origin) => Network, max: number): (socket: Partial<Socket>) => void {
  const waiting = new Map<string, { socket: Socket, network: Network, forget: () => void }>()
  const places = new FairPlaces<Socket>(socket => { socket.destroy() })
  // under TLS it is another object by then
  const nameOf = ({ remoteAddress, remotePort }: Partial<Socket>): string => `${remoteAddress} ${remotePort}`

  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket)
    const network = networkOf({ remoteAddr: addressOf(socket) })

    while (!places.take(socket, network, max)) {
      const eldest = [...waiting.values()].find(other => other.network === network)

      if (eldest == null) {
        socket.destroy()
        return
      }

      eldest.socket.destroy()
      eldest.forget()
    }

    const timer = setTimeout(() => { socket.destroy() }, UPGRADE_TIMEOUT)
    const forget = (): void => {
      clearTimeout(timer)
      places.release(socket)
      waiting.delete(name)
    }
    waiting.set(name, { socket, network, forget })
    socket.once('close', forget)
  })

  return socket => { waiting.get(nameOf(socket))?.forget() }
}

/** One that is gone already has none. */
function addressOf ({ remoteAddress = '0.0.0.0', remotePort = 0 }: Socket): Multiaddr {
  return multiaddr(`/ip${isIPv6(remoteAddress) ? 6 : 4}/${remoteAddress}/tcp/${remotePort}`)
}

function harden (server: SocketServer, onUpgrade: (socket: Partial<Socket>) => void): void {
  const handleUpgrade = server.handleUpgrade.bind(server)
  server.options.maxPayload = MAX_MESSAGE_SIZE
  server.handleUpgrade = (request, socket, head, onSocket) => {
    onUpgrade(socket as Partial<Socket>)
    handleUpgrade(request, socket, head, (webSocket, request) => {
      const close = webSocket.close.bind(webSocket)
      // it closes by itself
      webSocket.on('error', () => {})
      webSocket.close = (code, reason) => {
        if (code === ABNORMAL_CLOSURE) {
          webSocket.terminate()
        } else {
          close(code, reason)
        }
      }
      onSocket(webSocket, request)
    })
  }
}
