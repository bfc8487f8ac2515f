import { createSocket } from 'node:dgram'
import { createServer, isIP } from 'node:net'
import { Failure, UsageError } from './failures.ts'
import { listenTarget } from './flags.ts'
import type { HostPort, ListenTarget } from './flags.ts'
import type { AddressInfo } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * Makes sure that the addresses can be listened on, before anything else is touched: the error for
 * what cannot is then about the port, and not about what the program already at it also holds.
 *
 * @returns the addresses, with ports that are free in the place of zeros
 * @throws {UsageError} when two of them share a port
 * @throws {Failure}
 */
export async function checkPorts (addresses: Multiaddr[]): Promise<string[]> {
  // the flag takes no address without one
  const targets = addresses.map(address => listenTarget(address) as ListenTarget)
  checkDistinct(targets)

  const held: HeldPort[] = []

  try {
    for (const target of targets) {
      held.push(await (target.protocol === 'tcp' ? holdTcp(target) : holdUdp(target)))
    }

    return addresses.map((address, index) => String(address).replace(/\/(tcp|udp)\/0(?=\/|$)/, `/$1/${held[index]?.port}`))
  } finally {
    await Promise.all(held.map(async ({ free }) => free()))
  }
}

/** A port that nobody else can have meanwhile. */
interface HeldPort {
  port: number
  free: () => Promise<unknown>
}

async function holdTcp (target: HostPort): Promise<HeldPort> {
  const server = createServer()

  return new Promise((resolve, reject) => {
    server.once('error', err => { reject(taken(err, target)) })
    server.listen({ ...target, ipv6Only: target.host.includes(':') }, () => {
      resolve({ port: (server.address() as AddressInfo).port, free: async () => new Promise(resolve => { server.close(resolve) }) })
    })
  })
}

async function holdUdp (target: HostPort): Promise<HeldPort> {
  const isIp6 = target.host.includes(':')
  const socket = createSocket({ type: isIp6 ? 'udp6' : 'udp4', ipv6Only: isIp6 })

  return new Promise((resolve, reject) => {
    socket.once('error', err => { reject(taken(err, target)) })
    socket.bind({ address: target.host, port: target.port, exclusive: true }, () => {
      resolve({ port: socket.address().port, free: async () => new Promise<void>(resolve => { socket.close(resolve) }) })
    })
  })
}

function taken (err: NodeJS.ErrnoException, target: HostPort): Failure {
  return new Failure(portProblem(err.code, target, '--listen MULTIADDR'), { cause: err })
}

function checkDistinct (targets: ListenTarget[]): void {
  const shared = targets.find((target, index) => targets.slice(0, index).some(earlier => overlap(earlier, target)))

  if (shared != null) {
    throw new UsageError(`port ${shared.port} is given twice with --listen: each address needs a port of its own`)
  }
}

/** Whether only one of the two can be listened on: `0.0.0.0` and `::` take the port of every address. */
function overlap (a: ListenTarget, b: ListenTarget): boolean {
  const isSameHost = a.host === b.host || (isIP(a.host) === isIP(b.host) && [a, b].some(({ host }) => host === '0.0.0.0' || host === '::'))

  return a.protocol === b.protocol && a.port === b.port && a.port !== 0 && isSameHost
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
