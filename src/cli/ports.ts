import { createServer } from 'node:net'
import { Failure } from './failures.ts'
import type { HostPort } from './flags.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * Makes sure that the addresses can be listened on, before anything else is touched: the error for
 * what cannot is then about the port, and not about what the program already at it also holds.
 *
 * @throws {Failure}
 */
export async function checkPorts (addresses: Multiaddr[]): Promise<void> {
  for (const address of addresses) {
    const target = hostPort(address)

    if (target == null) {
      throw new Failure(`${address} cannot be listened on: an address of this machine is needed, as in /ip4/0.0.0.0/tcp/62649 or /ip4/0.0.0.0/tcp/62650/ws`)
    }

    await new Promise<void>((resolve, reject) => {
      const server = createServer()
      server.once('error', (err: NodeJS.ErrnoException) => {
        reject(new Failure(portProblem(err.code, target, '--listen MULTIADDR'), { cause: err }))
      })
      server.listen({ ...target, ipv6Only: target.host.includes(':') }, () => { server.close(() => { resolve() }) })
    })
  }
}

/** What is in the way of listening there, and what to do about it. */
export function portProblem (code: string | undefined, { host, port }: HostPort, flag: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is taken by another program: stop that one, or choose another port with ${flag}`
    case 'EACCES':
      return `port ${port} may not be used by this user: choose one above 1023 with ${flag}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAFNOSUPPORT':
      return `${host} is not an address of this machine: choose another with ${flag}`
    default:
      return `port ${port} on ${host} cannot be listened on (${code ?? 'for an unknown reason'}): choose another with ${flag}`
  }
}

/** TCP, bare or under WebSockets, is what this program listens on. */
function hostPort (address: Multiaddr): HostPort | undefined {
  const [ip, tcp, over, ...rest] = address.getComponents()

  if ((ip?.name !== 'ip4' && ip?.name !== 'ip6') || tcp?.name !== 'tcp' || (over != null && over.name !== 'ws') || rest.length > 0) {
    return
  }

  return { host: String(ip.value), port: Number(tcp.value) }
}
