import { tcp } from '@libp2p/tcp'
import type { MultiaddrConnection } from '@libp2p/interface'

/**
 * @libp2p/tcp 11 hands each piece of what is to be sent to the operating system by itself: of every message the length
 * that Noise puts before it, and then the rest; thirty bytes each, and more than thirty of them for a newcomer that only
 * says who it is. These calls are the largest item of what it costs. What is sent in one go of the event loop goes out
 * together here, and no later than the last of it would have. To be dropped when the transport does the like
 * (docs/upstream/js-libp2p-tcp.md).
 */

interface GatheringSocket {
  cork: () => void
  uncork: () => void
}

/** What is here relied on of the connection that the transport makes. */
interface SocketConnection {
  socket?: Partial<GatheringSocket>
  sendData?: (data: unknown) => unknown
}

/** TCP that gathers what is sent. */
export function gatheringTcp (): ReturnType<typeof tcp> {
  const createTransport = tcp()

  return components => {
    const transport = createTransport(components)
    const createListener = transport.createListener.bind(transport)

    transport.createListener = options => {
      const { upgrader } = options
      const gathering: typeof upgrader = Object.create(upgrader, {
        upgradeInbound: {
          value: async (...[connection, options]: Parameters<typeof upgrader.upgradeInbound>) => {
            gather(connection)

            return upgrader.upgradeInbound(connection, options)
          }
        }
      })

      return createListener({ ...options, upgrader: gathering })
    }

    return transport
  }
}

export function gather (connection: MultiaddrConnection): void {
  const target = connection as SocketConnection
  const { socket, sendData } = target

  if (sendData == null || !isGathering(socket)) {
    return
  }

  let isHeld = false
  const flush = (): void => {
    isHeld = false
    socket.uncork()
  }
  // a tick that is asked for by a promise's job comes when there is no job left
  const afterJobs = (): void => { process.nextTick(flush) }

  target.sendData = data => {
    if (!isHeld) {
      isHeld = true
      socket.cork()
      queueMicrotask(afterJobs)
    }

    return sendData.call(connection, data)
  }
}

function isGathering (socket: Partial<GatheringSocket> | undefined): socket is GatheringSocket {
  return typeof socket?.cork === 'function' && typeof socket.uncork === 'function'
}
