import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@libp2p/noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { memoryStore, rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import { Driver } from './drivers.ts'
import type { Implementation } from './drivers.ts'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey, ServiceMap } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import type { DiscoveredPeer, RendezvousClient, RendezvousClientInit, RendezvousPoint, RendezvousPointInit } from 'libp2p-rendezvous'

export const HOUR = 60 * 60_000

/** What our own clients publish: nobody dials them. */
export const OUR_ADDRESS = '/ip4/127.0.0.1/tcp/4001'

export type Point = Libp2p<{ identify: Identify, rendezvousPoint: RendezvousPoint }>
export type Client = Libp2p<{ identify: Identify, rendezvous: RendezvousClient }>

/** Canvas speaks the protocol under a name of its own. */
const CANVAS = '/canvas/rendezvous/1.0.0'
const protocolOf = ({ name }: Implementation): { protocol?: string } => name === 'canvas' ? { protocol: CANVAS } : {}

/** Hundreds of peers from one address are what is tested, not what is defended against. */
const MANY = { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1_000, maxConnections: 10_000 }

/** A case that ends with what an implementation does, where the general answer does not apply. */
export class Measured extends Error {}

/** What is started; everything ends together, the last first. */
export class Nodes {
  readonly #stack = new AsyncDisposableStack()

  /** A client of another implementation. */
  async client (implementation: Implementation, point: Point | Driver, ...flags: string[]): Promise<Driver> {
    return this.driver(implementation, 'client', addressOf(point), ...flags)
  }

  /** One that can be dialled, with its defaults. */
  async ourListeningClient (point: Point): Promise<Client> {
    return this.clientNode({ points: [addressOf(point)] }, { listen: ['/ip4/127.0.0.1/tcp/0'] })
  }

  /** For everybody: the names of the protocol are two doors to one store. */
  async ourPointForAll (): Promise<Point> {
    const store = memoryStore()

    return this.node({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      connectionManager: MANY,
      services: {
        identify: identify(),
        rendezvousPoint: rendezvousPoint({ store }),
        canvas: rendezvousPoint({ store, protocol: CANVAS, watch: false, fairConnections: false })
      }
    })
  }

  async end (): Promise<void> {
    await this.#stack.disposeAsync()
  }

  protected async driver (implementation: Implementation, ...args: string[]): Promise<Driver> {
    const driver = await Driver.start(implementation, ...args)
    this.#stack.defer(async () => { await driver.stop() })

    return driver
  }

  protected async clientNode (init: RendezvousClientInit, addresses: Libp2pOptions['addresses']): Promise<Client> {
    return this.node({ addresses, services: { identify: identify(), rendezvous: rendezvousClient(init) } })
  }

  protected async node <T extends ServiceMap> (options: Libp2pOptions<T>): Promise<Libp2p<T>> {
    const node = await createLibp2p<T>({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      ...options
    })
    this.#stack.defer(async () => { await node.stop() })

    return node
  }
}

/** What one case starts, with one other implementation. */
export class Context extends Nodes {
  readonly theirs: Implementation

  constructor (theirs: Implementation) {
    super()
    this.theirs = theirs
  }

  async theirPoint (...flags: string[]): Promise<Driver> {
    return this.driver(this.theirs, 'server', ...flags)
  }

  async theirClient (point: Point | Driver): Promise<Driver> {
    return this.client(this.theirs, point)
  }

  async ourPoint (init: RendezvousPointInit = {}, port = 0, privateKey?: PrivateKey): Promise<Point> {
    return this.node({
      privateKey: privateKey ?? await generateKeyPair('Ed25519'),
      addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
      connectionManager: MANY,
      services: { identify: identify(), rendezvousPoint: rendezvousPoint({ ...protocolOf(this.theirs), ...init }) }
    })
  }

  async ourClient (point: Point | Driver, init: RendezvousClientInit = {}, announce = [OUR_ADDRESS]): Promise<Client> {
    return this.clientNode({ points: [addressOf(point)], ...protocolOf(this.theirs), ...init }, { listen: [], announce })
  }
}

export function addressOf (point: Point | Driver): string {
  return point instanceof Driver ? point.address : String(point.getMultiaddrs()[0])
}

export function portOf (point: Point | Driver): number {
  return Number(addressOf(point).split('/')[4])
}

/** Everybody found, in no particular order. */
export function idsOf (peers: Array<{ id: unknown } | { peer: string }>): string[] {
  return peers.map(peer => String('peer' in peer ? peer.peer : peer.id)).sort()
}

export async function discover (client: Client, namespace?: string): Promise<DiscoveredPeer[]> {
  const peers: DiscoveredPeer[] = []

  for await (const peer of client.services.rendezvous.discover(namespace)) {
    peers.push(peer)
  }

  return peers
}

/** How something was refused: the point's status, or the name of our own error. */
export async function refusal (promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (err: any) {
    const reason = err instanceof AggregateError ? err.errors[0] : err

    return reason.status ?? reason.name
  }

  return 'not refused'
}

/** Tries until it is so; time is the peers' here, no clock can be faked. */
export async function until (what: string, seconds: number, check: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + seconds * 1_000

  while (!await check()) {
    if (Date.now() > end) {
      throw new Error(`${what}: not within ${seconds} s`)
    }

    await sleep(100)
  }
}
