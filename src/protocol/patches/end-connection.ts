import type { Connection } from '@libp2p/interface'

const ended = new WeakSet<Connection>()

/**
 * What `Connection.abort` is for. That of libp2p 3 ends the streams first, and whoever listens to that and ends the
 * connection, too, has it send a farewell over what is closed by then, which throws: outside of any request it would end
 * the process.
 *
 * @returns whether it had not been ended before
 */
export function endConnection (connection: Connection, reason: Error): boolean {
  if (ended.has(connection)) {
    return false
  }

  ended.add(connection)

  try {
    connection.abort(reason)
  } catch {
    // the streams have been ended, and what is below them has not
    connection.abort(reason)
  }

  return true
}
