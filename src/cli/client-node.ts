import { noise } from '@libp2p/noise'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from '../index.ts'
import { formatDuration } from './durations.ts'
import { describe, Failure } from './failures.ts'
import { loadIdentity } from './identity.ts'
import type { ClientFlags } from './commands.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './main.ts'
import type { RendezvousClient, RendezvousClientInit } from '../index.ts'
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_TIMEOUT = 10_000

export interface ClientNode {
  node: Libp2p
  client: RendezvousClient
  /** The point, which is connected. */
  pointId: PeerId
}

export interface ClientNodeInit {
  point: Multiaddr
  values: FlagValues<ClientFlags>
  client?: RendezvousClientInit
  listen?: Multiaddr[]
  announce?: Multiaddr[]
}

/**
 * Does some work with a node that is connected to a point, and stops the node after it.
 *
 * @throws {Failure} when the point cannot be reached
 */
export async function withPoint (init: ClientNodeInit, { output, signal }: CommandContext, work: (connected: ClientNode) => Promise<number>): Promise<number> {
  const { point, values } = init
  const pointId = peerIdIn(point)
  const timeout = values.timeout ?? DEFAULT_TIMEOUT
  const node = await createNode(init, timeout)

  try {
    output.progress(`Connecting to ${point}`)

    try {
      await node.start()
      await node.dial(point, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]) })
    } catch (err) {
      signal.throwIfAborted()
      throw new Failure(unreachable(point, pointId, err, timeout), { cause: err })
    }

    node.addEventListener('peer:disconnect', ({ detail: peer }) => {
      if (peer.equals(pointId) && node.status === 'started') {
        output.note(`The connection to ${point} was lost; it is tried again`)
      }
    })

    return await work({ node, client: node.services.rendezvous, pointId })
  } finally {
    output.done()
    await node.stop()
  }
}

async function createNode ({ point, values, client, listen = [], announce = [] }: ClientNodeInit, timeout: number): Promise<Libp2p<{ rendezvous: RendezvousClient }>> {
  const identity = values.identity == null ? undefined : await loadIdentity(values.identity)

  return createLibp2p({
    start: false,
    ...(identity == null ? {} : { privateKey: identity.privateKey }),
    addresses: { listen: listen.map(String), announce: announce.map(String) },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { dialTimeout: timeout, addressDialTimeout: timeout },
    services: {
      identify: identify(),
      rendezvous: rendezvousClient({
        ...client,
        points: [point],
        timeout,
        ...(values.protocol == null ? {} : { protocol: values.protocol })
      })
    }
  })
}

function peerIdIn (point: Multiaddr): PeerId {
  return peerIdFromString(String(point.getComponents().at(-1)?.value))
}

function unreachable (point: Multiaddr, pointId: PeerId, err: unknown, timeout: number): string {
  const names = errorNames(err)

  if (names.has('UnexpectedPeerError') || names.has('InvalidCryptoExchangeError') || names.has('EncryptionFailedError')) {
    return `another peer than ${pointId} answers at ${point}: check the peer id at its end`
  }

  if (names.has('NoValidAddressesError') || names.has('TransportUnavailableError')) {
    return `${point} cannot be dialled from here: an address with /tcp, /ws or /wss is needed`
  }

  if (names.has('TimeoutError') || names.has('AbortError')) {
    return `${point} did not answer within ${formatDuration(timeout)}: check the address, or give it longer with --timeout`
  }

  return `${point} cannot be reached (${describe(err)}): check that the point is running and that the address is right`
}

function errorNames (err: any, names = new Set<string>()): Set<string> {
  if (err instanceof Error) {
    names.add(err.name)
    errorNames(err.cause, names)

    if (err instanceof AggregateError) {
      err.errors.forEach(inner => errorNames(inner, names))
    }
  }

  return names
}
