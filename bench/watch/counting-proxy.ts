import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { AddressInfo } from 'node:net'

export interface CountingProxy {
  /** The point's, by way of here. */
  address: string
  /** Bytes of both directions so far. */
  bytes: number
  stop: () => void
}

/** Counts what goes over the wire between a client and a point. */
export async function countingProxy (point: string): Promise<CountingProxy> {
  const [host, port] = ['ip4', 'tcp'].map(name => multiaddr(point).getComponents().find(component => component.name === name)?.value)
  const server = createServer(socket => {
    const other = connect(Number(port), host)

    for (const [from, to] of [[socket, other], [other, socket]] as const) {
      from.setNoDelay(true)
      from.on('data', chunk => { proxy.bytes += chunk.byteLength })
      from.on('error', () => { to.destroy() })
      from.pipe(to)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = {
    address: point.replace(/\/tcp\/\d+/, `/tcp/${(server.address() as AddressInfo).port}`),
    bytes: 0,
    stop: () => { server.close() }
  }

  return proxy
}
