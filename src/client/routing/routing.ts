import { NotFoundError } from '@libp2p/interface'
import { raceSignal } from 'race-signal'
import { withoutPeerId } from '../addresses.ts'
import { Deadline } from '../deadline.ts'
import { lookUp } from './look-up.ts'
import { contentNamespace, isInline, peerNamespace } from './namespaces.ts'
import type { CID } from './namespaces.ts'
import type { Step } from './look-up.ts'
import type { NamedPeer, Registry } from './registry.ts'
import type { Discovery } from '../discovery.ts'
import type { Points } from '../points.ts'
import type { RemotePoint } from '../remote-point.ts'
import type { DiscoverFilter, RendezvousClientComponents } from '../types.ts'
import type { AbortOptions, ContentRouting, Logger, PeerId, PeerInfo, PeerRouting, Provider, RoutingOptions } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * How long points that are connected are waited for before others are dialled, and how long those before somebody is
 * asked who is no peer, in milliseconds: who is near answers in less, and who is far does not wait for who is gone.
 */
const PATIENCE_CONNECTED = 150
const PATIENCE_CONFIGURED = 300

/** Providers of a block that are named, at the most. */
const MAX_PROVIDERS = 100

/** See `getClosestPeers`. Milliseconds. */
const NOBODY_IS_CLOSE = 1_000

export interface RoutingInit {
  components: Pick<RendezvousClientComponents, 'peerId' | 'connectionManager' | 'peerStore'>
  points: Pick<Points, 'defaults' | 'isConnected' | 'addressesOf'>
  discovery: Pick<Discovery, 'orStopping' | 'recordOf' | 'lookUp' | 'verify'>
  registries: Registry[]
  discoverFilter: DiscoverFilter | undefined
  /** Milliseconds. */
  timeout: number
  register: (namespace: string, options: AbortOptions) => Promise<unknown>
  unregister: (namespace: string, options: AbortOptions) => Promise<void>
  log: Logger
}

/** What is looked for. */
interface Wanted {
  /** For the log. */
  what: string
  namespace: string
  /** The only peer that is wanted; absent for any. */
  peer?: PeerId
  /** Asks a registry. */
  askRegistry: (registry: Registry, signal: AbortSignal) => AsyncIterable<NamedPeer>
}

/**
 * Peers by their id and blocks by their CID, for libp2p (docs/routing.md): who has registered under a namespace that
 * is made of one or the other.
 */
export class Routing implements Pick<PeerRouting, 'findPeer' | 'getClosestPeers'>, Pick<ContentRouting, 'provide' | 'cancelReprovide' | 'findProviders'> {
  readonly #init: RoutingInit

  constructor (init: RoutingInit) {
    this.#init = init
  }

  /**
   * @throws {NotFoundError} when nobody who was asked knows the peer
   * @throws {TimeoutError}
   * @throws {AbortError}
   */
  async findPeer (peerId: PeerId, { signal, useCache = true, useNetwork = true }: RoutingOptions = {}): Promise<PeerInfo> {
    const { discovery, timeout, log } = this.#init
    const either = discovery.orStopping(signal)
    const deadline = new Deadline(timeout, `Looking for ${peerId}`, either)

    try {
      const known = useCache ? await deadline.race(this.#known(peerId)) : undefined

      if (known != null) {
        return known
      }

      if (useNetwork) {
        const found = this.#lookUp({
          what: peerId.toString(),
          namespace: peerNamespace(peerId),
          peer: peerId,
          askRegistry: (registry, signal) => registry.findPeer(peerId, signal)
        }, deadline.signal)

        const { value } = await found.next()
        // nobody else need be asked
        await found.return(undefined)

        if (value != null) {
          return value
        }
      }
    } finally {
      deadline.clear()
      either.clear?.()
    }

    log('nobody knows %p', peerId)
    throw new NotFoundError(`Nobody who was asked knows ${peerId}`)
  }

  /**
   * Nobody, for no peer is closer to a key than another here. That is said with a pause: libp2p's random walk asks
   * again at once, without end and without letting anything else run, where no router of a node has an answer
   * (docs/upstream/js-libp2p.md).
   */
  async * getClosestPeers (key: Uint8Array, { signal }: RoutingOptions = {}): AsyncGenerator<PeerInfo> {
    await raceSignal(new Promise(resolve => { setTimeout(resolve, NOBODY_IS_CLOSE) }), signal)
  }

  /**
   * Says that this node has a block, and goes on saying so.
   *
   * @throws as `register`
   */
  async provide (cid: CID, { signal }: RoutingOptions = {}): Promise<void> {
    if (!isInline(cid)) {
      await this.#init.register(contentNamespace(cid), signal == null ? {} : { signal })
    }
  }

  /**
   * @throws as `unregister`
   */
  async cancelReprovide (cid: CID, { signal }: RoutingOptions = {}): Promise<void> {
    if (!isInline(cid)) {
      await this.#init.unregister(contentNamespace(cid), signal == null ? {} : { signal })
    }
  }

  /**
   * @throws {AbortError}
   */
  async * findProviders (cid: CID, { signal, useNetwork = true }: RoutingOptions = {}): AsyncGenerator<Provider> {
    if (isInline(cid) || !useNetwork) {
      return
    }

    const { components, discovery } = this.#init
    const either = discovery.orStopping(signal)
    const seen = new Set([components.peerId.toString()])

    try {
      const found = this.#lookUp({
        what: cid.toString(),
        namespace: contentNamespace(cid),
        askRegistry: (registry, signal) => registry.findProviders(cid, signal)
      }, either)

      for await (const peer of found) {
        const id = peer.id.toString()

        if (!seen.has(id)) {
          seen.add(id)
          yield { ...peer, routing: 'libp2p-rendezvous' }
        }

        if (seen.size > MAX_PROVIDERS) {
          return
        }
      }
    } finally {
      either.clear?.()
    }
  }

  /** What can be said of a peer without asking anybody. */
  async #known (peerId: PeerId): Promise<PeerInfo | undefined> {
    const { components: { connectionManager, peerStore }, points, discovery, log } = this.#init
    const connections = connectionManager.getConnections(peerId)
    const stored = await peerStore.get(peerId).then(({ addresses }) => addresses.map(({ multiaddr }) => multiaddr), (): Multiaddr[] => [])
    const say = (how: string, multiaddrs: Multiaddr[]): PeerInfo => {
      log('%p is known: %s', peerId, how)

      return { id: peerId, multiaddrs: multiaddrs.map(withoutPeerId) }
    }

    if (connections.length > 0) {
      // where one came from is not where it can be reached
      const dialled = connections.filter(({ direction }) => direction === 'outbound').map(({ remoteAddr }) => remoteAddr)

      return say('it is connected', stored.length > 0 ? stored : dialled)
    }

    if (stored.length > 0) {
      return say('it is in the peer store', stored)
    }

    const addresses = points.addressesOf(peerId)

    if (addresses.length > 0) {
      return say('it is a point', addresses)
    }

    // the peer store forgets addresses before a registration ends
    const record = discovery.recordOf(peerId)

    return record == null ? undefined : say('it was discovered', record.multiaddrs)
  }

  async * #lookUp (wanted: Wanted, signal: AbortSignal): AsyncGenerator<PeerInfo> {
    const { log } = this.#init
    const { what } = wanted

    yield * lookUp(this.#steps(wanted), signal, {
      onBegin: step => { log('asking %s for %s', step, what) },
      onFailed: (step, error) => { log('could not ask %s for %s - %e', step, what, error) }
    })
  }

  #steps (wanted: Wanted): Array<Step<PeerInfo>> {
    const { points, registries } = this.#init
    // one that is being looked for cannot be asked where it is
    const all = points.defaults.filter(({ peerId }) => wanted.peer?.equals(peerId) !== true)
    const at = (some: RemotePoint[]): Step<PeerInfo>['sources'] => some.map(point => signal => this.#askPoint(point, wanted, signal))

    return [
      { name: 'connected points', patience: PATIENCE_CONNECTED, sources: at(all.filter(({ peerId }) => points.isConnected(peerId))) },
      { name: 'configured points', patience: PATIENCE_CONFIGURED, sources: at(all.filter(({ peerId }) => !points.isConnected(peerId))) },
      { name: 'registries', patience: Infinity, sources: registries.map(registry => signal => this.#askRegistry(registry, wanted, signal)) }
    ]
  }

  async * #askPoint (point: RemotePoint, { what, namespace, peer }: Wanted, signal: AbortSignal): AsyncGenerator<PeerInfo> {
    const { discovery, log } = this.#init

    for await (const { peerId, multiaddrs } of discovery.lookUp(point, namespace, { peer, limit: peer == null ? MAX_PROVIDERS : 1, signal })) {
      log('%p found %p for %s', point.peerId, peerId, what)
      yield { id: peerId, multiaddrs: multiaddrs.map(withoutPeerId) }
    }
  }

  async * #askRegistry (registry: Registry, { what, peer, askRegistry }: Wanted, signal: AbortSignal): AsyncGenerator<PeerInfo> {
    const { log } = this.#init

    for await (const named of askRegistry(registry, signal)) {
      try {
        const multiaddrs = await this.#addressesOf(named, registry)
        log('%s found %p for %s%s', registry, named.peerId, what, named.envelope == null ? ', as it says' : '')

        // a provider can be looked for; of a peer that is looked for, nothing would be known but what was before
        if (peer == null || multiaddrs.length > 0) {
          yield { id: named.peerId, multiaddrs: multiaddrs.map(withoutPeerId) }
        }
      } catch (err) {
        log('%s named %p with a record that is not believed - %e', registry, named.peerId, err)
      }
    }
  }

  async #addressesOf ({ peerId, multiaddrs, envelope }: NamedPeer, { address }: Registry): Promise<Multiaddr[]> {
    const { discovery, discoverFilter } = this.#init

    if (envelope != null) {
      const record = await discovery.verify(envelope, peerId, address)

      return record.multiaddrs
    }

    return discoverFilter == null ? multiaddrs : multiaddrs.filter(multiaddr => discoverFilter(multiaddr, address))
  }
}
