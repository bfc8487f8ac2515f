import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface Forward {
  readonly port: number
  /** Leads whoever comes from now on to another port, as a name that is led elsewhere does. */
  to: (port: number) => void
  /** Ends each connection on which somebody says this. */
  cutAt: (pattern: RegExp | undefined) => void
  /** How many connections have been ended so. */
  readonly cuts: number
  close: () => Promise<void>
}

/** An address that leads to another one. */
export async function forward (target: number): Promise<Forward> {
  const sockets = new Set<Socket>()
  let [port, pattern, cuts] = [target, undefined as RegExp | undefined, 0]

  const server = createServer(incoming => {
    const outgoing = connect(port, '127.0.0.1')

    for (const [socket, other] of [[incoming, outgoing], [outgoing, incoming]] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }

    incoming.on('data', data => {
      if (pattern?.test(data.toString('latin1')) === true) {
        cuts++
        incoming.destroy()
      } else {
        outgoing.write(data)
      }
    })
    outgoing.on('data', data => { incoming.write(data) })
  }).listen(0, '127.0.0.1')

  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    to: next => { port = next },
    cutAt: next => { pattern = next },

    get cuts () {
      return cuts
    },

    async close () {
      sockets.forEach(socket => { socket.destroy() })
      server.close()
      await once(server, 'close')
    }
  }
}
