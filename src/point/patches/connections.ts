import type { Connection, PeerId } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'

/** What libp2p's own connection manager says it is. */
const LIBP2P_MANAGER = '@libp2p/connection-manager'

/**
 * The connection manager of libp2p 3 lists its connections by adding one peer's after the other to a list that it
 * copies each time. It does so twice for each new connection: before it is accepted, and to find out whether there are
 * too many. With ten thousand that takes longer than all else about a connection. This lists the same in one pass
 * (docs/upstream/js-libp2p-connection-manager.md), and is for until libp2p does.
 *
 * Any other connection manager, and one that somebody else has changed, is left alone.
 *
 * @returns what takes it back
 */
export function listInOnePass (connectionManager: Pick<ConnectionManager, 'getConnections' | 'getConnectionsMap'>): () => void {
  const { getConnections } = connectionManager

  if ((connectionManager as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] !== LIBP2P_MANAGER || Object.hasOwn(connectionManager, 'getConnections')) {
    return () => {}
  }

  const inOnePass = (peer?: PeerId): Connection[] => {
    if (peer != null) {
      return getConnections.call(connectionManager, peer)
    }

    const all: Connection[] = []
    connectionManager.getConnectionsMap().forEach(connections => { all.push(...connections) })

    return all
  }

  connectionManager.getConnections = inOnePass

  return () => {
    if (connectionManager.getConnections === inOnePass) {
      delete (connectionManager as Partial<ConnectionManager>).getConnections
    }
  }
}
