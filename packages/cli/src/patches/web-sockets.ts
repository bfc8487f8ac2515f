import { webSockets } from '@libp2p/websockets'
import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Server as TlsServer } from 'node:tls'
import type { Upgrader } from '@libp2p/interface'

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
}

/** WebSockets that survive what others send. */
export function hardenedWebSockets ({ certificate, onRenewable }: WebSocketsInit = {}): ReturnType<typeof webSockets> {
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
        harden(wsServer, boundWaiting(server))
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
 * Ends sockets that do not become WebSockets: after a while, and the one that has waited longest when they are too many.
 *
 * @returns what a socket that has become one is to be told to
 */
function boundWaiting (server: Server): (socket: Partial<Socket>) => void {
  const waiting = new Map<string, { socket: Socket, timer: ReturnType<typeof setTimeout> }>()
  // under TLS it is another object by then
  const nameOf = ({ remoteAddress, remotePort }: Partial<Socket>): string => `${remoteAddress} ${remotePort}`
  const forget = (name: string): void => {
    clearTimeout(waiting.get(name)?.timer)
    waiting.delete(name)
  }

  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket)
    waiting.set(name, { socket, timer: setTimeout(() => { socket.destroy() }, UPGRADE_TIMEOUT) })
    socket.once('close', () => { forget(name) })

    if (waiting.size > MAX_WAITING) {
      const [first = ''] = waiting.keys()
      waiting.get(first)?.socket.destroy()
      forget(first)
    }
  })

  return socket => { forget(nameOf(socket)) }
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
