import { AbortError } from '@libp2p/interface'
import { isPermanent, NoAddressesError, RendezvousError } from '../protocol/errors.ts'
import { MAX_SLEEP, refreshDelay, retryDelay } from './schedule.ts'
import { Stopwatch } from './stopwatch.ts'
import type { Registration, RegistrationFailedDetail } from './types.ts'
import type { OwnRecord, SealedRecord } from './own-record.ts'
import type { PeerId } from '@libp2p/interface'

export interface KeepAliveInit {
  record: Pick<OwnRecord, 'seal' | 'fingerprint'>
  autoRefresh: boolean
  /** Milliseconds. */
  refreshBuffer: number
  /** Asks a point for a registration, and resolves to the TTL it grants in milliseconds. */
  register: (point: PeerId, namespace: string, record: SealedRecord, ttl: number, signal?: AbortSignal) => Promise<number>
  onGranted: (registration: Registration) => void
  onFailed: (failure: RegistrationFailedDetail) => void
  onExpired: (registration: Registration) => void
}

export interface KeepOptions {
  /** Milliseconds. */
  ttl: number
  /** Whether it is meant for this point, which is then returned to when it is lost. */
  isNamed?: boolean
  signal?: AbortSignal | undefined
}

/** What a point was asked to register. */
export interface Asked {
  namespace: string
  point: PeerId
  /** Whether it is known to hold it. */
  isHeld: boolean
}

/** A namespace that is to be kept registered at a point. */
interface Slot {
  readonly namespace: string
  readonly point: PeerId
  ttl: number
  isNamed: boolean
  /** What the point granted last and has not lapsed. */
  held: { registration: Registration, since: Stopwatch } | undefined
  /** When to ask again; absent while only something that happens can be a reason to. */
  next: { delay: number, since: Stopwatch } | undefined
  /** Attempts that failed, in a row. */
  failures: number
  /** Connections that were lost, in a row, before it was time to refresh. */
  losses: number
  /** The point may have lost what it held, or could not be reached. */
  isLost: boolean
  /** Nothing more is asked for: what is held is left to lapse. */
  isEnded: boolean
  /** The fingerprint of the record that was sent last. */
  sent: string | undefined
  /** Requests on their way. */
  pending: number
  timer?: ReturnType<typeof setTimeout> | undefined
}

/**
 * Keeps namespaces registered at points: renews registrations before they lapse, sends the new record
 * after the addresses changed, and tries again after failures, with growing pauses.
 */
export class KeepAlive {
  readonly #init: KeepAliveInit
  readonly #slots = new Map<string, Slot>()

  constructor (init: KeepAliveInit) {
    this.#init = init
  }

  /** What is held now. */
  get registrations (): Registration[] {
    return [...this.#slots.values()].flatMap(slot => timeLeft(slot) > 0 ? slot.held?.registration ?? [] : [])
  }

  /** Whether a namespace is kept at a point. */
  has (namespace: string, point: PeerId): boolean {
    return this.#slots.get(slotKey(namespace, point))?.isEnded === false
  }

  /**
   * Registers a namespace at a point and keeps it registered. Resolves to the first grant; when that
   * fails, it is rejected and the registration is tried again later, unless that cannot help.
   *
   * @throws what `register` throws, and NoAddressesError
   * @throws {AbortError}
   */
  async keep (namespace: string, point: PeerId, { ttl, isNamed = false, signal }: KeepOptions): Promise<Registration> {
    const key = slotKey(namespace, point)
    const slot = this.#slots.get(key) ?? newSlot(namespace, point, ttl)
    const isNew = !this.has(namespace, point)
    slot.ttl = ttl
    slot.isNamed ||= isNamed
    slot.isEnded = false
    this.#slots.set(key, slot)

    try {
      return await this.#register(slot, signal)
    } catch (err) {
      if (isNew && signal?.aborted === true && this.#isKept(slot) && slot.pending === 0) {
        // the caller no longer wants what it had asked for
        this.#end(slot)
      }

      throw err
    }
  }

  /**
   * Keeps a namespace registered no longer, at the given point or at any. What is on its way to a
   * point stays ahead of what is sent there from now on.
   *
   * @returns the points where it was kept
   */
  release (namespace: string, point?: PeerId): PeerId[] {
    const slots = [...this.#slots.values()].filter(slot => slot.namespace === namespace && (point == null || slot.point.equals(point)))
    slots.forEach(slot => { this.#remove(slot) })

    return slots.map(({ point }) => point)
  }

  /** The point can be reached: what it may have lost is registered at once. */
  onConnect (point: PeerId): void {
    for (const slot of this.#at(point)) {
      if (slot.isLost && slot.pending === 0) {
        this.#tryAgain(slot)
      }
    }
  }

  /**
   * The connection to the point was lost, and with it perhaps what it held: it is asked again soon. A
   * point that ends connections again and again, because it has too many, is asked less and less often.
   *
   * @param isUsed - whether it is a point for this client also without a connection
   */
  onDisconnect (point: PeerId, isUsed: boolean): void {
    for (const slot of this.#at(point)) {
      slot.isLost = true

      if (!isUsed && !slot.isNamed) {
        this.#end(slot)
      } else if (slot.held != null && slot.failures === 0) {
        this.#askAfter(slot, retryDelay(++slot.losses, Math.random(), timeLeft(slot)))
      }
    }
  }

  /** Sends the new record wherever another was sent, and wherever there was none to send. */
  onAddressesChanged (): void {
    const { fingerprint } = this.#init.record

    for (const slot of this.#slots.values()) {
      if (!slot.isEnded && fingerprint != null && slot.sent !== fingerprint) {
        this.#tryAgain(slot)
      }
    }
  }

  /**
   * Ends all keeping.
   *
   * @returns what points hold or may hold, but for those that were lost and given up
   */
  stop (): Asked[] {
    const slots = [...this.#slots.values()]
    slots.forEach(slot => { this.#remove(slot) })

    return slots
      .filter(({ sent, isEnded, isLost }) => sent != null && !(isEnded && isLost))
      .map(slot => ({ namespace: slot.namespace, point: slot.point, isHeld: timeLeft(slot) > 0 }))
  }

  #at (point: PeerId): Slot[] {
    return [...this.#slots.values()].filter(slot => !slot.isEnded && slot.point.equals(point))
  }

  #isKept (slot: Slot): boolean {
    return this.#slots.get(slotKey(slot.namespace, slot.point)) === slot
  }

  #remove (slot: Slot): void {
    clearTimeout(slot.timer)
    this.#slots.delete(slotKey(slot.namespace, slot.point))
  }

  #end (slot: Slot): void {
    slot.isEnded = true
    slot.next = undefined
    this.#schedule(slot)
  }

  #tryAgain (slot: Slot): void {
    // its outcome is reported by events
    this.#register(slot).catch(() => {})
  }

  async #register (slot: Slot, signal?: AbortSignal): Promise<Registration> {
    slot.pending++
    this.#schedule(slot)

    try {
      // from before the request, so that it is renewed in time by the point's clock as well
      const since = new Stopwatch()
      const registration = await this.#request(slot, signal)

      if (this.#isKept(slot)) {
        this.#onGranted(slot, registration, since)
      }

      return registration
    } catch (err: any) {
      if (this.#isKept(slot) && signal?.aborted !== true) {
        this.#onFailed(slot, err)
      }

      throw err
    } finally {
      slot.pending--

      if (this.#isKept(slot)) {
        this.#schedule(slot)
      }
    }
  }

  async #request (slot: Slot, signal?: AbortSignal): Promise<Registration> {
    const { namespace, point, ttl } = slot
    const { record, register } = this.#init
    const start = Date.now()
    const sealed = await record.seal()

    if (sealed == null) {
      throw new NoAddressesError(`This node has no address yet to register "${namespace}" with`, { namespace })
    }

    if (!this.#isKept(slot)) {
      throw new AbortError(`"${namespace}" was unregistered meanwhile`)
    }

    slot.sent = sealed.fingerprint
    const granted = await register(point, namespace, sealed, ttl, signal)

    return { namespace, point, ttl: granted, expires: start + granted }
  }

  #onGranted (slot: Slot, registration: Registration, since: Stopwatch): void {
    const { autoRefresh, refreshBuffer, onGranted } = this.#init
    slot.held = { registration, since }
    slot.failures = 0
    slot.losses = slot.isLost ? slot.losses : 0
    slot.isLost = false
    slot.isEnded ||= !autoRefresh
    slot.next = slot.isEnded ? undefined : { since, delay: refreshDelay(registration.ttl, refreshBuffer, Math.random()) }

    onGranted(registration)
  }

  #onFailed (slot: Slot, error: Error): void {
    const { autoRefresh, onFailed } = this.#init
    const willRetry = autoRefresh && !slot.isEnded && !isPermanent(error)
    slot.isLost = !isAnswer(error)

    if (!willRetry) {
      slot.isEnded = true
      slot.next = undefined
    } else if (error instanceof NoAddressesError) {
      // there is nothing to send until an address comes, be it the same as before
      slot.sent = undefined
      slot.next = undefined
    } else {
      slot.next = { since: new Stopwatch(), delay: retryDelay(++slot.failures, Math.random(), timeLeft(slot)) }
    }

    onFailed({ namespace: slot.namespace, point: slot.point, error, willRetry, retryIn: slot.next?.delay })
  }

  /** Asks after a while, or when it was to be asked anyway if that is sooner. */
  #askAfter (slot: Slot, delay: number): void {
    if (delay < timeToNext(slot)) {
      slot.next = { since: new Stopwatch(), delay }
      this.#schedule(slot)
    }
  }

  /** Sleeps until the registration is to be renewed or lapses, whichever is first. */
  #schedule (slot: Slot): void {
    clearTimeout(slot.timer)

    if (slot.isEnded && slot.held == null && slot.pending === 0) {
      this.#remove(slot)
      return
    }

    const wait = Math.min(slot.pending > 0 ? Infinity : timeToNext(slot), slot.held == null ? Infinity : timeLeft(slot))

    if (wait < Infinity) {
      slot.timer = setTimeout(() => { this.#wake(slot) }, Math.min(Math.max(Math.ceil(wait), 0), MAX_SLEEP))
    }
  }

  #wake (slot: Slot): void {
    const { held } = slot

    if (held != null && timeLeft(slot) <= 0) {
      slot.held = undefined
      this.#init.onExpired(held.registration)
    }

    if (slot.pending === 0 && timeToNext(slot) <= 0 && this.#isKept(slot)) {
      this.#tryAgain(slot)
    } else if (this.#isKept(slot)) {
      this.#schedule(slot)
    }
  }
}

function newSlot (namespace: string, point: PeerId, ttl: number): Slot {
  return {
    namespace,
    point,
    ttl,
    isNamed: false,
    held: undefined,
    next: undefined,
    failures: 0,
    losses: 0,
    isLost: false,
    isEnded: false,
    sent: undefined,
    pending: 0
  }
}

/** Milliseconds until the registration lapses; 0 when nothing is held. */
function timeLeft ({ held }: Slot): number {
  return held == null ? 0 : held.registration.ttl - held.since.elapsed
}

/** Milliseconds until it is time to ask again. */
function timeToNext ({ next }: Slot): number {
  return next == null ? Infinity : next.delay - next.since.elapsed
}

/** Whether the failure is what the point, or this node, said to the request: coming back to the point does not change it. */
function isAnswer (error: Error): boolean {
  return error instanceof RendezvousError || error.name === 'ProtocolError'
}

function slotKey (namespace: string, point: PeerId): string {
  return `${point}/${namespace}`
}
