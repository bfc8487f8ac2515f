import { lookup } from 'node:dns/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { noise } from '@libp2p/noise'
import { identify } from '@libp2p/identify'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from 'libp2p-rendezvous'
import { checkAnnounced, peerIdIn } from './addresses.ts'
import { formatDuration } from './durations.ts'
import { describe, errorsIn, Failure } from './failures.ts'
import { loadIdentity, OF_FLAG } from './identity.ts'
import { tokenSource } from './token.ts'
import type { ClientFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'
import type { RendezvousClient, RendezvousClientInit } from 'libp2p-rendezvous'
import type { Output } from './output.ts'
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_TIMEOUT = 10_000

/** How long a lost connection may take to come back before it is looked whether the point is there. Milliseconds. */
const RECONNECT_PATIENCE = 5_000
const MAX_PATIENCE = 5 * 60_000

/** A point that holds a connection for this time does not close what is idle. Milliseconds. */
const LONG_CONNECTION = 60_000

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
  const pointId = peerIdIn(point) as PeerId
  const timeout = values.timeout ?? DEFAULT_TIMEOUT
  const node = await createNode(init, timeout, output)

  try {
    output.progress(`Connecting to ${point}`)

    try {
      await node.start()
      await node.dial(point, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]) })
    } catch (err) {
      signal.throwIfAborted()
      throw new Failure(await unknownHost(point) ?? unreachable(point, pointId, err, timeout), { cause: err })
    }

    watchConnection(node, point, message => { output.note(message) })

    return await work({ node, client: node.services.rendezvous, pointId })
  } finally {
    output.done()
    await node.stop()
  }
}

/**
 * Tells of a point that is away. A lost connection alone is nothing to tell of: some points close what is idle, and
 * are come back to when there is something to ask. So the point is dialled to see whether it is there, and where
 * it always is, ever less often.
 */
export function watchConnection (node: Pick<Libp2p, 'addEventListener' | 'status' | 'dial'>, point: Multiaddr, note: (message: string) => void): void {
  const pointId = peerIdIn(point) as PeerId
  let patience = RECONNECT_PATIENCE
  let connectedAt = Date.now()
  let timer: NodeJS.Timeout | undefined
  let isConnected = true
  let isTold = false

  node.addEventListener('peer:disconnect', ({ detail: peer }) => {
    if (peer.equals(pointId)) {
      isConnected = false
      patience = Date.now() - connectedAt >= LONG_CONNECTION ? RECONNECT_PATIENCE : patience
      clearTimeout(timer)
      timer = setTimeout(() => { look().catch(() => {}) }, patience).unref()
    }
  })
  node.addEventListener('peer:connect', ({ detail: peer }) => {
    if (peer.equals(pointId)) {
      isConnected = true
      connectedAt = Date.now()
      clearTimeout(timer)

      if (isTold) {
        isTold = false
        note('The connection to the point is back')
      }
    }
  })

  async function look (): Promise<void> {
    if (node.status !== 'started') {
      return
    }

    try {
      await node.dial(point)
      patience = Math.min(2 * patience, MAX_PATIENCE)
    } catch {
      if (!isConnected && !isTold && node.status === 'started') {
        isTold = true
        note('The connection to the point is lost; it is tried again')
      }
    }
  }
}

async function createNode ({ point, values, client, listen = [], announce = [] }: ClientNodeInit, timeout: number, output: Output): Promise<Libp2p<{ rendezvous: RendezvousClient }>> {
  const { privateKey, notes } = values.identity == null
    ? { privateKey: await generateKeyPair('Ed25519'), notes: [] }
    : await loadIdentity(values.identity, OF_FLAG)
  notes.forEach(note => { output.note(note) })
  checkAnnounced(announce, peerIdFromPrivateKey(privateKey))
  const token = tokenSource(values.token)

  return createLibp2p({
    start: false,
    privateKey,
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
        ...(token == null ? {} : { token }),
        ...(values.protocol == null ? {} : { protocol: values.protocol })
      })
    }
  })
}

/**
 * What to say when it is the host's name that nobody knows. Asked when dialling has failed, for a
 * WebSocket does not say why.
 */
async function unknownHost (point: Multiaddr): Promise<string | undefined> {
  const host = point.getComponents().find(({ name }) => /^dns[46]?$/.test(name))?.value

  if (host != null) {
    return lookup(host).then(() => undefined, err => err.code === 'ENOTFOUND'
      ? `there is no host ${host}: check the name in ${point}`
      : `the host ${host} cannot be looked up (${err.code}): check that this machine has a name server`)
  }
}

/** What to say when a point could not be dialled. */
export function unreachable (point: Multiaddr, pointId: PeerId, err: unknown, timeout: number): string {
  const errors = errorsIn(err)
  const isAny = (...names: string[]): boolean => errors.some(({ name }) => names.includes(name))

  // libp2p keeps only the words of what noise throws
  if (isAny('UnexpectedPeerError') || errors.some(({ message }) => message.includes('does not match expected remote identity key'))) {
    return `another peer than ${pointId} answers at ${point}: check the peer id at its end`
  }

  if (isAny('NoValidAddressesError', 'TransportUnavailableError')) {
    return `${point} cannot be dialled from here: an address with /tcp, /ws or /wss is needed`
  }

  if (isAny('TimeoutError', 'AbortError')) {
    return `${point} did not answer within ${formatDuration(timeout)}: check the address, or give it longer with --timeout`
  }

  if (isAny('EncryptionFailedError', 'InvalidCryptoExchangeError', 'MuxerUnavailableError') || errors.some(({ code }) => code === 'ECONNRESET')) {
    return `${point} answers, but ended the connection before the handshake was done: it may be full (--max-connections and --max-connection-rate there), or be no libp2p peer`
  }

  return `${point} cannot be reached (${describe(err)}): check that the point is running and that the address is right`
}
