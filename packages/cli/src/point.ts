import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { persistentStore, rendezvousPoint } from 'libp2p-rendezvous'
import { checkAnnounced, withPeerId } from './addresses.ts'
import { damaged, defaultDataDirectory, isDamage, openDataDirectory, salvageCommand } from './data-directory.ts'
import { writeDuration } from './durations.ts'
import { describe, Failure, UsageError } from './failures.ts'
import { serveHealth } from './http.ts'
import { DIRECTORY, PROGRAM, quote } from './invocation.ts'
import { impatient } from './patches/keep-alive.ts'
import { noiseThatKeepsKeys } from './patches/noise.ts'
import { signWithOneKeyObject } from './patches/private-key.ts'
import { gatheringTcp } from './patches/tcp.ts'
import { hardenedWebSockets } from './patches/web-sockets.ts'
import { hardenedYamux } from './patches/yamux.ts'
import { inFlags, lifetimes, pointInit } from './point-init.ts'
import { counted } from './output.ts'
import { PointLog } from './point-log.ts'
import { checkPorts, portProblem } from './ports.ts'
import { DEFAULT_TTL } from './register.ts'
import { sharedStore } from './shared-store.ts'
import { aborted } from './signals.ts'
import type { PointFlags } from './options.ts'
import type { DataDirectory } from './data-directory.ts'
import type { FlagValues } from './flags.ts'
import type { HealthServer } from './http.ts'
import type { CommandContext } from './context.ts'
import type { Output } from './output.ts'
import type { RendezvousPoint, RendezvousPointInit } from 'libp2p-rendezvous'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_LISTEN = ['/ip4/0.0.0.0/tcp/62649', '/ip4/0.0.0.0/tcp/62650/ws']
export const DEFAULT_MAX_CONNECTIONS = 5_000
export const DEFAULT_MAX_CONNECTION_RATE = 20

/**
 * Handshakes that may be under way at a time. Whoever stalls them has ten seconds for each, so one
 * host at the default rate cannot take them all.
 */
const MAX_PENDING_CONNECTIONS = 1_000

/** How often each connection is asked whether somebody is there, and how long the answer may take. Milliseconds. */
const KEEP_ALIVE = 30_000
const SILENCE = 10_000

/** How often what libp2p remembers of peers that have left is dropped. */
const FORGET_INTERVAL = 5 * 60_000

type Values = FlagValues<PointFlags>
type PointNode = Libp2p<{ rendezvousPoint: RendezvousPoint, listening: Listening }>

/** Where a node listens, whatever it announces. */
interface Listening {
  addresses: () => Multiaddr[]
}

/**
 * Runs a rendezvous point until it is asked to end.
 */
export async function runPoint (values: Values, { output, signal }: CommandContext): Promise<number> {
  if (values.memory === true && values.data != null) {
    throw new UsageError('--memory keeps nothing, and --data says where to keep it: give one of them')
  }

  if (values.memory === true && values.store != null) {
    throw new UsageError('--memory keeps nothing, and --store says where to keep it: give one of them')
  }

  if (values.verbose === true && values.quiet === true) {
    throw new UsageError('--verbose shows more, and --quiet shows less: give one of them')
  }

  const init = { ...pointInit(values), trustedProxies: values.trustedProxy ?? [] }
  const listen = values.listen ?? DEFAULT_LISTEN.map(address => multiaddr(address))
  const json = values.json === true
  const log = new PointLog(output, { json, verbose: values.verbose === true })
  const opened: Array<() => unknown> = []
  let node: PointNode | undefined

  try {
    await checkPorts(listen)
    const data = values.memory === true ? undefined : await openDataDirectory(values.data ?? defaultDataDirectory())
    opened.unshift(async () => data?.close())

    const health = await startHealth(values, () => isServing(node, signal))
    opened.unshift(() => health?.close())

    const shared = values.store == null ? undefined : await sharedStore(values.store, values.storePassword, text => { output.note(text) })
    opened.unshift(async () => shared?.stop?.())

    const own = data == null || shared != null ? undefined : persistentStore({ datastore: data.datastore, readAll: data.readAll })
    const store = shared ?? own
    node = await createNode(values, listen.map(String), data?.privateKey ?? await generateKeyPair('Ed25519'), { ...init, ...(store == null ? {} : { store }) })
    await start(node, data?.path)
    opened.unshift(forgetPeers(node as PointNode))

    if (json) {
      output.json(readyEvent(node, health))
    } else {
      introduce(output, values, node, data, health)
    }

    if (own != null && own.corruptEntries > 0) {
      output.note(`${counted(own.corruptEntries, 'damaged registration')} in ${data?.path} ${own.corruptEntries === 1 ? 'was' : 'were'} left out; when the point is stopped, this clears it up: ${salvageCommand(String(data?.path))}`)
    }

    data?.notes.forEach(note => { output.note(note) })

    node.services.rendezvousPoint.addEventListener('limit:near', ({ detail }) => { log.nearLimit(detail) })

    if (values.quiet !== true) {
      log.follow(node.services.rendezvousPoint)
    }

    await aborted(signal)
    log.report('stopping', 'Finishing what is in flight')
    await node.stop()

    return 0
  } finally {
    for (const close of opened) {
      await close()
    }

    if (signal.aborted) {
      log.report('stopped', 'Stopped')
    }
  }
}

/** Whether a point can be given work: it runs, does not stop, and what it is told is written. */
export function isServing (node: Pick<PointNode, 'status'> & { services: { rendezvousPoint: Pick<RendezvousPoint, 'isBehind'> } } | undefined, signal: AbortSignal): boolean {
  return node?.status === 'started' && !node.services.rendezvousPoint.isBehind && !signal.aborted
}

async function createNode (values: Values, listen: string[], privateKey: PrivateKey, init: RendezvousPointInit): Promise<PointNode> {
  const announce = values.announce ?? []
  checkAnnounced(announce, peerIdFromPrivateKey(privateKey))

  try {
    return await createLibp2p({
      start: false,
      privateKey: signWithOneKeyObject(privateKey),
      addresses: { listen, announce: announce.map(String) },
      transports: [gatheringTcp(), hardenedWebSockets()],
      connectionEncrypters: [noiseThatKeepsKeys()],
      streamMuxers: [impatient(hardenedYamux({ keepAliveInterval: keepAlive(init) }), SILENCE)],
      connectionManager: {
        maxConnections: values.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        inboundConnectionThreshold: values.maxConnectionRate ?? DEFAULT_MAX_CONNECTION_RATE,
        maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS
      },
      // it would ping all connections in one go, which holds up everything else when they are thousands;
      // the muxer asks each in its own time
      connectionMonitor: { enabled: false },
      ...(values.http == null ? {} : { metrics: (await import('@libp2p/prometheus-metrics')).prometheusMetrics() }),
      services: {
        // it tells which clients can read which records
        identify: identify(),
        listening: ({ transportManager }: { transportManager: TransportManager }): Listening => ({ addresses: () => transportManager.getAddrs() }),
        rendezvousPoint: rendezvousPoint(init)
      }
    })
  } catch (err: any) {
    throw err.name === 'InvalidParametersError' ? new UsageError(inFlags(err.message), { cause: err }) : err
  }
}

/** Whoever waits for less than usual before a peer is taken for gone wants to know sooner that it is away. */
function keepAlive ({ presence }: RendezvousPointInit): number {
  return presence == null || presence === false ? KEEP_ALIVE : Math.min(Math.max(presence.grace, 1_000), KEEP_ALIVE)
}

/**
 * @throws {Failure} that names the port when it was taken after it had been looked at, or twice
 */
async function start (node: PointNode, path: string | undefined): Promise<void> {
  try {
    await node.start()
  } catch (err: any) {
    if (path != null && isDamage(err)) {
      throw new Failure(damaged(path), { cause: err })
    }

    const [, code, host = '', port] = /listen (E[A-Z]+): [^\n]*? (\S+):(\d+)$/m.exec(err.message) ?? []

    throw code == null
      ? new Failure(`the point could not be started: ${describe(err)}`, { cause: err })
      : new Failure(portProblem(code, { host, port: Number(port) }, '--listen MULTIADDR'), { cause: err })
  }
}

async function startHealth ({ http }: Values, isHealthy: () => boolean): Promise<HealthServer | undefined> {
  if (http == null) {
    return
  }

  const { register } = await import('prom-client')

  return serveHealth({
    ...http,
    isHealthy,
    metrics: async () => ({ contentType: register.contentType, text: await register.metrics() })
  })
}

/**
 * libp2p remembers every peer for hours after it has left. A point that anybody may connect to cannot
 * afford that, so a peer is forgotten when it leaves, and what is written down of it later with the next
 * sweep.
 *
 * @returns what ends it
 */
function forgetPeers (node: PointNode): () => void {
  const sweeping = setInterval(() => { forgetLeftPeers(node).catch(() => {}) }, FORGET_INTERVAL)
  const onLeft = ({ detail: peer }: CustomEvent<PeerId>): void => { node.peerStore.delete(peer).catch(() => {}) }
  node.addEventListener('peer:disconnect', onLeft)

  return () => {
    clearInterval(sweeping)
    node.removeEventListener('peer:disconnect', onLeft)
  }
}

export async function forgetLeftPeers (node: Pick<Libp2p, 'getPeers' | 'peerStore'>): Promise<void> {
  const connected = new Set(node.getPeers().map(String))

  for (const { id } of await node.peerStore.all()) {
    if (!connected.has(id.toString())) {
      await node.peerStore.delete(id)
    }
  }
}

function readyEvent (node: PointNode, health: HealthServer | undefined): object {
  return {
    event: 'ready',
    peerId: node.peerId.toString(),
    addresses: node.getMultiaddrs().map(String),
    ...(health == null ? {} : { http: health.url })
  }
}

function introduce (output: Output, values: Values, node: PointNode, data: DataDirectory | undefined, health: HealthServer | undefined): void {
  const addresses = node.getMultiaddrs().map(String)
  // what it announces may not be reached from here
  const [nearby] = node.services.listening.addresses().map(address => withPeerId(address, node.peerId))
  const { registrations } = node.services.rendezvousPoint.size
  const kept = data == null
    ? 'in memory: identity and registrations end with this program'
    : `${data.path}${data.isNew ? ' (a new identity)' : values.store == null ? ` (${counted(registrations, 'registration')})` : ''}`

  output.print(output.bold('This is a rendezvous point.'))
  output.print()
  output.print(`  Peer id  ${output.bold(node.peerId.toString())}`)
  output.print(`  Data     ${kept}`)

  if (values.store != null) {
    output.print(`  Store    ${values.store.map(({ location }) => location).join(', ')} (${counted(registrations, 'registration')})`)
  }

  if (health != null) {
    output.print(`  Health   ${health.url}/healthz`)
    output.print(`  Metrics  ${health.url}/metrics`)
  }

  output.print()
  output.print('Its addresses, to give to clients:')
  output.print()
  addresses.forEach(address => { output.print(`  ${address}`) })
  output.print()
  output.print(`Try it from another terminal${DIRECTORY == null ? '' : `, in ${DIRECTORY}`}:`)
  output.print()
  clientCommands(`${nearby}`, values).forEach(command => { output.print(`  ${command}`) })
  output.print()
  output.print(output.dim(`Ctrl-C ends it. ${PROGRAM} point --help shows what can be set.`))
  output.print()
}

/** What to type to use a point that was started with these flags. */
export function clientCommands (address: string, values: Values): string[] {
  const { minTtl, defaultTtl, maxTtl } = lifetimes(values)
  const protocol = values.protocol == null ? '' : ` --protocol ${quote(values.protocol)}`
  const ttl = minTtl <= DEFAULT_TTL && DEFAULT_TTL <= maxTtl ? '' : ` --ttl ${writeDuration(defaultTtl)}`

  return [
    `${PROGRAM} register ${address} my-app${ttl}${protocol}`,
    `${PROGRAM} discover ${address} my-app${protocol}`
  ]
}
