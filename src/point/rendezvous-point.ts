import { serviceCapabilities } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import delay from 'delay'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { raceSignal } from 'race-signal'
import { Status } from '../protocol/errors.ts'
import { andThen } from '../protocol/maybe-promise.ts'
import { memoryStore } from '../store/memory.ts'
import { Allowance } from './allowance.ts'
import { RequestHandler } from './handler.ts'
import { InboundStream, StreamEndedError } from './inbound-stream.ts'
import { PointMetrics } from './metrics.ts'
import { Pace } from './pace.ts'
import { pointSettings } from './settings.ts'
import type { Answer, Outcome } from './handler.ts'
import type { RateLimit, RegistrationDetail, RendezvousPoint as RendezvousPointInterface, RendezvousPointComponents, RendezvousPointEvents, RendezvousPointInit } from './types.ts'
import type { PointSettings } from './settings.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { StoredRegistration, RegistrationStore, StoreSize } from '../store/types.ts'
import type { Connection, IdentifyResult, Logger, PeerId, Startable, Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Registrations removed before other work gets a turn: a millisecond, or two when somebody wants to know of each. */
const EXPIRY_BATCH = 200

/** After a timer that came too early: to try again at once would keep the process busy. */
const EXPIRY_PAUSE = 50

/** After the store has failed. */
const EXPIRY_RETRY = 5_000

/**
 * How identify names the peers whose rendezvous client reads no record but those of RFC 0003's form, and
 * fails the whole listing with one of another. An application that names itself otherwise is not known.
 */
const ROUTING_STATE_READER = 'rust-libp2p/'

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
  readonly #pace = new Pace()
  readonly #streams = new Set<InboundStream>()
  readonly #allowance: Allowance | undefined
  /** Connections to peers that fail a listing with a record in a form they cannot read. */
  readonly #readsRoutingState = new WeakSet<Connection>()
  #stopping = new AbortController()
  #isStarted = false
  #expiryTimer: ReturnType<typeof setTimeout> | undefined
  #expiryDue = Infinity
  #expiring: Promise<void> | undefined
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined

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

    this.#allowance = this.#settings.rateLimit === false ? undefined : new Allowance(this.#settings.rateLimit)
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
    this.#closing = undefined
    setMaxListeners(Infinity, this.#stopping.signal)
    this.#starting = this.#start()

    await this.#starting
  }

  async #start (): Promise<void> {
    try {
      await this.#store.start?.()
    } catch (err) {
      this.#isStarted = false
      throw err
    }

    this.#components.events.addEventListener('peer:identify', this.#onIdentify)

    try {
      await this.#components.registrar.handle(this.protocol, this.#onStream, {
        // kept by this service: streams that libp2p resets are counted by nobody
        maxInboundStreams: Infinity,
        runOnLimitedConnection: this.#init.runOnLimitedConnection
      })
    } catch (err) {
      await this.#stop().catch(() => {})
      throw err
    }

    this.#scheduleExpiry()
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
    this.#components.events.removeEventListener('peer:identify', this.#onIdentify)
    clearTimeout(this.#expiryTimer)
    this.#expiryDue = Infinity
    await this.#components.registrar.unhandle(this.protocol).catch(err => {
      this.#log.error('could not take back the protocol - %e', err)
    })
    await Promise.all([this.#expiring, ...[...this.#streams].map(async stream => stream.finish())])
  }

  readonly #onIdentify = ({ detail: { agentVersion, connection } }: CustomEvent<IdentifyResult>): void => {
    if (agentVersion?.startsWith(ROUTING_STATE_READER) === true) {
      this.#readsRoutingState.add(connection)
    }
  }

  readonly #onStream = async (stream: Stream, connection: Connection): Promise<void> => {
    const peer = connection.remotePeer
    const inbound: InboundStream = new InboundStream(stream, this.#settings, this.#pace, (request, signal) => {
      const wait = this.#allowance?.request(peer) ?? 0
      const answer = wait > 0
        ? this.#refuse(inbound, request, wait, signal)
        : this.#answer(request, connection, signal)

      return andThen(answer, ({ response, outcome }) => {
        this.#report(peer, outcome)

        if (outcome.type === 'unregister:rejected') {
          throw new StreamEndedError('refused', outcome.statusText)
        }

        return response
      })
    })
    this.#streams.add(inbound)

    try {
      this.#admit(connection)
      await inbound.serve()
    } catch (err: any) {
      this.#log('stream of %p ended - %e', peer, err)
      stream.abort(err)

      if (err instanceof StreamEndedError) {
        this.#metrics.reset(err.reason)

        // when the store is away, that is not the peer's doing
        if (err.reason !== 'refused') {
          this.#allowance?.reset(peer)
        }

        this.#endFlood(connection)
      }
    } finally {
      this.#streams.delete(inbound)
    }
  }

  /** Counts a new stream, and throws when it cannot be served. */
  #admit (connection: Connection): void {
    this.#stopping.signal.throwIfAborted()
    this.#allowance?.stream(connection.remotePeer)
    const { maxInboundStreams } = this.#settings
    const open = connection.streams.filter(({ protocol, direction }) => protocol === this.protocol && direction === 'inbound')

    if (open.length > maxInboundStreams) {
      throw new StreamEndedError('too_many_streams', `maxInboundStreams (${maxInboundStreams}) is reached`)
    }

    this.#endFlood(connection)
  }

  /** A peer that goes on regardless of its limit costs least without a connection. */
  #endFlood (connection: Connection): void {
    if (this.#allowance?.isFlooded(connection.remotePeer) === true) {
      this.#metrics.disconnected()
      connection.abort(new Error('The peer goes on over its rateLimit'))
    }
  }

  #answer (request: Uint8ArrayList, connection: Connection, signal: AbortSignal): MaybePromise<Answer> {
    const peer = connection.remotePeer
    const reads = this.#readsRoutingState.has(connection) ? 'libp2p-routing-state' : undefined

    return andThen(this.#handler.handle(peer, request, Date.now(), { connection, reads, signal }), answer => {
      this.#allowance?.answer(peer, answer)

      return answer
    })
  }

  /** Refuses a request that is over the limit: late, because it would be made again at once. */
  async #refuse (stream: InboundStream, request: Uint8ArrayList, wait: number, signal: AbortSignal): Promise<Answer> {
    const { rateLimit, requestTimeout } = this.#settings
    const { requests, interval } = rateLimit as RateLimit
    const refusal = this.#handler.refuse(request, Status.E_UNAVAILABLE, `rateLimit (${requests} requests in ${interval} ms) is reached`)
    stream.restrict()
    // not so late that a peer with the same patience has given up
    await delay(Math.min(wait, requestTimeout / 2), { signal: AbortSignal.any([signal, this.#stopping.signal]) }).catch(() => {})

    return refusal
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
      case 'unregister:rejected':
      case 'discover:rejected': {
        const { type, namespace, status, statusText, cause } = outcome

        if (cause != null) {
          this.#log.error('%s of %p in "%s" answered with %s - %e', type, peer, namespace, status, cause)
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

  /** Spares the work of describing what nobody listens to. */
  #dispatch <K extends keyof RendezvousPointEvents> (type: K, detail: () => RendezvousPointEvents[K]['detail']): void {
    if (this.listenerCount(type) > 0) {
      this.safeDispatchEvent(type, { detail: detail() } as any)
    }
  }

  /** Sets the timer to the next expiry, not counting one that is being worked on. */
  #scheduleExpiry (atLeast: number = 0): void {
    const due = this.#store.nextExpiry()

    if (due == null || due >= this.#expiryDue || this.#stopping.signal.aborted) {
      return
    }

    this.#expiryDue = due
    clearTimeout(this.#expiryTimer)
    this.#expiryTimer = setTimeout(() => {
      this.#expiryDue = -Infinity
      this.#expiring = this.#expire().then(pause => {
        this.#expiryDue = Infinity
        this.#scheduleExpiry(pause)
      }).catch(err => { this.#log.error('could not tell when registrations expire - %e', err) })
    }, Math.min(Math.max(due - Date.now(), atLeast), MAX_EXPIRY_DELAY))
  }

  /** Removes one batch, and returns the milliseconds after which the next may follow. */
  async #expire (): Promise<number> {
    try {
      const expired = await this.#inTime(this.#store.expire(Date.now(), EXPIRY_BATCH))

      if (expired.length === 0) {
        return EXPIRY_PAUSE
      }

      this.#metrics.expired(expired.length)

      for (const registration of expired) {
        this.#dispatch('registration:expired', () => registrationDetail(registration))
      }

      return 0
    } catch (err) {
      this.#log.error('could not remove expired registrations - %e', err)

      return EXPIRY_RETRY
    }
  }

  /** A store that does not answer must not keep the point from stopping. */
  async #inTime <T> (answer: MaybePromise<T>): Promise<T> {
    return raceSignal(Promise.resolve(answer), AbortSignal.timeout(this.#settings.requestTimeout))
  }
}

function registrationDetail ({ namespace, expires, ...registration }: StoredRegistration, peer?: PeerId): RegistrationDetail {
  return { peer: peer ?? peerIdFromString(registration.peer), namespace, expires }
}
