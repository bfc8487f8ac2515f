import { serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import delay from 'delay'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { watchProtocol } from '../protocol/constants.ts'
import { Status } from '../protocol/errors.ts'
import { checkNamespace } from '../protocol/namespace.ts'
import { memoryStore } from '../store/memory.ts'
import { othersHadTheirTurn } from '../store/others-turn.ts'
import { Allowance } from './allowance.ts'
import { Refusal } from './checks.ts'
import { Clock } from './clock.ts'
import { describeOutcome } from './describe-outcome.ts'
import { Direct } from './direct.ts'
import { Expiry } from './expiry.ts'
import { FairConnections } from './fair-connections.ts'
import { isClosed, refuse, RequestHandler } from './handler.ts'
import { inTime } from './in-time.ts'
import { InboundStream, StreamEndedError } from './inbound-stream.ts'
import { PointMetrics } from './metrics.ts'
import { NearLimits } from './near-limits.ts'
import { networkRule, oncePerConnection } from './network-of.ts'
import { Overload } from './overload.ts'
import { Pace } from './pace.ts'
import { listInOnePass } from './patches/connections.ts'
import { pointSettings } from './settings.ts'
import { Readers } from './readers.ts'
import { run, wait } from './steps.ts'
import { Supervisor } from './supervisor.ts'
import { LivePeers } from './watch/live-peers.ts'
import { Watch } from './watch/watch.ts'
import type { Request } from './codec.ts'
import type { Answer, Outcome } from './handler.ts'
import type { Steps } from './steps.ts'
import type { Outbox } from './unsent.ts'
import type { Asker, DirectNews, DirectPage, DirectQuery, DirectRegistration, Origin, RateLimit, RegistrationDetail, RendezvousPoint as RendezvousPointInterface, RendezvousPointComponents, RendezvousPointEvents, RendezvousPointInit } from './types.ts'
import type { PointSettings } from './settings.ts'
import type { Network } from '../store/fair-shares.ts'
import type { StoredRegistration, RegistrationStore, StoreSize, Unsubscribe } from '../store/types.ts'
import type { Connection, Logger, PeerId, PublicKey, Startable, Stream, StreamHandler } from '@libp2p/interface'

/** Registrations of a namespace that are ended in one go. */
const EVICTED_AT_ONCE = 100

/**
 * The network side of a rendezvous point: streams, timers, events. What it answers is the handler's
 * business, and what it holds the store's.
 */
export class RendezvousPoint extends TypedEventEmitter<RendezvousPointEvents> implements RendezvousPointInterface, Startable {
  readonly protocol: string

  readonly #components: RendezvousPointComponents
  readonly #init: RendezvousPointInit
  readonly #settings: PointSettings
  readonly #store: RegistrationStore
  readonly #handler: RequestHandler
  readonly #metrics: PointMetrics
  readonly #log: Logger
  readonly #pace = new Pace()
  readonly #streams = new Set<InboundStream>()
  readonly #nearLimits: NearLimits
  readonly #allowance: Allowance | undefined
  readonly #supervisor: Supervisor
  readonly #expiry: Expiry
  readonly #networkOf: (origin: Origin) => Network
  readonly #overload: Overload | undefined
  readonly #fairConnections: FairConnections | undefined
  /** Tells it from others over the same store. */
  readonly #id = crypto.randomUUID()
  readonly #livePeers: LivePeers | undefined
  readonly #watch: Watch | undefined
  readonly #direct: Direct
  /** What is served, and by what. */
  readonly #protocols = new Map<string, StreamHandler>()
  readonly #readers: Readers | undefined
  #clock = new Clock()
  #stopping = new AbortController()
  #isStarted = false
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #unpatch = (): void => {}
  #endDisplaced: Unsubscribe | undefined

  constructor (components: RendezvousPointComponents, init: RendezvousPointInit = {}) {
    super()

    this.#components = components
    this.#init = init
    this.#settings = pointSettings(init)
    this.#store = init.store ?? memoryStore()
    this.#nearLimits = new NearLimits(this.#settings)
    this.#networkOf = oncePerConnection(init.networkOf ?? networkRule(init.trustedProxies))
    this.#handler = new RequestHandler(this.#store, this.#settings, init.authorize, this.#networkOf)
    this.#metrics = new PointMetrics(components.metrics, () => ({ ...this.#store.size, subscriptions: this.#watch?.size ?? 0 }))
    this.#log = components.logger.forComponent('libp2p:rendezvous:point')
    this.protocol = this.#settings.protocol

    this.#allowance = this.#settings.rateLimit === false ? undefined : new Allowance(this.#settings.rateLimit)
    this.#supervisor = new Supervisor({
      settings: this.#settings,
      allowance: this.#allowance,
      serves: protocol => this.#protocols.has(protocol),
      networkOf: this.#networkOf,
      events: components.events,
      registrar: components.registrar,
      metrics: this.#metrics,
      log: this.#log
    })
    this.#expiry = new Expiry({
      store: this.#store,
      now: () => this.#clock.now,
      patience: this.#settings.requestTimeout,
      onExpired: this.#onExpired,
      log: this.#log
    })
    this.#overload = this.#settings.shedding
      ? new Overload({ connectionGater: components.connectionGater, patience: this.#settings.requestTimeout / 2, log: this.#log })
      : undefined
    this.#fairConnections = init.fairConnections === false
      ? undefined
      : new FairConnections({
        events: components.events,
        connectionManager: components.connectionManager,
        connectionGater: components.connectionGater,
        networkOf: this.#networkOf,
        onClosed: this.#onClosed
      })
    this.#readers = this.#settings.matchReaders
      ? new Readers({ events: components.events, patience: Math.min(this.#settings.identifyPatience, this.#settings.requestTimeout / 2) })
      : undefined
    this.#livePeers = this.#settings.watch && this.#settings.presence !== false
      ? new LivePeers({
        grace: this.#settings.presence.grace,
        events: components.events,
        connectionManager: components.connectionManager,
        remove: async peer => this.#removeAll(peer),
        dismiss: peer => { this.#leave(peer, false).catch(err => { this.#log.error('could not tell that %s is not live here any more - %e', peer, err) }) },
        log: this.#log
      })
      : undefined
    this.#watch = this.#settings.watch
      ? new Watch({
        store: this.#store,
        settings: this.#settings,
        authorize: init.authorize,
        pace: this.#pace,
        log: this.#log,
        metrics: this.#metrics,
        livePeers: this.#livePeers,
        networkOf: this.#networkOf,
        point: this.#id,
        now: () => this.#clock.now,
        reads: connection => this.#readers?.formOf(connection),
        excess: connection => this.#excess(connection, this.#stopping.signal),
        answered: (peer, bytes, work = 0) => this.#allowance?.answer(peer, { response: { byteLength: bytes }, work }),
        account: connection => this.#handler.account(connection, this.#clock.now)
      })
      : undefined
    this.#direct = new Direct({
      store: this.#store,
      handler: this.#handler,
      settings: this.#settings,
      allowance: this.#allowance,
      overload: this.#overload,
      watch: this.#watch,
      networkOf: this.#networkOf,
      now: () => this.#clock.now,
      stopping: () => this.#stopping.signal,
      settle: (asking, peer, answer) => { this.#settle(asking, peer, answer) },
      log: this.#log
    })
    this.#protocols.set(this.protocol, this.#onStream)

    if (this.#watch != null) {
      this.#protocols.set(watchProtocol(this.protocol), this.#onWatchStream)
    }
  }

  readonly [Symbol.toStringTag] = 'libp2p-rendezvous/point'

  readonly [serviceCapabilities]: string[] = ['libp2p-rendezvous/point']

  get [serviceDependencies] (): string[] {
    return this.#settings.matchReaders ? ['@libp2p/identify'] : []
  }

  get size (): StoreSize {
    return this.#store.size
  }

  get isBehind (): boolean {
    return this.#store.isBehind === true
  }

  async register (registration: DirectRegistration, asker: Asker & { peer: PeerId }): Promise<RegistrationDetail> {
    return registrationDetail(await this.#direct.register(registration, asker), asker.peer)
  }

  async unregister (namespace: string, asker: Asker & { peer: PeerId }): Promise<boolean> {
    return this.#direct.unregister(namespace, asker)
  }

  async list (query: DirectQuery, asker: Asker): Promise<DirectPage> {
    return this.#direct.list(query, asker)
  }

  async find (peer: string, namespace: string | undefined, asker: Asker): Promise<StoredRegistration[]> {
    return this.#direct.find(peer, namespace, asker)
  }

  watch (namespace: string, cookie: Uint8Array | undefined, asker: Asker): AsyncGenerator<DirectNews, void> {
    return this.#direct.watch(namespace, cookie, asker)
  }

  verifying (key: PublicKey, asker: Asker): void {
    this.#direct.verifying(key, asker)
  }

  get closedNamespaces (): string[] {
    return [...this.#handler.closed]
  }

  async evict (peer: PeerId): Promise<number> {
    const registrations = await this.#ask(() => this.#store.registrationsOf(peer.toString(), this.#clock.now))

    return this.#evictAll(registrations, new Refusal(Status.E_NOT_AUTHORIZED, 'the operator of this point has ended it'))
  }

  async closeNamespace (namespace: string): Promise<number> {
    checkNamespace(namespace)
    this.#handler.closed.add(namespace)
    // a store that only starts cannot be asked yet
    await this.#starting?.catch(() => {})
    let ended = 0

    // what a slow store is just adding is ended by who has it added
    while (this.#isStarted) {
      const page = await this.#ask(() => this.#store.list({ namespace, limit: EVICTED_AT_ONCE }, this.#clock.now))

      if (page == null || page.registrations.length === 0) {
        break
      }

      ended += await this.#evictAll(page.registrations, isClosed())
      await othersHadTheirTurn()
    }

    return ended
  }

  openNamespace (namespace: string): boolean {
    return this.#handler.closed.delete(namespace)
  }

  isStarted (): boolean {
    return this.#isStarted
  }

  async start (): Promise<void> {
    if (this.#isStarted) {
      return
    }

    this.#isStarted = true
    this.#stopping = new AbortController()
    this.#clock = new Clock()
    this.#closing = undefined
    setMaxListeners(Infinity, this.#stopping.signal)
    this.#starting = this.#start()

    await this.#starting
  }

  async #start (): Promise<void> {
    try {
      await this.#store.start?.({ now: this.#clock.now, maxTtl: this.#settings.maxTtl })
    } catch (err) {
      this.#isStarted = false
      throw err
    }

    // who makes room may be live at another point than the one where it has to
    this.#endDisplaced = this.#store.onDisplaced?.((peer, namespace) => { this.#tellDisplaced(peer, namespace) })
    this.#unpatch = listInOnePass(this.#components.connectionManager)
    this.#supervisor.start()
    // who is refused in any case does not wait before
    this.#overload?.start()
    this.#fairConnections?.start()
    this.#livePeers?.start()
    // kept by this service: streams that libp2p resets are counted by nobody
    const options = { maxInboundStreams: Infinity, runOnLimitedConnection: this.#init.runOnLimitedConnection }

    try {
      for (const [protocol, onStream] of this.#protocols) {
        await this.#components.registrar.handle(protocol, onStream, options)
      }
    } catch (err) {
      await this.#stop().catch(() => {})
      throw err
    }

    this.#expiry.start()
  }

  /** While the connections are still open: answers what is in flight and closes the streams. */
  async beforeStop (): Promise<void> {
    // what is half started cannot be stopped
    await this.#starting?.catch(() => {})
    await this.#closeOnce()
  }

  async stop (): Promise<void> {
    await this.beforeStop()
    await this.#stop()
  }

  async #stop (): Promise<void> {
    await this.#closeOnce()

    if (this.#isStarted) {
      this.#isStarted = false
      this.#allowance?.clear()
      this.#unpatch()
      await this.#store.stop?.()
    }
  }

  async #closeOnce (): Promise<void> {
    if (this.#isStarted) {
      this.#closing ??= this.#close()
    }

    await this.#closing
  }

  async #close (): Promise<void> {
    this.#stopping.abort()
    this.#readers?.stop()
    const expired = this.#expiry.stop()
    this.#supervisor.stop()
    this.#fairConnections?.stop()
    this.#overload?.stop()
    this.#livePeers?.stop()
    this.#watch?.stop()
    this.#endDisplaced?.()
    await Promise.all([...this.#protocols.keys()].map(async protocol => {
      await this.#components.registrar.unhandle(protocol).catch(err => {
        this.#log.error('could not take back %s - %e', protocol, err)
      })
    }))
    await Promise.all([expired, ...[...this.#streams].map(async stream => stream.finish())])
  }

  readonly #onExpired = (registrations: StoredRegistration[]): void => {
    this.#metrics.expired(registrations.length)
    this.#log('%d registrations have expired', registrations.length)

    for (const registration of registrations) {
      this.#dispatch('registration:expired', () => registrationDetail(registration))
    }
  }

  readonly #onClosed = (connection: Connection): void => {
    this.#metrics.disconnected('room')
    this.#log('closed a connection of %p, because there are too many from where it comes', connection.remotePeer)
  }

  /**
   * Neither handler returns a promise: libp2p would wait for it, and keep all that the negotiation of the protocol has
   * left for as long as the stream is open.
   */
  readonly #onStream = (stream: Stream, connection: Connection): void => {
    const outbox = this.#supervisor.outbox(stream, connection)
    const inbound = new InboundStream(stream, this.#settings, this.#pace, outbox, (request, signal) => run(this.#answer(request, connection, outbox, signal)))
    this.#streams.add(inbound)
    this.#supervisor.serve(stream, connection, async () => inbound.serve())
      .catch(err => { stream.abort(err) })
      .finally(() => { this.#streams.delete(inbound) })
  }

  readonly #onWatchStream = (stream: Stream, connection: Connection): void => {
    this.#supervisor.serve(stream, connection, async () => this.#watch?.serve(stream, connection, this.#supervisor.outbox(stream, connection)))
      .catch(err => { stream.abort(err) })
  }

  * #answer (request: Request, connection: Connection, { room }: Outbox, signal: AbortSignal): Steps<Uint8Array | undefined> {
    const peer = connection.remotePeer
    let excess = yield * this.#excess(connection, signal)

    if (excess == null && request.type === 'discover' && !(yield * wait(this.#overload?.list() ?? true))) {
      excess = new Refusal(Status.E_UNAVAILABLE, 'there is more to do than can be done')
    }

    const answer = excess != null
      ? refuse(request, excess)
      : yield * wait(this.#handler.handle(peer, request, this.#clock.now, {
        origin: connection,
        connection,
        reads: () => this.#readers?.formOf(connection),
        room,
        signal
      }))

    this.#settle(peer, peer, answer)

    if (request.type === 'register' && request.otherRecord == null && 'registration' in answer.outcome) {
      this.#readers?.signs(connection, answer.outcome.registration.domain)
    }

    if (answer.outcome.type === 'unregister:rejected') {
      throw new StreamEndedError('refused', answer.outcome.statusText)
    }

    return answer.response
  }

  /** Counts what an answer has cost, and tells of what it has led to. */
  #settle (asking: PeerId | string, peer: PeerId | undefined, answer: Answer): void {
    this.#allowance?.answer(asking, answer)
    answer.before?.forEach(outcome => { this.#report(peer, outcome) })
    this.#report(peer, answer.outcome)
  }

  /** Counts a request. The refusal of one that is over the limit comes late, because it would be made again at once. */
  * #excess (connection: Connection, signal: AbortSignal): Steps<Refusal | undefined> {
    const excess = this.#allowance?.request(connection.remotePeer) ?? 0

    if (excess === 0) {
      return
    }

    const { requests, interval } = this.#settings.rateLimit as RateLimit
    this.#supervisor.endPatience(connection)
    yield * wait(this.#holdBack(excess, signal))

    return new Refusal(Status.E_UNAVAILABLE, `rateLimit (${requests} requests in ${interval} ms) is reached`)
  }

  async #holdBack (ms: number, signal: AbortSignal): Promise<void> {
    // not so late that a peer with the same patience has given up
    const latest = this.#settings.requestTimeout / 2
    await delay(Math.min(ms, latest), { signal: AbortSignal.any([signal, this.#stopping.signal]) }).catch(() => {})
  }

  #report (peer: PeerId | undefined, outcome: Outcome): void {
    this.#metrics.answered(outcome)

    if (this.#log.enabled) {
      this.#log(peer == null ? '%s %s' : '%p %s', peer ?? 'somebody', describeOutcome(outcome))
    }

    switch (outcome.type) {
      case 'registration:added':
      case 'registration:refreshed':
        this.#expiry.schedule()
        this.#dispatch(outcome.type, () => registrationDetail(outcome.registration, peer))
        this.#reportDisplaced(outcome.displaced)
        this.#reportNearLimits()
        break
      case 'registration:removed':
      case 'registration:evicted':
        this.#expiry.schedule()
        this.#dispatch(outcome.type, () => registrationDetail(outcome.registration, peer))
        break
      case 'registration:rejected':
      case 'unregister:rejected':
      case 'discover:rejected': {
        const { type, namespace, status, statusText, cause } = outcome

        if (cause != null) {
          this.#log.error(peer == null ? 'could not answer %s: %s - %e' : 'could not answer %p: %s - %e', peer ?? 'somebody', statusText, cause)
        }

        if (type !== 'unregister:rejected') {
          this.#dispatch(type, () => ({ peer, namespace, status, statusText }))
        }
        break
      }
      case 'discover:served':
        this.#dispatch(outcome.type, () => ({ peer, namespace: outcome.namespace, registrations: outcome.registrations }))
        break
      default:
    }
  }

  #reportNearLimits (): void {
    for (const near of this.#nearLimits.check(this.#store.size)) {
      this.#log('%s (%d) is nearly reached: %d', near.limit, near.max, near.size)
      this.#dispatch('limit:near', () => near)
    }
  }

  #reportDisplaced (displaced: StoredRegistration[]): void {
    if (displaced.length > 0) {
      this.#metrics.displaced(displaced.length)
    }

    for (const registration of displaced) {
      this.#log('%s made room in "%s"', registration.peer, registration.namespace)
      this.#dispatch('registration:displaced', () => registrationDetail(registration))

      if (this.#store.onDisplaced == null) {
        this.#tellDisplaced(registration.peer, registration.namespace)
      }
    }
  }

  #tellDisplaced (peer: string, namespace: string): void {
    this.#watch?.ended(peer, namespace, new Refusal(Status.E_UNAVAILABLE, 'made room for a network that holds less'))
  }

  /** Ends registrations at the operator's word. */
  async #evictAll (registrations: StoredRegistration[], reason: Refusal): Promise<number> {
    const evicted = await Promise.all(registrations.map(async ({ namespace, peer }) => {
      const registration = await this.#ask(() => this.#store.unregister(namespace, peer, this.#clock.now))

      if (registration == null) {
        return 0
      }

      this.#report(peerIdFromString(peer), { type: 'registration:evicted', registration })
      this.#watch?.ended(peer, namespace, reason)

      return 1
    }))

    return evicted.reduce<number>((sum, one) => sum + one, 0)
  }

  /** What the store answers, in time. */
  async #ask <T> (question: () => T | Promise<T>): Promise<T> {
    return inTime(question(), this.#settings.requestTimeout)
  }

  /** Ends all registrations of a peer that is gone, unless it is live at another point. */
  async #removeAll (peer: string): Promise<void> {
    const removed = await this.#leave(peer, true)

    if (removed == null) {
      await this.#unregisterAll(peer)
    }

    for (const registration of removed ?? []) {
      this.#report(peerIdFromString(peer), { type: 'registration:removed', registration })
    }
  }

  /** Undefined where the store is not shared. */
  async #leave (peer: string, isGone: boolean): Promise<StoredRegistration[] | undefined> {
    return inTime(this.#store.leave?.(peer, this.#id, isGone, this.#clock.now), this.#settings.requestTimeout)
  }

  async #unregisterAll (peer: string): Promise<void> {
    const { requestTimeout } = this.#settings
    const registrations = await inTime(this.#store.registrationsOf(peer, this.#clock.now), requestTimeout)
    const peerId = peerIdFromString(peer)

    for (const { namespace } of registrations) {
      // it may be back before a store has answered
      if (this.#components.connectionManager.getConnections(peerId).length > 0) {
        return
      }

      const registration = await inTime(this.#store.unregister(namespace, peer, this.#clock.now), requestTimeout)

      if (registration != null) {
        this.#report(peerId, { type: 'registration:removed', registration })
      }
    }
  }

  /** Spares the work of describing what nobody listens to. */
  #dispatch <K extends keyof RendezvousPointEvents> (type: K, detail: () => RendezvousPointEvents[K]['detail']): void {
    if (this.listenerCount(type) > 0) {
      this.safeDispatchEvent(type, { detail: detail() } as any)
    }
  }
}

function registrationDetail ({ namespace, expires, ...registration }: StoredRegistration, peer?: PeerId): RegistrationDetail {
  return { peer: peer ?? peerIdFromString(registration.peer), namespace, expires }
}
