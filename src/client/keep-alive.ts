import { isPermanent } from '../protocol/errors.ts'
import { refreshDelay, retryDelay } from './schedule.ts'
import type { Registration, RegistrationFailedDetail } from './index.ts'
import type { OwnRecord } from './own-record.ts'
import type { RemotePoint } from './remote-point.ts'

/** The longest sleep a timer can take, and short enough to notice that the clock was set. */
const MAX_SLEEP = 60 * 60_000

export interface KeepAliveInit {
  record: Pick<OwnRecord, 'envelope' | 'fingerprint'>
  autoRefresh: boolean
  refreshBuffer: number
  onGranted: (registration: Registration) => void
  onFailed: (failure: RegistrationFailedDetail) => void
  onExpired: (registration: Registration) => void
}

/** What keeping a registration needs of a point. */
export type RegisterAt = Pick<RemotePoint, 'peerId' | 'register'>

/** A namespace that is to be kept registered at a point. */
interface Slot {
  readonly namespace: string
  readonly point: RegisterAt
  ttl: number
  /** What the point last granted and has not lapsed. */
  held: Registration | undefined
  /** In a row. */
  failures: number
  /** When to ask again; infinite while there is no address to send. */
  retryAt: number
  /** The connection was lost since the point last granted it. */
  isLost: boolean
  /** It is left to lapse. */
  isEnded: boolean
  /** The fingerprint of the record that was sent last. */
  sent: string | undefined
  /** Requests on their way. */
  pending: Set<Promise<unknown>>
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
    const now = Date.now()

    return [...this.#slots.values()]
      .map(({ held }) => held)
      .filter(held => held != null && held.expires > now) as Registration[]
  }

  /** Whether a namespace is kept at a point. */
  has (namespace: string, point: RegisterAt): boolean {
    return this.#slots.has(slotKey(namespace, point))
  }

  /**
   * Registers a namespace at a point and keeps it registered. Resolves to the first grant; when that
   * fails, it is rejected and the registration is tried again later, unless that cannot help.
   *
   * @throws what `RemotePoint.register` throws, and NoAddressesError
   */
  async keep (namespace: string, point: RegisterAt, ttl: number, signal?: AbortSignal): Promise<Registration> {
    const key = slotKey(namespace, point)
    const known = this.#slots.get(key)
    const slot = known ?? { namespace, point, ttl, held: undefined, failures: 0, retryAt: Infinity, isLost: false, isEnded: false, sent: undefined, pending: new Set() }
    slot.ttl = ttl
    slot.isEnded = false
    this.#slots.set(key, slot)

    try {
      return await this.#register(slot, signal)
    } catch (err) {
      if (known == null && signal?.aborted === true) {
        // the caller no longer wants what it had asked for
        this.#remove(slot)
      }

      throw err
    }
  }

  /**
   * Keeps a namespace registered no longer, at the given point or at any.
   *
   * @returns the points where it was, once nothing is on its way to them
   */
  async release (namespace: string, point?: RegisterAt): Promise<RegisterAt[]> {
    return this.#release([...this.#slots.values()].filter(slot => slot.namespace === namespace && (point == null || slot.point.peerId.equals(point.peerId))))
  }

  /** The point can be reached: what is not held there, or may have been lost there, is registered at once. */
  onConnect (point: RegisterAt): void {
    for (const slot of this.#at(point)) {
      if ((slot.isLost || slot.held == null) && slot.pending.size === 0) {
        this.#tryAgain(slot)
      }
    }
  }

  /** The point was lost: it may have lost what it held, so it is asked again as soon as it can be reached. */
  onDisconnect (point: RegisterAt): void {
    for (const slot of this.#at(point)) {
      slot.isLost = true
      this.#retryIn(slot, retryDelay(1, Math.random()))
    }
  }

  /** The point is used no longer: what it holds is left to lapse. */
  abandon (point: RegisterAt): void {
    for (const slot of this.#at(point)) {
      this.#end(slot)
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
   * @returns where something is, or may be, registered
   */
  async stop (): Promise<Array<{ namespace: string, point: RegisterAt }>> {
    const slots = [...this.#slots.values()].filter(slot => slot.held != null || slot.pending.size > 0)
    const all = [...this.#slots.values()]
    all.forEach(slot => { this.#remove(slot) })
    await Promise.allSettled(slots.flatMap(slot => [...slot.pending]))

    return slots
  }

  async #release (slots: Slot[]): Promise<RegisterAt[]> {
    slots.forEach(slot => { this.#remove(slot) })
    // a request that is still on its way would undo what the caller does next
    await Promise.allSettled(slots.flatMap(slot => [...slot.pending]))

    return slots.map(({ point }) => point)
  }

  #remove (slot: Slot): void {
    clearTimeout(slot.timer)
    this.#slots.delete(slotKey(slot.namespace, slot.point))
  }

  /** No more requests: it lapses when its time is over. */
  #end (slot: Slot): void {
    slot.isEnded = true
    slot.retryAt = Infinity

    if (slot.held == null) {
      this.#remove(slot)
    } else {
      this.#schedule(slot)
    }
  }

  #at (point: RegisterAt): Slot[] {
    return [...this.#slots.values()].filter(slot => !slot.isEnded && slot.point.peerId.equals(point.peerId))
  }

  #isKept (slot: Slot): boolean {
    return this.#slots.get(slotKey(slot.namespace, slot.point)) === slot
  }

  #tryAgain (slot: Slot): void {
    // its outcome is reported by events
    this.#register(slot).catch(() => {})
  }

  async #register (slot: Slot, signal?: AbortSignal): Promise<Registration> {
    clearTimeout(slot.timer)
    const request = this.#request(slot, signal)
    slot.pending.add(request)

    try {
      return await request
    } finally {
      slot.pending.delete(request)
    }
  }

  async #request (slot: Slot, signal?: AbortSignal): Promise<Registration> {
    const { namespace, point, ttl } = slot
    const { record } = this.#init
    // counted from before the request, so that it is renewed in time by the point's clock as well
    const start = Date.now()

    try {
      const { fingerprint } = record
      const envelope = await record.envelope()
      slot.sent = fingerprint
      const granted = await point.register(namespace, envelope, ttl, signal)
      const registration = { namespace, point: point.peerId, ttl: granted, expires: start + granted }

      if (this.#isKept(slot)) {
        this.#onGranted(slot, registration)
      }

      return registration
    } catch (err: any) {
      if (this.#isKept(slot) && signal?.aborted !== true) {
        this.#onFailed(slot, err)
      } else if (this.#isKept(slot)) {
        this.#schedule(slot)
      }

      throw err
    }
  }

  #onGranted (slot: Slot, registration: Registration): void {
    const { autoRefresh, refreshBuffer, onGranted } = this.#init
    slot.held = registration
    slot.failures = 0
    slot.isLost = false

    if (autoRefresh) {
      this.#retryIn(slot, refreshDelay(registration.ttl, refreshBuffer, Math.random()))
    } else {
      this.#end(slot)
    }

    onGranted(registration)
  }

  #onFailed (slot: Slot, error: Error): void {
    const { autoRefresh, onFailed } = this.#init
    const willRetry = autoRefresh && !isPermanent(error)

    if (!willRetry) {
      this.#end(slot)
    } else if (error.name === 'NoAddressesError') {
      // there is nothing to send until an address comes
      this.#retryIn(slot, Infinity)
    } else {
      this.#retryIn(slot, retryDelay(++slot.failures, Math.random()))
    }

    onFailed({ namespace: slot.namespace, point: slot.point.peerId, error, willRetry })
  }

  #retryIn (slot: Slot, ms: number): void {
    slot.retryAt = Date.now() + ms
    this.#schedule(slot)
  }

  /** Sleeps until the registration is to be renewed or lapses, whichever is first. */
  #schedule (slot: Slot): void {
    clearTimeout(slot.timer)
    const next = Math.min(slot.retryAt, slot.held?.expires ?? Infinity)

    if (next < Infinity) {
      slot.timer = setTimeout(() => { this.#wake(slot) }, Math.min(Math.max(next - Date.now(), 0), MAX_SLEEP))
    }
  }

  #wake (slot: Slot): void {
    const now = Date.now()
    const { held } = slot

    if (held != null && held.expires <= now) {
      slot.held = undefined
      this.#init.onExpired(held)

      if (slot.isEnded) {
        this.#remove(slot)
        return
      }
    }

    if (slot.retryAt <= now) {
      this.#tryAgain(slot)
    } else {
      this.#schedule(slot)
    }
  }
}

function slotKey (namespace: string, { peerId }: RegisterAt): string {
  return `${peerId}/${namespace}`
}
