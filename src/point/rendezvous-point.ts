import { serviceCapabilities } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { RateLimiter } from '@libp2p/utils'
import delay from 'delay'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { Status } from '../protocol/errors.ts'
import { memoryStore } from '../store/memory.ts'
import { RequestHandler } from './handler.ts'
import { InboundStream, StreamEndedError } from './inbound-stream.ts'
import { PointMetrics } from './metrics.ts'
import { pointSettings } from './settings.ts'
import type { Answer, Outcome } from './handler.ts'
import type { RegistrationDetail, RendezvousPoint as RendezvousPointInterface, RendezvousPointComponents, RendezvousPointEvents, RendezvousPointInit } from './index.ts'
import type { PointSettings } from './settings.ts'
import type { StoredRegistration, RegistrationStore, StoreSize } from '../store/index.ts'
import type { Connection, Logger, PeerId, Startable, Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Registrations removed before other work gets a turn: a millisecond or two. */
const EXPIRY_BATCH = 500

/** The longest sleep until the next expiry, so that a clock that was set is noticed. */
const MAX_EXPIRY_DELAY = 60_000

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
  readonly #streams = new Set<InboundStream>()
  readonly #rateLimiter: RateLimiter | undefined
  #stopping = new AbortController()
  #isStarted = false
  #expiryTimer: ReturnType<typeof setTimeout> | undefined
  #expiryDue = Infinity

  constructor (components: RendezvousPointComponents, init: RendezvousPointInit = {}) {
    super()

    this.#components = components
    this.#init = init
    this.#settings = pointSettings(init)
    this.#store = init.store ?? memoryStore()
    this.#handler = new RequestHandler(this.#store, this.#settings, init.authorize)
    this.#metrics = new PointMetrics(components.metrics, () => this.#store.size)
    this.#log = components.logger.forComponent('libp2p:rendezvous:point')
    this.protocol = this.#settings.protocol

    const { rateLimit } = this.#settings
    this.#rateLimiter = rateLimit === false
      ? undefined
      : new RateLimiter({ points: rateLimit.requests, duration: rateLimit.interval / 1000 })
  }

  readonly [Symbol.toStringTag] = 'libp2p-rendezvous/point'

  readonly [serviceCapabilities]: string[] = ['libp2p-rendezvous/point']

  get size (): StoreSize {
    return this.#store.size
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
    setMaxListeners(Infinity, this.#stopping.signal)
    await this.#store.start?.()
    this.#scheduleExpiry()
    await this.#components.registrar.handle(this.protocol, this.#onStream, {
      maxInboundStreams: this.#init.maxInboundStreams,
      runOnLimitedConnection: this.#init.runOnLimitedConnection
    })
  }

  /** While the connections are still open: answers what is in flight and closes the streams. */
  async beforeStop (): Promise<void> {
    if (!this.#isStarted || this.#stopping.signal.aborted) {
      return
    }

    this.#stopping.abort()
    await this.#components.registrar.unhandle(this.protocol)

    await Promise.all([...this.#streams].map(async stream => stream.finish()))
  }

  async stop (): Promise<void> {
    if (!this.#isStarted) {
      return
    }

    await this.beforeStop()
    this.#isStarted = false
    clearTimeout(this.#expiryTimer)
    this.#expiryDue = Infinity

    for (const peer of this.#rateLimiter?.memoryStorage.storage.keys() ?? []) {
      this.#rateLimiter?.memoryStorage.delete(peer)
    }

    await this.#store.stop?.()
  }

  readonly #onStream = async (stream: Stream, connection: Connection): Promise<void> => {
    const peer = connection.remotePeer
    const inbound = new InboundStream(stream, this.#settings, async (request, signal) => {
      const { response, outcome } = await this.#answer(peer, request, connection, signal)
      this.#report(peer, outcome)

      return response
    })
    this.#streams.add(inbound)

    try {
      if (this.#overRateLimit(peer) > 0) {
        throw new StreamEndedError('rate_limited', 'too many streams were opened')
      }

      await inbound.serve()
    } catch (err: any) {
      this.#log('stream of %p ended - %e', peer, err)
      stream.abort(err)

      if (err instanceof StreamEndedError) {
        this.#metrics.reset(err.reason)
      }
    } finally {
      this.#streams.delete(inbound)
    }
  }

  async #answer (peer: PeerId, request: Uint8ArrayList, connection: Connection, signal: AbortSignal): Promise<Answer> {
    const wait = this.#overRateLimit(peer)

    if (wait > 0) {
      // a refusal that costs the peer nothing would be asked for again at once
      await delay(Math.min(wait, this.#settings.requestTimeout), { signal: this.#stopping.signal }).catch(() => {})

      return this.#handler.refuse(request, Status.E_UNAVAILABLE, 'rateLimit is reached')
    }

    return this.#handler.handle(peer, request, Date.now(), { connection, signal })
  }

  /** Counts a request, and returns the milliseconds until the peer may make another when it is one too many. */
  #overRateLimit (peer: PeerId): number {
    try {
      this.#rateLimiter?.consume(peer.toString())

      return 0
    } catch (err: any) {
      return Math.max(1, err.msBeforeNext)
    }
  }

  #report (peer: PeerId, outcome: Outcome): void {
    this.#metrics.answered(outcome)

    switch (outcome.type) {
      case 'registration:added':
      case 'registration:refreshed':
      case 'registration:removed':
        this.#scheduleExpiry()
        this.#dispatch(outcome.type, () => registrationDetail(outcome.registration, peer))
        break
      case 'registration:rejected':
      case 'discover:rejected': {
        const { type, namespace, status, statusText, cause } = outcome

        if (cause != null) {
          this.#log.error('%s of %p in "%s" answered with %s - %e', type, peer, namespace, status, cause)
        }

        this.#dispatch(type, () => ({ peer, namespace, status, statusText }))
        break
      }
      case 'discover:served':
        this.#dispatch(outcome.type, () => ({ peer, namespace: outcome.namespace, registrations: outcome.registrations }))
        break
      default:
    }
  }

  /** Spares the work of describing what nobody listens to. */
  #dispatch <K extends keyof RendezvousPointEvents> (type: K, detail: () => RendezvousPointEvents[K]['detail']): void {
    if (this.listenerCount(type) > 0) {
      this.safeDispatchEvent(type, { detail: detail() } as any)
    }
  }

  #scheduleExpiry (): void {
    const due = this.#store.nextExpiry()

    if (due == null || due >= this.#expiryDue || this.#stopping.signal.aborted) {
      return
    }

    this.#expiryDue = due
    clearTimeout(this.#expiryTimer)
    this.#expiryTimer = setTimeout(() => {
      this.#expiryDue = Infinity
      this.#expire()
        .catch(err => { this.#log.error('could not remove expired registrations - %e', err) })
        .finally(() => { this.#scheduleExpiry() })
    }, Math.min(Math.max(due - Date.now(), 0), MAX_EXPIRY_DELAY))
  }

  /** Removes one batch; when more are due, the next is scheduled at once. */
  async #expire (): Promise<void> {
    const expired = await this.#store.expire(Date.now(), EXPIRY_BATCH)

    if (expired.length > 0) {
      this.#metrics.expired(expired.length)
    }

    for (const registration of expired) {
      this.#dispatch('registration:expired', () => registrationDetail(registration))
    }
  }
}

function registrationDetail ({ namespace, expires, ...registration }: StoredRegistration, peer?: PeerId): RegistrationDetail {
  return { peer: peer ?? peerIdFromString(registration.peer), namespace, expires }
}
