import { webSockets } from '@libp2p/websockets'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * What @libp2p/websockets 10 does wrong with what comes in, and this file is for until it does not:
 *
 * - It listens to no errors of its sockets, so that a single frame that is none ends the process.
 * - To abort a connection it closes the socket with a code that `ws` refuses, and the socket stays open.
 * - It takes messages of up to 100 MiB, before anybody has said who they are, and has no option for it.
 */

/**
 * Bytes of a message. What comes over a WebSocket is Noise, whose messages have at most 64 KiB; others may send some of
 * them in one.
 */
const MAX_MESSAGE_SIZE = 256 * 1024

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

/** WebSockets that survive what others send. */
export function hardenedWebSockets (): ReturnType<typeof webSockets> {
  const createTransport = webSockets()

  return components => {
    const transport = createTransport(components)
    const createListener = transport.createListener.bind(transport)

    transport.createListener = options => {
      const listener = createListener(options)
      harden((listener as { wsServer?: SocketServer }).wsServer)

      return listener
    }

    return transport
  }
}

function harden (server: SocketServer | undefined): void {
  if (server == null) {
    return
  }

  const handleUpgrade = server.handleUpgrade.bind(server)
  server.options.maxPayload = MAX_MESSAGE_SIZE
  server.handleUpgrade = (request, socket, head, onSocket) => {
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
