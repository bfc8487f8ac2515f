import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@libp2p/noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import { Driver } from './drivers.ts'
import type { Implementation, Name } from './drivers.ts'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import type { DiscoveredPeer, RendezvousClient, RendezvousClientInit, RendezvousPoint, RendezvousPointInit } from 'libp2p-rendezvous'

export const HOUR = 60 * 60_000

/** What our own clients publish: nobody dials them. */
export const OUR_ADDRESS = '/ip4/127.0.0.1/tcp/4001'

export type Point = Libp2p<{ identify: Identify, rendezvousPoint: RendezvousPoint }>
export type Client = Libp2p<{ identify: Identify, rendezvous: RendezvousClient }>

/**
 * For our clients that are to be found by the implementation's: rust-libp2p reads peer records only in
 * the form that RFC 0003 gives them, all others only in the form that go-libp2p gave them.
 */
const READABLE: Record<Name, RendezvousClientInit> = {
  rust: { recordDomain: 'libp2p-routing-state' },
  go: {},
  python: {}
}

/** A case that ends with what an implementation does, where the general answer does not apply. */
export class Measured extends Error {}

/** What one case starts; everything ends with it, the last first. */
export class Context {
  readonly #stack = new AsyncDisposableStack()
  readonly theirs: Implementation

  constructor (theirs: Implementation) {
    this.theirs = theirs
  }

  async theirPoint (...flags: string[]): Promise<Driver> {
    return this.#driver(await Driver.start(this.theirs, 'server', ...flags))
  }

  async theirClient (point: Point | Driver): Promise<Driver> {
    return this.#driver(await Driver.start(this.theirs, 'client', addressOf(point)))
  }

  async ourPoint (init: RendezvousPointInit = {}, port = 0, privateKey?: PrivateKey): Promise<Point> {
    const node = await createLibp2p({
      privateKey: privateKey ?? await generateKeyPair('Ed25519'),
      addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      // hundreds of peers from one address are what is tested, not what is defended against
      connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1_000, maxConnections: 10_000 },
      services: { identify: identify(), rendezvousPoint: rendezvousPoint(init) }
    })
    this.#stack.defer(async () => { await node.stop() })

    return node
  }

  async ourClient (point: Point | Driver, init: RendezvousClientInit = {}, announce = [OUR_ADDRESS]): Promise<Client> {
    const node = await createLibp2p({
      addresses: { listen: [], announce },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), rendezvous: rendezvousClient({ points: [addressOf(point)], ...init }) }
    })
    this.#stack.defer(async () => { await node.stop() })

    return node
  }

  /** One that the implementation's clients can find. */
  async ourReadableClient (point: Point): Promise<Client> {
    return this.ourClient(point, READABLE[this.theirs.name])
  }

  async end (): Promise<void> {
    await this.#stack.disposeAsync()
  }

  #driver (driver: Driver): Driver {
    this.#stack.defer(async () => { await driver.stop() })

    return driver
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
