import { AbortError } from '@libp2p/interface'
import { anySignal } from 'any-signal'
import { NoAddressesError } from '../protocol/errors.ts'
import { Alarm } from './alarm.ts'
import { Clock } from './clock.ts'
import { Deadline } from './deadline.ts'
import { asOneError } from './failures.ts'
import { KeepAlive } from './keep-alive.ts'
import type { Ask } from './keep-alive.ts'
import type { OwnRecord, SealedRecord } from './own-record.ts'
import type { Points } from './points.ts'
import type { RemotePoint } from './remote-point.ts'
import type { PointLike, Registration, RegistrationFailedDetail } from './types.ts'
import type { Watches } from './watches.ts'
import type { Logger, PeerId } from '@libp2p/interface'

/** How long stopping may take, in milliseconds: points that hang must not keep a node from ending. */
const STOP_TIMEOUT = 5_000

export interface RegistrationsInit {
  points: Points
  /** The points that say by themselves what is registered there. */
  watches: Pick<Watches, 'registeredAt' | 'saysRegistered'>
  record: Pick<OwnRecord, 'seal' | 'fingerprint'>
  autoRefresh: boolean
  /** Milliseconds. */
  refreshBuffer: number
  /** Milliseconds that a request may take. */
  timeout: number
  /** Whether trying the same request again is pointless. */
  isPermanent: (error: unknown) => boolean
  log: Logger
  /** @param isNew - whether it was not held before */
  onGranted: (registration: Registration, isNew: boolean) => void
  onFailed: (failure: RegistrationFailedDetail) => void
  onExpired: (registration: Registration) => void
}

interface KeepOptions {
  /** Milliseconds. */
  ttl: number
  isNamed?: boolean
  signal?: AbortSignal | undefined
}

/** A namespace that is to be registered wherever it can be. */
interface Everywhere {
  /** Milliseconds. */
  ttl: number
  /** The points where it was unregistered by name. */
  except: Set<string>
  /** The points that have refused it for good, until they come back; they may answer before they are reported as connected. */
  refusedBy: Set<string>
}

/**
 * This node's registrations: does what `KeepAlive` decides, by the clock and over the network.
 */
export class Registrations {
  readonly #init: RegistrationsInit
  readonly #keepAlive: KeepAlive
  readonly #clock = new Clock()
  /** The namespaces that are kept at every point used by default. */
  readonly #everywhere = new Map<string, Everywhere>()
  readonly #alarm = new Alarm(() => this.#clock.now, () => { this.#run() })

  constructor (init: RegistrationsInit) {
    this.#init = init
    this.#keepAlive = new KeepAlive({ ...init, random: Math.random })
  }

  /** What is held now. */
  get held (): Registration[] {
    return this.#keepAlive.registrations(this.#clock.now)
  }

  /** Whether something is kept at the point by name, so that it is returned to when it is lost. */
  returnsTo (point: PeerId): boolean {
    return this.#keepAlive.returnsTo(point)
  }

  /** Whether anything is to be registered. */
  get isWanted (): boolean {
    return this.#everywhere.size > 0 || !this.#keepAlive.isEmpty
  }

  /** Whether anything waits until this node has an address. */
  get waitsForAddress (): boolean {
    return this.#keepAlive.waitsForAddress
  }

  /** Whether there is an address to publish now. */
  get hasAddress (): boolean {
    return this.#init.record.fingerprint(this.#clock.now) != null
  }

  /** Whether anything is kept at a point. */
  keepsAt (point: PeerId): boolean {
    return this.#keepAlive.keepsAt(point)
  }

  /** Registers a namespace at every point used by default, those that are found later as well. */
  keepEverywhere (namespace: string, ttl: number): void {
    this.#everywhere.set(namespace, { ttl, except: new Set(), refusedBy: new Set() })
    this.#init.points.defaults.forEach(({ peerId }) => { this.#keepAt(peerId) })
  }

  /**
   * Registers a namespace at the named point or at every one, and keeps it registered.
   *
   * @param ttl - milliseconds
   * @returns what has been granted when the first point has; how it goes with the others is reported
   * @throws what the only point's request failed with, or AggregateError
   * @throws {NoPointsError}
   * @throws {NoAddressesError}
   * @throws {AbortError}
   */
  async register (namespace: string, point: PointLike | undefined, ttl: number, signal: AbortSignal | undefined): Promise<Registration[]> {
    const { points, autoRefresh } = this.#init
    const isNamed = point != null

    if (!isNamed && autoRefresh) {
      // points that are found later are meant as well
      this.#everywhere.set(namespace, { ttl, except: new Set(), refusedBy: new Set() })
    }

    const asked = points.select(point, namespace).map(({ peerId }) => peerId)

    if (isNamed) {
      asked.forEach(point => { this.#everywhere.get(namespace)?.except.delete(point.toString()) })
    }

    // only until there is a result: what goes on afterwards is no longer the caller's
    const caller = signal == null ? undefined : anySignal([signal])
    const granted: Registration[] = []

    try {
      await Promise.any(asked.map(async point => {
        granted.push(await this.#keep(namespace, point, { ttl, isNamed, signal: caller }))
      }))

      return [...granted]
    } catch (err) {
      if (!asked.some(point => this.#keepAlive.has(namespace, point))) {
        this.#everywhere.delete(namespace)
      }

      throw asOneError(`Could not register "${namespace}"`, (err as AggregateError).errors)
    } finally {
      caller?.clear()
    }
  }

  /**
   * Keeps a namespace registered no longer, and tells the named point, or every one.
   *
   * @throws what the only point's request failed with, or AggregateError, when no point could be told
   * @throws {AbortError}
   */
  async unregister (namespace: string, point: PointLike | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { points } = this.#init
    const named = point == null ? undefined : points.get(point)

    if (named == null) {
      this.#everywhere.delete(namespace)
    } else {
      this.#everywhere.get(namespace)?.except.add(named.peerId.toString())
    }

    const kept = this.#keepAlive.release(namespace, named?.peerId)
    this.#run()
    // it may be registered from an earlier life of this node as well
    const told = new Set<RemotePoint>([...kept.map(peerId => points.get(peerId)), ...(named == null ? points.defaults : [named])])
    kept.forEach(peerId => { points.update(peerId) })
    const results = await Promise.allSettled([...told].map(async point => point.unregister(namespace, signal)))
    const errors = results.filter(result => result.status === 'rejected').map(({ reason }) => reason)

    if (told.size > 0 && errors.length === told.size) {
      throw asOneError(`Could not unregister "${namespace}"`, errors)
    }
  }

  /** A point can be reached; `isDefault` when it is used where none is named. */
  onConnect (point: PeerId, isDefault: boolean): void {
    this.#keepAlive.onConnect(point, this.#clock.now)

    if (isDefault) {
      this.#keepAt(point)
    }

    this.#run()
  }

  /** The last connection to a point is gone; `isDefault` when it is used all the same. */
  onDisconnect (point: PeerId, isDefault: boolean, cookieOf: RemotePoint['cookieOf']): void {
    const says = this.#init.watches.saysRegistered(point)
    this.#keepAlive.onDisconnect(point, isDefault, namespace => ({ cookie: cookieOf(namespace), says }), this.#clock.now)
    // when it comes back, it may say something else
    this.#everywhere.forEach(({ refusedBy }) => { refusedBy.delete(point.toString()) })
    this.#run()
  }

  /** A point says what is registered there, as it was asked some milliseconds ago. */
  onRegistered (point: PeerId, namespaces: Set<string>, askedAgo: number): void {
    const { now } = this.#clock
    this.#keepAlive.registered(point, namespaces, now - askedAgo, now)
    this.#run()
  }

  /**
   * A point says that it has ended a registration before its time.
   *
   * @returns whether there was one
   */
  onEnded (point: PeerId, namespace: string, error: Error): boolean {
    const { points, log, onExpired, onFailed } = this.#init
    const ended = this.#keepAlive.end(point, namespace, error, this.#clock.now)

    if (ended == null) {
      return false
    }

    const { registration, failure } = ended
    points.update(point)
    log('%p has ended the registration of "%s"%s - %e', point, namespace, failure.retryIn == null ? '' : `, registering again in ${Math.ceil(failure.retryIn / 1_000)} s`, error)
    onExpired(registration)
    onFailed(failure)
    this.#run()

    return true
  }

  /** The own addresses may be others than before. */
  onAddressesChanged (): void {
    const { now } = this.#clock
    this.#keepAlive.onAddressesChanged(this.#init.record.fingerprint(now), now)
    this.#run()
  }

  /** Unregisters what it can within its time, and keeps nothing any more. */
  async stop (): Promise<void> {
    const { points, timeout, log } = this.#init
    this.#everywhere.clear()
    const asked = this.#keepAlive.stop(this.#clock.now)
      // where nothing is known to be held, it is not worth dialling to find out
      .filter(({ point, isHeld }) => isHeld || points.isConnected(point))
    this.#run()

    const deadline = new Deadline(Math.min(timeout, STOP_TIMEOUT), 'Unregistering')

    try {
      await deadline.race(Promise.allSettled(asked.map(async ({ namespace, point }) => points.get(point).unregister(namespace, deadline.signal))))
    } catch (err) {
      log('could not unregister everywhere - %e', err)
    } finally {
      deadline.clear()
    }
  }

  /** Registers at a point what is to be registered at every one. */
  #keepAt (point: PeerId): void {
    for (const [namespace, { ttl, except, refusedBy }] of this.#everywhere) {
      if (!except.has(point.toString()) && !refusedBy.has(point.toString()) && !this.#keepAlive.has(namespace, point)) {
        // what goes wrong is reported by an event
        this.#keep(namespace, point, { ttl }).catch(() => {})
      }
    }
  }

  async #keep (namespace: string, point: PeerId, { signal, ...options }: KeepOptions): Promise<Registration> {
    const isNew = !this.#keepAlive.has(namespace, point)
    const ask = this.#keepAlive.keep(namespace, point, options, this.#clock.now)
    this.#init.points.update(point)

    try {
      return await this.#register(ask, signal)
    } catch (err: any) {
      if (signal?.aborted === true) {
        this.#keepAlive.abort(ask, isNew, this.#clock.now)
      } else {
        this.#fail(ask, err)
      }

      throw err
    } finally {
      this.#run()
    }
  }

  /** Reports what has expired, asks what is due, and sleeps until there is more. */
  #run (): void {
    const { now } = this.#clock

    for (const registration of this.#keepAlive.expire(now)) {
      this.#init.log('the registration of "%s" at %p has expired', registration.namespace, registration.point)
      this.#init.onExpired(registration)
    }

    // how it went is told there
    this.#keepAlive.due(now).forEach(ask => { this.#ask(ask).catch(() => {}) })
    this.#alarm.set(this.#keepAlive.wakeAt)
  }

  async #ask (ask: Ask): Promise<void> {
    try {
      await (ask.what === 'register' ? this.#register(ask) : this.#confirm(ask))
    } catch (err: any) {
      this.#fail(ask, err)
    }

    this.#run()
  }

  async #register (ask: Ask, signal?: AbortSignal): Promise<Registration> {
    const { namespace, point, ttl } = ask.kept
    const { points, watches, onGranted, onFailed, log } = this.#init
    const sealed = await this.#seal(namespace, point, signal)
    const start = Date.now()

    if (!this.#keepAlive.send(ask, sealed.fingerprint)) {
      throw new AbortError(`"${namespace}" was unregistered meanwhile`)
    }

    const remote = points.get(point)
    const granted = await remote.register(namespace, sealed, ttl, signal)
    const registration = { namespace, point, ttl: granted, expires: start + granted }
    const isWanted = this.#keepAlive.isWanted(ask)
    const isNew = ask.kept.held == null
    const failure = this.#keepAlive.grant(ask, registration, watches.saysRegistered(point) || remote.cookieOf(namespace) != null, this.#clock.now)
    log('%p granted "%s" for %d s%s', point, namespace, granted / 1_000, isWanted ? '' : ', which is no longer wanted')

    if (isWanted) {
      onGranted(registration, isNew)
    }

    if (failure != null) {
      log('%s', failure.error.message)
      onFailed(failure)
    }

    return registration
  }

  async #seal (namespace: string, point: PeerId, signal: AbortSignal | undefined): Promise<SealedRecord> {
    const { points, record } = this.#init

    if (!this.hasAddress) {
      // the point may be the relay that gives it one
      await points.connect(point, signal)
    }

    const sealed = await record.seal(this.#clock.now)

    if (sealed == null) {
      throw new NoAddressesError(`This node has no address yet to register "${namespace}" with`, { namespace })
    }

    return sealed
  }

  async #confirm (ask: Ask): Promise<void> {
    const { namespace, point } = ask.kept
    const { points, log } = this.#init
    const remote = points.get(point)

    if (!ask.isInDoubt) {
      if (!this.#init.watches.saysRegistered(point) && remote.cookieOf(namespace) == null) {
        await remote.isUnchanged(namespace, undefined)
      }

      this.#keepAlive.confirm(ask, this.#clock.now)
    } else if (await this.#isStillHeld(ask)) {
      log('%p was away, and has kept the registration of "%s"', point, namespace)
      this.#keepAlive.confirm(ask, this.#clock.now)
    } else {
      log('%p was away, and has forgotten the registration of "%s": it is registered again', point, namespace)
      this.#keepAlive.forget(ask, this.#clock.now)
    }
  }

  async #isStillHeld ({ cookie, kept: { namespace, point } }: Ask): Promise<boolean> {
    const registered = await this.#init.watches.registeredAt(point)

    if (registered != null) {
      return registered.has(namespace)
    }

    // one that no longer says it, and has no cookie to be asked by, is taken to have forgotten
    return cookie != null && this.#init.points.get(point).isUnchanged(namespace, cookie)
  }

  #fail (ask: Ask, error: Error): void {
    const { namespace, point } = ask.kept
    const { points, log, onFailed } = this.#init
    const failure = this.#keepAlive.fail(ask, error, this.#clock.now)
    points.update(point)
    log('could not %s "%s" at %p%s - %e', ask.what, namespace, point, failure?.retryIn == null ? '' : `, trying again in ${Math.ceil(failure.retryIn / 1_000)} s`, error)

    if (failure?.willRetry === false) {
      this.#everywhere.get(namespace)?.refusedBy.add(point.toString())
    }

    if (failure != null && ask.what === 'register') {
      onFailed(failure)
    }
  }
}
