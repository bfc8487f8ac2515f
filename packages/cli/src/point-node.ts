import { identify } from '@libp2p/identify'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { WebRTCDirect, WebSocketsSecure } from '@multiformats/multiaddr-matcher'
import { createLibp2p } from 'libp2p'
import { networkRule, rendezvousPoint } from 'libp2p-rendezvous'
import { checkAnnounced, withPeerId } from './addresses.ts'
import { forBrowsers } from './browsers.ts'
import { damaged, isDamage } from './data-directory.ts'
import { writeDuration } from './durations.ts'
import { describe, Failure, UsageError } from './failures.ts'
import { PROGRAM, quote } from './invocation.ts'
import { impatient } from './patches/keep-alive.ts'
import { noiseThatKeepsKeys } from './patches/noise.ts'
import { signWithOneKeyObject } from './patches/private-key.ts'
import { gatheringTcp } from './patches/tcp.ts'
import { hardenedWebSockets } from './patches/web-sockets.ts'
import { hardenedYamux } from './patches/yamux.ts'
import { inFlags, lifetimes } from './point-init.ts'
import { portProblem } from './ports.ts'
import { DEFAULT_TTL } from './register.ts'
import { fairRelay } from './relay.ts'
import { relayLimits } from './relay-limits.ts'
import { roomFor } from './room.ts'
import { followCertificate, readCertificate } from './tls.ts'
import { webRtcDirect } from './web-rtc-direct.ts'
import type { FlagValues } from './flags.ts'
import type { Introduction } from './introduction.ts'
import type { PointFlags } from './options.ts'
import type { Certificate, CertificateFiles } from './tls.ts'
import type { loadWebRtc } from './web-rtc-direct.ts'
import type { RegistrationStore, RendezvousPoint, RendezvousPointInit } from 'libp2p-rendezvous'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import type { AddressManager, TransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'

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
export type PointNode = Libp2p<{ rendezvousPoint: RendezvousPoint, listening: Listening }>

/** Where a node listens, whatever it announces. */
interface Listening {
  addresses: () => Multiaddr[]
  /** Vouches for them: libp2p tells nobody of one in the open internet before somebody else has been there. */
  confirm: () => void
}

export interface PointNodeInit {
  values: Values
  init: RendezvousPointInit
  listen: string[]
  privateKey: PrivateKey
  /** In memory when there is none. */
  store: RegistrationStore | undefined
  /** Where the data is. */
  path: string | undefined
  /** For addresses of WebRTC-direct. */
  webRtc?: Awaited<ReturnType<typeof loadWebRtc>>
  /** Tells whoever runs the point of something. */
  note: (text: string) => void
  /** Namespaces in which nobody may register. */
  closed: string[]
}

/**
 * A point that serves.
 *
 * @throws {Failure | UsageError}
 */
export async function startNode (init: PointNodeInit): Promise<PointNode> {
  const { path, values, closed, note } = init
  const files = values.tlsCert == null || values.tlsKey == null ? undefined : { cert: values.tlsCert, key: values.tlsKey }
  const certificate = files == null ? undefined : await readCertificate(files)
  const node = await createNode({ ...init, ...(files == null || certificate == null ? {} : { secure: { files, certificate } }) })
  await close(node, closed)
  await start(node, path)
  // what was left when the program ended before it was through
  await close(node, closed)
  node.services.listening.confirm()
  forgetPeers(node)
  certificate?.notes.forEach(note)

  return node
}

async function close ({ services: { rendezvousPoint } }: PointNode, namespaces: string[]): Promise<void> {
  await Promise.all(namespaces.map(async namespace => rendezvousPoint.closeNamespace(namespace)))
}

/** Whether a point can be given work: it runs, does not stop, and what it is told is written. */
export function isServing (node: Pick<PointNode, 'status'> & { services: { rendezvousPoint: Pick<RendezvousPoint, 'isBehind'> } } | undefined, signal: AbortSignal): boolean {
  return node?.status === 'started' && !node.services.rendezvousPoint.isBehind && !signal.aborted
}

/** A certificate, and where it is from. */
interface Secure {
  files: CertificateFiles
  certificate: Certificate
}

async function createNode ({ values, init, listen, privateKey, store, path, webRtc, note, secure }: PointNodeInit & { secure?: Secure }): Promise<PointNode> {
  const announce = values.announce ?? []
  checkAnnounced(announce, peerIdFromPrivateKey(privateKey))
  const { maxConnections, maxConnectionRate } = roomFor(values)
  const networkOf = networkRule(values.trustedProxy)
  const relay = relayLimits(values, maxConnections)
  let unfollow = (): void => {}

  const onRenewable = (renew: (certificate: Certificate) => void): void => {
    if (secure != null) {
      unfollow = followCertificate(secure.files, secure.certificate, renew, note)
    }
  }

  try {
    const node = await createLibp2p({
      start: false,
      privateKey: signWithOneKeyObject(privateKey),
      addresses: {
        listen,
        announce: announce.map(String),
        ...(announce.length > 0 || secure == null ? {} : { announceFilter: addresses => underNames(addresses, secure.certificate) })
      },
      transports: [
        gatheringTcp(),
        hardenedWebSockets({ certificate: secure?.certificate, onRenewable, networkOf }),
        ...(webRtc == null ? [] : [await webRtcDirect(webRtc, path, networkOf)])
      ],
      connectionEncrypters: [noiseThatKeepsKeys()],
      streamMuxers: [impatient(hardenedYamux({ keepAliveInterval: keepAlive(init) }), SILENCE)],
      connectionManager: {
        maxConnections,
        inboundConnectionThreshold: maxConnectionRate,
        maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS
      },
      // it would ping all connections in one go, which holds up everything else when they are thousands;
      // the muxer asks each in its own time
      connectionMonitor: { enabled: false },
      ...(values.http == null && values.admin == null ? {} : { metrics: (await import('@libp2p/prometheus-metrics')).prometheusMetrics() }),
      services: {
        // it tells which clients can read which records
        identify: identify(),
        listening,
        rendezvousPoint: rendezvousPoint({ ...init, ...(store == null ? {} : { store }) }),
        ...(relay == null ? {} : { relay: fairRelay({ ...relay, networkOf, rate: maxConnectionRate }) })
      }
    })
    node.addEventListener('stop', unfollow)

    return node
  } catch (err: any) {
    unfollow()

    throw err.name === 'InvalidParametersError' ? new UsageError(inFlags(err.message), { cause: err }) : err
  }
}

function listening ({ transportManager, addressManager }: { transportManager: TransportManager, addressManager: AddressManager }): Listening {
  return {
    addresses: () => transportManager.getAddrs(),
    confirm: () => { transportManager.getAddrs().forEach(address => { addressManager.confirmObservedAddr(address, { type: 'transport', ttl: Infinity }) }) }
  }
}

/**
 * Gives secure WebSockets to clients under the hosts that their certificate names, and under no other address: whoever
 * connects compares them.
 */
export function underNames (addresses: Multiaddr[], { hosts, isFor }: Pick<Certificate, 'hosts' | 'isFor'>): Multiaddr[] {
  const named = addresses.flatMap(address => {
    const [ip, ...rest] = address.getComponents()

    if (ip == null || !WebSocketsSecure.matches(address)) {
      return [String(address)]
    }

    const behind = String(multiaddr(rest))

    return [...hosts.map(host => `/dns/${host}${behind}`), ...(isFor(String(ip.value)) ? [String(address)] : [])]
  })

  return [...new Set(named)].map(address => multiaddr(address))
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

/**
 * libp2p remembers every peer for hours after it has left. A point that anybody may connect to cannot
 * afford that, so a peer is forgotten when it leaves, and what is written down of it later with the next
 * sweep.
 */
function forgetPeers (node: PointNode): void {
  const sweeping = setInterval(() => { forgetLeftPeers(node).catch(() => {}) }, FORGET_INTERVAL)
  const onLeft = ({ detail: peer }: CustomEvent<PeerId>): void => { node.peerStore.delete(peer).catch(() => {}) }
  node.addEventListener('peer:disconnect', onLeft)
  node.addEventListener('stop', () => {
    clearInterval(sweeping)
    node.removeEventListener('peer:disconnect', onLeft)
  })
}

export async function forgetLeftPeers (node: Pick<Libp2p, 'getPeers' | 'peerStore'>): Promise<void> {
  const connected = new Set(node.getPeers().map(String))

  for (const { id } of await node.peerStore.all()) {
    if (!connected.has(id.toString())) {
      await node.peerStore.delete(id)
    }
  }
}

/** What whoever runs a point is to know of it. */
export function introductionOf (node: PointNode, values: Values): Introduction {
  const addresses = node.getMultiaddrs()
  // what it announces may not be reached from here, nor under TLS without the right name
  const nearby = node.services.listening.addresses().find(address => !WebSocketsSecure.matches(address) && !WebRTCDirect.matches(address)) ??
    addresses.find(address => !WebRTCDirect.matches(address))

  return {
    peerId: node.peerId.toString(),
    addresses: addresses.map(String),
    browsers: forBrowsers(addresses, { hasCertificate: values.tlsCert != null, hasRelay: values.relay === true }),
    registrations: node.services.rendezvousPoint.size.registrations,
    commands: nearby == null ? [] : clientCommands(`${withPeerId(nearby, node.peerId)}`, values)
  }
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
