import { contentRoutingSymbol, NotStartedError, peerDiscoverySymbol, peerRoutingSymbol, serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import { debounce } from '@libp2p/utils'
import { TypedEventEmitter } from 'main-event'
import { checkNamespace } from '../protocol/namespace.ts'
import { Discovery } from './discovery.ts'
import { Lookout } from './lookout.ts'
import { ClientMetrics } from './metrics.ts'
import { OwnRecord } from './own-record.ts'
import { PAGE_SIZE } from './pages.ts'
import { Points } from './points.ts'
import { Registrations } from './registrations.ts'
import { peerNamespace } from './routing/namespaces.ts'
import { Registry } from './routing/registry.ts'
import { Routing } from './routing/routing.ts'
import { checkDuration, checkLimit, clientSettings, isBrowser, isSecurePage } from './settings.ts'
import { Tokens } from './tokens.ts'
import { Watches } from './watches.ts'
import type { DiscoveredPeer, DiscoverOptions, DiscoverPage, DiscoverPageOptions, PointOptions, RegisterOptions, Registration, RendezvousClientComponents, RendezvousClientEvents, RendezvousClientInit, RendezvousClient as RendezvousClientInterface } from './types.ts'
import type { ClientEvent } from './metrics.ts'
import type { ClientSettings } from './settings.ts'
import type { Wanted } from './watches.ts'
import type { Logger, PeerDiscoveryEvents, PeerId, Startable } from '@libp2p/interface'

/** The default limit of a listing. */
const MAX_LISTED = 100_000

/** Addresses change in bursts. Milliseconds. */
const ADDRESS_CHANGE_DEBOUNCE = 1_000

/**
 * The network side of the client: its place in a libp2p node, and the calls of its users.
 */
export class RendezvousClient extends TypedEventEmitter<RendezvousClientEvents> implements RendezvousClientInterface, Startable {
  readonly protocol: string

  readonly #components: RendezvousClientComponents
  readonly #settings: ClientSettings
  readonly #points: Points
  readonly #watches: Watches
  readonly #registrations: Registrations
  readonly #discovery: Discovery
  readonly #routing: Routing | undefined
  readonly #lookout: Lookout
  readonly #metrics: ClientMetrics
  readonly #log: Logger
  readonly #onAddressesChanged: ReturnType<typeof debounce>

  /** The first address is not gathered with others: nobody finds this node before. */
  readonly #onListening = (): void => {
    if (this.#registrations.waitsForAddress) {
      this.#lookAtAddresses()
    }
  }

  /** What libp2p is told as of a peer discovery. */
  readonly #peerDiscovery = new TypedEventEmitter<PeerDiscoveryEvents>()
  #status: 'stopped' | 'started' | 'stopping' = 'stopped'

  constructor (components: RendezvousClientComponents, init: RendezvousClientInit = {}) {
    super()

    this.#components = components
    this.#settings = clientSettings(init)
    this.#log = components.logger.forComponent('libp2p:rendezvous:client')
    this.protocol = this.#settings.protocol

    const tokens = new Tokens(init.token, this.#settings.timeout)
    this.#points = new Points(components, this.#settings, init, {
      onConnect: (point, isDefault) => {
        this.#watches.onConnect(point)
        this.#registrations.onConnect(point, isDefault)
        this.#discovery.onConnect(point, isDefault)
        this.#lookout.look()
      },
      onDisconnect: (point, isDefault) => {
        this.#registrations.onDisconnect(point.peerId, isDefault, namespace => point.cookieOf(namespace))
        this.#discovery.onDisconnect(point.peerId, isDefault)
        this.#watches.update(point.peerId)
        this.#lookout.look()
      },
      onDialled: () => { this.#lookout.look() },
      onWatchable: point => { this.#watches.onConnect(point) },
      isKept: point => this.#registrations.returnsTo(point),
      isFollowed: point => this.#discovery.follows(point)
    }, this.#log, tokens)
    this.#watches = new Watches({
      timeout: this.#settings.timeout,
      listener: () => this.#discovery,
      open: async (point, signal) => this.#points.openWatchStream(point, signal),
      isConnected: point => this.#points.isConnected(point),
      wantedAt: point => this.#wantedAt(point),
      onRegistered: (point, namespaces, askedAgo) => { this.#registrations.onRegistered(point, namespaces, askedAgo) },
      onEnded: (point, namespace, error) => this.#registrations.onEnded(point, namespace, error),
      tokens,
      onResult: result => { this.#metrics.watched(result) },
      log: this.#log
    })
    this.#registrations = new Registrations({
      ...this.#settings,
      isPermanent: error => tokens.isPermanent(error),
      points: this.#points,
      watches: this.#watches,
      record: new OwnRecord(components, this.#settings.addressFilter, this.#settings.recordDomain),
      log: this.#log,
      onGranted: (registration, isNew) => {
        this.#report('registration:granted', registration)
        this.#discovery.onGranted(registration.namespace, registration.point)

        if (isNew) {
          this.#watches.update(registration.point)
        }
      },
      onFailed: failure => {
        this.#report('registration:failed', failure)

        if (failure.point != null) {
          this.#watches.update(failure.point)
        }
      },
      onExpired: registration => { this.#report('registration:expired', registration) }
    })
    this.#metrics = new ClientMetrics(components.metrics, {
      registrations: () => this.registrations.length,
      discovered: () => this.#discovery.size,
      subscriptions: () => this.#watches.size
    })
    this.#discovery = new Discovery({
      components,
      settings: this.#settings,
      points: named => named == null ? this.#points.defaults : [this.#points.get(named)],
      watches: this.#watches,
      metrics: this.#metrics,
      log: this.#log,
      onNew: peer => {
        this.#report('peer', peer)
        this.#peerDiscovery.safeDispatchEvent('peer', { detail: { id: peer.id, multiaddrs: [] } })
      },
      onExpired: peer => { this.#report('peer:expired', peer) }
    })

    if (this.#settings.routing) {
      const { timeout, discoverFilter, registries } = this.#settings
      this.#routing = new Routing({
        components,
        points: this.#points,
        discovery: this.#discovery,
        registries: registries.map(url => new Registry(url, timeout)),
        discoverFilter,
        timeout,
        register: async (namespace, options) => this.register(namespace, options),
        unregister: async (namespace, options) => this.unregister(namespace, options),
        log: this.#log
      })
      this[serviceCapabilities].push('@libp2p/peer-routing', '@libp2p/content-routing')
    }

    this.#lookout = new Lookout({
      components,
      points: this.#points,
      registrations: this.#registrations,
      wantsPoint: this.#settings.points.length > 0 || this.#settings.discover.length > 0,
      surroundings: { isBrowser: isBrowser(), isSecurePage: isSecurePage() },
      log: this.#log,
      onUnreachable: unreachable => { this.#report('unreachable', unreachable) }
    })
    this.#onAddressesChanged = debounce(() => { this.#lookAtAddresses() }, ADDRESS_CHANGE_DEBOUNCE)
  }

  readonly [Symbol.toStringTag] = 'libp2p-rendezvous/client'

  readonly [serviceCapabilities]: string[] = ['@libp2p/peer-discovery', 'libp2p-rendezvous/client']

  /**
   * Names the peers that are found, without addresses: those are in the peer store by then, as certified. libp2p
   * would write what is named here once more, uncertified and whatever newer record it has.
   */
  get [peerDiscoverySymbol] (): TypedEventEmitter<PeerDiscoveryEvents> {
    return this.#peerDiscovery
  }

  /** Absent unless it was asked for. */
  get [peerRoutingSymbol] (): Routing | undefined {
    return this.#routing
  }

  get [contentRoutingSymbol] (): Routing | undefined {
    return this.#routing
  }

  /** A point learns who is connected, and a client which peers are points, by identify. */
  readonly [serviceDependencies]: string[] = ['@libp2p/identify']

  get registrations (): Registration[] {
    return this.#registrations.held
  }

  get discovered (): DiscoveredPeer[] {
    return this.#discovery.peers
  }

  isStarted (): boolean {
    return this.#status === 'started'
  }

  async start (): Promise<void> {
    if (this.#status !== 'stopped') {
      return
    }

    this.#status = 'started'
    this.#discovery.start()
    this.#components.events.addEventListener('self:peer:update', this.#onAddressesChanged)
    this.#components.events.addEventListener('transport:listening', this.#onListening)
    await this.#points.start()
  }

  /** Once the node can dial: registers and discovers what the init asks for. */
  afterStart (): void {
    const { register, routing, ttl } = this.#settings
    const namespaces = routing ? [...register, peerNamespace(this.#components.peerId)] : register
    namespaces.forEach(namespace => { this.#registrations.keepEverywhere(namespace, ttl) })
    this.#discovery.followAll(this.#settings.discover)
    this.#lookout.start()
  }

  /** While the connections are still open: unregisters. */
  async beforeStop (): Promise<void> {
    if (this.#status !== 'started') {
      return
    }

    this.#status = 'stopping'
    this.#components.events.removeEventListener('self:peer:update', this.#onAddressesChanged)
    this.#components.events.removeEventListener('transport:listening', this.#onListening)
    this.#onAddressesChanged.stop()
    this.#lookout.stop()
    this.#discovery.stop()
    this.#watches.stop()
    this.#points.interrupt()
    await this.#registrations.stop()
    this.#points.stop()
  }

  async stop (): Promise<void> {
    await this.beforeStop()
    this.#discovery.clear()
    this.#status = 'stopped'
  }

  async register (namespace: string, { point, ttl = this.#settings.ttl, signal }: RegisterOptions = {}): Promise<Registration[]> {
    checkNamespace(namespace)
    checkDuration('ttl', ttl)
    this.#checkStarted()

    const registered = this.#registrations.register(namespace, point, ttl, signal)
    this.#lookout.look()

    return registered
  }

  async unregister (namespace: string, { point, signal }: PointOptions = {}): Promise<void> {
    checkNamespace(namespace)
    this.#checkStarted()

    try {
      await this.#registrations.unregister(namespace, point, signal)
    } finally {
      this.#watches.updateAll()
      this.#lookout.look()
    }
  }

  async * discover (namespace?: string, { point, limit = MAX_LISTED, signal }: DiscoverOptions = {}): AsyncGenerator<DiscoveredPeer> {
    if (namespace != null) {
      checkNamespace(namespace)
    }

    checkLimit(limit)
    this.#checkStarted()

    yield * this.#discovery.discover(namespace, this.#points.select(point, namespace), limit, signal)
  }

  async * watch (namespace: string, { point, signal }: PointOptions = {}): AsyncGenerator<DiscoveredPeer> {
    checkNamespace(namespace)
    this.#checkStarted()

    yield * this.#discovery.watch(namespace, point == null ? undefined : this.#points.get(point).peerId, signal)
  }

  async discoverPage (namespace: string | undefined, { point, limit = PAGE_SIZE, cookie, signal }: DiscoverPageOptions): Promise<DiscoverPage> {
    if (namespace != null) {
      checkNamespace(namespace)
    }

    checkLimit(limit)
    this.#checkStarted()

    return this.#discovery.page(namespace, this.#points.get(point), limit, cookie, signal)
  }

  #lookAtAddresses (): void {
    try {
      this.#registrations.onAddressesChanged()
      this.#lookout.look()
    } catch (err) {
      // of the user's filter; nobody is there to catch it
      this.#log.error('could not tell whether the addresses changed - %e', err)
    }
  }

  #wantedAt (point: PeerId): Wanted {
    if (this.#status !== 'started') {
      return { namespaces: [], isLive: false }
    }

    return {
      namespaces: this.#discovery.namespacesAt(point),
      isLive: this.#settings.live && this.#registrations.keepsAt(point)
    }
  }

  #report <K extends ClientEvent & keyof RendezvousClientEvents> (event: K, detail: RendezvousClientEvents[K]['detail']): void {
    this.#metrics.happened(event)
    this.safeDispatchEvent(event, { detail } as any)
  }

  #checkStarted (): void {
    if (this.#status !== 'started') {
      throw new NotStartedError('The rendezvous client is not started')
    }
  }
}
