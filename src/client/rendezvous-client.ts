import { AbortError, NotStartedError, serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import { debounce } from '@libp2p/utils'
import { anySignal } from 'any-signal'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { NoAddressesError } from '../protocol/errors.ts'
import { checkNamespace } from '../protocol/namespace.ts'
import { Deadline } from './deadline.ts'
import { Discovery } from './discovery.ts'
import { KeepAlive } from './keep-alive.ts'
import { ClientMetrics } from './metrics.ts'
import { OwnRecord } from './own-record.ts'
import { PAGE_SIZE } from './pages.ts'
import { Points } from './points.ts'
import { checkDuration, checkLimit, clientSettings } from './settings.ts'
import type { DiscoveredPeer, DiscoverOptions, DiscoverPage, DiscoverPageOptions, PointOptions, RegisterOptions, Registration, RendezvousClientComponents, RendezvousClientEvents, RendezvousClientInit, RendezvousClient as RendezvousClientInterface } from './types.ts'
import type { ClientEvent } from './metrics.ts'
import type { ClientSettings } from './settings.ts'
import type { ClearableSignal } from 'any-signal'
import type { Logger, PeerId, Startable } from '@libp2p/interface'

/** The default limit of a listing. */
const MAX_LISTED = 100_000

/** Addresses change in bursts. Milliseconds. */
const ADDRESS_CHANGE_DEBOUNCE = 1_000

/** How long stopping may take, in milliseconds: points that hang must not keep a node from ending. */
const STOP_TIMEOUT = 5_000

/** A namespace that is to be registered wherever it can be. */
interface Everywhere {
  /** Milliseconds. */
  ttl: number
  /** The points where it was unregistered by name. */
  except: Set<string>
}

/**
 * The network side of the client: its place in a libp2p node, and the calls of its users.
 */
export class RendezvousClient extends TypedEventEmitter<RendezvousClientEvents> implements RendezvousClientInterface, Startable {
  readonly protocol: string

  readonly #components: RendezvousClientComponents
  readonly #settings: ClientSettings
  readonly #points: Points
  readonly #record: OwnRecord
  readonly #keepAlive: KeepAlive
  readonly #discovery: Discovery
  readonly #metrics: ClientMetrics
  readonly #log: Logger
  readonly #onAddressesChanged: ReturnType<typeof debounce>
  /** The namespaces that are kept at every point used by default. */
  readonly #everywhere = new Map<string, Everywhere>()
  #status: 'stopped' | 'started' | 'stopping' = 'stopped'
  #stopping = new AbortController()

  constructor (components: RendezvousClientComponents, init: RendezvousClientInit = {}) {
    super()

    this.#components = components
    this.#settings = clientSettings(init)
    this.#log = components.logger.forComponent('libp2p:rendezvous:client')
    this.protocol = this.#settings.protocol

    this.#points = new Points(components, this.#settings, init, {
      onConnect: (point, isDefault) => { this.#onPointConnect(point, isDefault) },
      onDisconnect: (point, isDefault) => {
        this.#log('point %p is disconnected', point)
        this.#keepAlive.onDisconnect(point, isDefault)
        this.#discovery.onDisconnect(point, isDefault)
      }
    })
    this.#record = new OwnRecord(components, this.#settings.addressFilter, this.#settings.recordDomain)
    this.#keepAlive = new KeepAlive({
      record: this.#record,
      autoRefresh: this.#settings.autoRefresh,
      refreshBuffer: this.#settings.refreshBuffer,
      register: async (point, namespace, record, ttl, signal) => this.#points.get(point).register(namespace, record, ttl, signal),
      onGranted: registration => {
        this.#report('registration:granted', registration)
        this.#discovery.onGranted(registration.namespace, registration.point)
      },
      onFailed: failure => { this.#report('registration:failed', failure) },
      onExpired: registration => { this.#report('registration:expired', registration) }
    })
    this.#metrics = new ClientMetrics(components.metrics, {
      registrations: () => this.registrations.length,
      discovered: () => this.#discovery.size
    })
    this.#discovery = new Discovery({
      components,
      settings: this.#settings,
      points: named => named == null ? this.#points.defaults : [this.#points.get(named)],
      metrics: this.#metrics,
      log: this.#log,
      onNew: peer => { this.#report('peer', peer) },
      onExpired: peer => { this.#report('peer:expired', peer) }
    })
    this.#onAddressesChanged = debounce(() => {
      try {
        this.#keepAlive.onAddressesChanged()
      } catch (err) {
        // of the user's filter; nobody is there to catch it
        this.#log.error('could not tell whether the addresses changed - %e', err)
      }
    }, ADDRESS_CHANGE_DEBOUNCE)
  }

  readonly [Symbol.toStringTag] = 'libp2p-rendezvous/client'

  readonly [serviceCapabilities]: string[] = ['@libp2p/peer-discovery', 'libp2p-rendezvous/client']

  /** A point learns who is connected, and a client which peers are points, by identify. */
  readonly [serviceDependencies]: string[] = ['@libp2p/identify']

  get registrations (): Registration[] {
    return this.#keepAlive.registrations
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
    this.#stopping = new AbortController()
    setMaxListeners(Infinity, this.#stopping.signal)
    this.#discovery.start()
    this.#components.events.addEventListener('self:peer:update', this.#onAddressesChanged)
    await this.#points.start()
  }

  /** Once the node can dial: registers and discovers what the init asks for. */
  afterStart (): void {
    for (const namespace of this.#settings.namespaces) {
      this.#everywhere.set(namespace, { ttl: this.#settings.ttl, except: new Set() })
    }

    this.#discovery.followAll(this.#settings.namespaces)

    this.#points.defaults.forEach(({ peerId }) => { this.#keepAt(peerId) })
  }

  /** While the connections are still open: unregisters. */
  async beforeStop (): Promise<void> {
    if (this.#status !== 'started') {
      return
    }

    this.#status = 'stopping'
    this.#stopping.abort()
    this.#everywhere.clear()
    this.#components.events.removeEventListener('self:peer:update', this.#onAddressesChanged)
    this.#onAddressesChanged.stop()
    this.#discovery.stop()

    // where nothing is known to be held, it is not worth dialling to find out
    const asked = this.#keepAlive.stop().filter(({ point, isHeld }) => isHeld || this.#points.isConnected(point))

    const deadline = new Deadline(Math.min(this.#settings.timeout, STOP_TIMEOUT), 'Unregistering')

    try {
      await deadline.race(Promise.allSettled(asked.map(async ({ namespace, point }) => this.#points.get(point).unregister(namespace, deadline.signal))))
    } catch (err) {
      this.#log('could not unregister everywhere - %e', err)
    } finally {
      deadline.clear()
    }

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

    if (point == null && this.#settings.autoRefresh) {
      // points that are found later are meant as well
      this.#everywhere.set(namespace, { ttl, except: new Set() })
    }

    const isNamed = point != null
    const points = this.#points.select(point, namespace).map(({ peerId }) => peerId)

    if (isNamed) {
      points.forEach(point => { this.#everywhere.get(namespace)?.except.delete(point.toString()) })
    }

    const results = await this.#untilStop(signal, async signal => Promise.allSettled(
      points.map(async point => this.#keepAlive.keep(namespace, point, { ttl, isNamed, signal }))
    ))
    const granted = results.filter(result => result.status === 'fulfilled').map(({ value }) => value)

    if (granted.length === 0) {
      if (!points.some(point => this.#keepAlive.has(namespace, point))) {
        this.#everywhere.delete(namespace)
      }

      throw this.#asOneError(`Could not register "${namespace}"`, results, signal)
    }

    return granted
  }

  async unregister (namespace: string, { point, signal }: PointOptions = {}): Promise<void> {
    checkNamespace(namespace)
    this.#checkStarted()

    if (point == null) {
      this.#everywhere.delete(namespace)
    }

    const named = point == null ? undefined : this.#points.get(point)

    if (named != null) {
      this.#everywhere.get(namespace)?.except.add(named.peerId.toString())
    }

    const kept = this.#keepAlive.release(namespace, named?.peerId)
    // it may be registered from an earlier life of this node as well
    const points = new Set([...kept.map(peerId => this.#points.get(peerId)), ...(named == null ? this.#points.defaults : [named])])
    const results = await this.#untilStop(signal, async signal => Promise.allSettled(
      [...points].map(async point => point.unregister(namespace, signal))
    ))

    if (points.size > 0 && results.every(({ status }) => status === 'rejected')) {
      throw this.#asOneError(`Could not unregister "${namespace}"`, results, signal)
    }
  }

  async * discover (namespace?: string, { point, limit = MAX_LISTED, signal }: DiscoverOptions = {}): AsyncGenerator<DiscoveredPeer> {
    if (namespace != null) {
      checkNamespace(namespace)
    }

    checkLimit(limit)
    this.#checkStarted()

    try {
      yield * this.#discovery.discover(namespace, this.#points.select(point, namespace), limit, signal)
    } catch (err: any) {
      // where one point is named, there is one reason
      throw point != null && err instanceof AggregateError ? err.errors[0] : err
    }
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

  #onPointConnect (point: PeerId, isDefault: boolean): void {
    this.#log('point %p is connected', point)
    this.#keepAlive.onConnect(point)
    this.#discovery.onConnect(point, isDefault)

    if (isDefault) {
      this.#keepAt(point)
    }
  }

  /** Registers at a point what is to be registered at every one. */
  #keepAt (point: PeerId): void {
    for (const [namespace, { ttl, except }] of this.#everywhere) {
      if (!except.has(point.toString()) && !this.#keepAlive.has(namespace, point)) {
        // what goes wrong is reported by an event
        this.#keepAlive.keep(namespace, point, { ttl }).catch(() => {})
      }
    }
  }

  /** Does work that ends when the caller's signal aborts or this node stops. */
  async #untilStop <T> (signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const either = this.#orStopping(signal)

    try {
      return await work(either)
    } finally {
      either.clear?.()
    }
  }

  /** Aborts when the caller's signal does, or this node stops; to be cleared where it can be. */
  #orStopping (signal: AbortSignal | undefined): AbortSignal & Partial<ClearableSignal> {
    return signal == null ? this.#stopping.signal : anySignal([signal, this.#stopping.signal])
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

  /** What to throw when it worked nowhere. */
  #asOneError (what: string, results: Array<PromiseSettledResult<unknown>>, signal: AbortSignal | undefined): Error {
    if (signal?.aborted === true || this.#stopping.signal.aborted) {
      return new AbortError()
    }

    const errors: Error[] = results.filter(({ status }) => status === 'rejected').map(result => (result as PromiseRejectedResult).reason)
    const noAddresses = errors.find(({ name }) => name === NoAddressesError.name)

    return noAddresses ?? new AggregateError(errors, `${what}: ${errors.map(({ message }) => message).join('; ')}`)
  }
}
