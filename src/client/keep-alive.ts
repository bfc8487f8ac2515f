import { ProtocolError } from '@libp2p/interface'
import { isPermanent, NoAddressesError, RendezvousError } from '../protocol/errors.ts'
import { markDelay, refreshDelay, retryDelay } from './schedule.ts'
import type { Registration, RegistrationFailedDetail } from './types.ts'
import type { PeerId } from '@libp2p/interface'

export interface KeepAliveInit {
  autoRefresh: boolean
  /** Milliseconds. */
  refreshBuffer: number
  /** Numbers from 0 to 1, as Math.random gives them. */
  random: () => number
  /**
   * Whether trying the same request again is pointless.
   *
   * @default by the status that the point answered with
   */
  isPermanent?: (error: unknown) => boolean
}

/** Something to ask a point; what comes of it is to be told. */
export interface Ask {
  /**
   * `register` is for the registration. `confirm` is whether the point still has it: by what the point
   * says of it, or by a cookie from before the connection was lost. Where that is in no doubt it only gets a cookie.
   */
  readonly what: 'register' | 'confirm'
  readonly cookie: Uint8Array | undefined
  /** Whether the point may have lost what it held. */
  readonly isInDoubt: boolean
  readonly kept: Kept
  /** When it was asked, by the clock that all is told by. */
  readonly at: number
  /** Whether it is asked because the point came back. */
  readonly isReturn: boolean
}

/** What a point was asked to register. */
export interface Asked {
  namespace: string
  point: PeerId
  /** Whether it is known to hold it. */
  isHeld: boolean
}

/** It is time to ask at `at`, or as soon as the point comes back where that is a reason to. */
interface Due { is: 'due', what: Ask['what'], at: number, onReturn: boolean, isReturn?: boolean }

/** What is done next about a registration. */
type Next =
  | Due
  /** The point is being asked; of several requests, the last one decides how it goes on. */
  | { is: 'asked', ask: Ask }
  /** There is nothing to send until this node has an address. */
  | { is: 'without address' }
  /** Nothing more is asked for: what is held is left to lapse. */
  | { is: 'ended' }

/** How a point can be asked whether it still has a registration. */
export interface Doubt {
  /** The last cookie that it gave before the connection was lost. */
  cookie: Uint8Array | undefined
  /** Whether it says by itself what is registered. */
  says: boolean
}

/** A namespace that is to be kept registered at a point. Times are by the clock that all is told by. */
interface Kept {
  readonly key: string
  readonly namespace: string
  readonly point: PeerId
  ttl: number
  /** Whether it is meant for this point, which is then returned to when it is lost. */
  isNamed: boolean
  next: Next
  /** What the point granted last and has not lapsed. */
  held?: { registration: Registration, until: number, refreshAt: number, grantedAt: number } | undefined
  /** The connection was lost since, and with it perhaps what the point held. */
  doubt?: Doubt | undefined
  /** Requests that failed, in a row. */
  failures: number
  /** Connections that were lost, in a row, before it was time to refresh. */
  losses: number
  /** How often the point ended it, in a row, before it was time to refresh. */
  endings: number
  /** The fingerprint of the record that was sent last. */
  sent?: string | undefined
}

/**
 * Decides how namespaces are kept registered at points: when registrations are renewed, when the new
 * record is sent after the addresses changed, and when it is tried again after failures, with growing
 * pauses. It is told the time, in milliseconds that never run backwards, and what comes of what it asks
 * for; whoever runs it looks after `wakeAt` for what has expired and what is due.
 */
export class KeepAlive {
  readonly #init: KeepAliveInit
  readonly #kept = new Map<string, Kept>()

  constructor (init: KeepAliveInit) {
    this.#init = init
  }

  /** What is held at a time. */
  registrations (now: number): Registration[] {
    return [...this.#kept.values()].flatMap(({ held }) => held != null && held.until > now ? held.registration : [])
  }

  /** Whether a namespace is kept at a point. */
  has (namespace: string, point: PeerId): boolean {
    const kept = this.#kept.get(keyOf(namespace, point))

    return kept != null && kept.next.is !== 'ended'
  }

  /** Whether anything is kept, or tried to be. */
  get isEmpty (): boolean {
    return this.#kept.size === 0
  }

  /** Whether anything waits until this node has an address. */
  get waitsForAddress (): boolean {
    return [...this.#kept.values()].some(({ next }) => next.is === 'without address')
  }

  /** Whether anything is kept at a point. */
  keepsAt (point: PeerId): boolean {
    return this.#at(point).length > 0
  }

  /** Whether anything is kept at a point by name, so that it is returned to when it is lost. */
  returnsTo (point: PeerId): boolean {
    return this.#at(point).some(({ isNamed }) => isNamed)
  }

  /** Whether what was asked for is still wanted: it may have been released meanwhile. */
  isWanted ({ kept }: Ask): boolean {
    return this.#kept.get(kept.key) === kept
  }

  /** When something expires or is due; infinite when nothing will be. */
  get wakeAt (): number {
    let at = Infinity

    for (const { held, next } of this.#kept.values()) {
      at = Math.min(at, held?.until ?? Infinity, next.is === 'due' ? next.at : Infinity)
    }

    return at
  }

  /** What has expired. */
  expire (now: number): Registration[] {
    const expired: Registration[] = []

    for (const kept of this.#kept.values()) {
      const { held, next } = kept

      if (held == null || held.until > now) {
        continue
      }

      kept.held = undefined
      kept.doubt = undefined

      if (next.is === 'ended') {
        this.#remove(kept)
      }

      // Stryker disable next-line ConditionalExpression: what is asked already is not looked at again
      if (next.is === 'due') {
        // there is nothing left to confirm
        next.what = 'register'
      }

      expired.push(held.registration)
    }

    return expired
  }

  /** What is to be asked now. */
  due (now: number): Ask[] {
    const asks: Ask[] = []

    for (const kept of this.#kept.values()) {
      const { next } = kept

      // Stryker disable next-line ConditionalExpression: only what is due has a time
      if (next.is !== 'due' || next.at > now) {
        continue
      }

      if (this.#isBeingAnswered(kept)) {
        next.at = now + markDelay(this.#init.random())
      } else {
        asks.push(this.#ask(kept, next.what, now, next.isReturn))
      }
    }

    return asks
  }

  /**
   * Registers a namespace at a point and keeps it registered.
   *
   * @param ttl - milliseconds
   * @param isNamed - whether it is meant for this point, which is then returned to when it is lost
   * @returns what is to be asked now
   */
  keep (namespace: string, point: PeerId, { ttl, isNamed = false }: { ttl: number, isNamed?: boolean }, now: number): Ask {
    const key = keyOf(namespace, point)
    // Stryker disable next-line ObjectLiteral,StringLiteral: it is asked for before anybody looks
    const kept = this.#kept.get(key) ?? { key, namespace, point, ttl, isNamed, next: { is: 'ended' }, failures: 0, losses: 0, endings: 0 }
    kept.ttl = ttl
    kept.isNamed ||= isNamed
    this.#kept.set(key, kept)

    return this.#ask(kept, 'register', now)
  }

  /**
   * Keeps a namespace registered no longer, at the given point or at any. What comes of what was asked
   * before does not count any more.
   *
   * @returns the points where it was kept
   */
  release (namespace: string, point?: PeerId): PeerId[] {
    const released = [...this.#kept.values()].filter(kept => kept.namespace === namespace && (point == null || kept.point.equals(point)))
    released.forEach(kept => { this.#remove(kept) })

    return released.map(({ point }) => point)
  }

  /**
   * A request is about to be sent.
   *
   * @param fingerprint - of the record in it
   * @returns whether it is still wanted
   */
  send (ask: Ask, fingerprint: string): boolean {
    ask.kept.sent = fingerprint

    return this.isWanted(ask)
  }

  /**
   * A point granted a registration.
   *
   * @param canBeAsked - whether the point can be asked later if it still has it
   * @returns what to report when the registration cannot be kept
   */
  grant (ask: Ask, registration: Registration, canBeAsked: boolean, now: number): RegistrationFailedDetail | undefined {
    const { kept, at } = ask
    const { autoRefresh, refreshBuffer, random } = this.#init

    if (!this.isWanted(ask)) {
      return
    }

    // from before the request, so that it is renewed in time by the point's clock as well
    const until = at + registration.ttl
    const refreshAt = at + refreshDelay(registration.ttl, refreshBuffer, random())
    kept.endings = kept.held == null ? kept.endings : 0
    kept.held = { registration, until, refreshAt, grantedAt: now }
    kept.failures = 0
    kept.losses = kept.doubt == null ? 0 : kept.losses
    kept.doubt = undefined

    if (isLast(ask)) {
      kept.next = autoRefresh ? dueAt('register', refreshAt) : { is: 'ended' }

      if (autoRefresh && !canBeAsked) {
        this.#askSooner(kept, 'confirm', at + markDelay(random()))
      }
    }

    if (autoRefresh && refreshAt >= until) {
      const error = new ProtocolError(`The point ${kept.point} grants "${kept.namespace}" for ${registration.ttl / 1_000} s only: it is not renewed before it ends`)

      return { namespace: kept.namespace, point: kept.point, error, willRetry: true, retryIn: refreshAt - now }
    }
  }

  /** The point still has what it had, as it says or because it knew the cookie; or it gave one. */
  confirm (ask: Ask, now: number): void {
    const { kept } = ask

    if (!isLast(ask)) {
      return
    }

    kept.failures = 0
    const answered = this.#answeredWith(kept)

    if (ask.isInDoubt) {
      kept.doubt = undefined
    }

    this.#goOn(kept, now)

    for (const other of answered) {
      other.doubt = undefined
      this.#goOn(other, now)
    }
  }

  /** The point has forgotten what it held; or it gives no cookie. */
  forget (ask: Ask, now: number): void {
    const { kept } = ask

    if (!isLast(ask)) {
      return
    }

    if (ask.isInDoubt) {
      // what it says of the others is not known
      this.#answeredWith(kept).forEach(({ next }) => { next.at = Math.min(next.at, now) })
      kept.next = dueAt('register', now)
    } else {
      this.#goOn(kept, now)
    }
  }

  /**
   * A point says what is registered there.
   *
   * @param askedAt - when it was asked: what was granted since may not be among it
   */
  registered (point: PeerId, namespaces: Set<string>, askedAt: number, now: number): void {
    for (const kept of this.#at(point)) {
      if (kept.next.is === 'due' && kept.held != null && kept.held.grantedAt < askedAt && !namespaces.has(kept.namespace)) {
        kept.next = dueAt('register', now)
      }
    }
  }

  /**
   * A point says that it has ended a registration before its time: it is registered again, less and less
   * soon where that happens again and again.
   *
   * @returns what was held, and how it goes on; undefined when nothing was
   */
  end (point: PeerId, namespace: string, error: Error, now: number): { registration: Registration, failure: RegistrationFailedDetail } | undefined {
    const kept = this.#kept.get(keyOf(namespace, point))

    if (kept?.held == null) {
      return
    }

    const { registration } = kept.held
    const { autoRefresh, random } = this.#init
    kept.held = undefined
    kept.doubt = undefined

    if (kept.next.is === 'due') {
      kept.next = !autoRefresh || this.#isPermanent(error) ? { is: 'ended' } : dueAt('register', now + retryDelay(++kept.endings, random()))
    }

    const { next } = kept
    this.#removeIfOver(kept)

    return {
      registration,
      failure: { namespace, point, error, willRetry: next.is !== 'ended', retryIn: next.is === 'due' ? next.at - now : undefined }
    }
  }

  /**
   * A request failed.
   *
   * @returns how it goes on; undefined when it is no longer wanted
   */
  fail (ask: Ask, error: Error, now: number): RegistrationFailedDetail | undefined {
    const { kept } = ask

    if (!this.isWanted(ask)) {
      return
    }

    if (isLast(ask)) {
      kept.next = ask.what === 'register' ? this.#afterFailure(ask, error, now) : this.#unconfirmed(ask, error, now)
    }

    const { namespace, point, next } = kept
    this.#removeIfOver(kept)

    return { namespace, point, error, willRetry: next.is !== 'ended', retryIn: next.is === 'due' ? next.at - now : undefined }
  }

  /**
   * The caller who wanted it no longer does.
   *
   * @param isNew - whether it was not kept before that call
   */
  abort (ask: Ask, isNew: boolean, now: number): void {
    const { kept } = ask

    if (isLast(ask)) {
      if (isNew) {
        kept.next = { is: 'ended' }
        this.#removeIfOver(kept)
      } else {
        this.#goOn(kept, now)
      }
    }
  }

  /** The point can be reached again. */
  onConnect (point: PeerId, now: number): void {
    for (const { next } of this.#at(point)) {
      // Stryker disable next-line ConditionalExpression: only what is due has a reason to return
      if (next.is === 'due' && next.onReturn) {
        next.at = Math.min(next.at, now)
        next.isReturn = true
      }
    }
  }

  /**
   * The connection to the point was lost, and with it perhaps what it held: it is asked soon. A point
   * that ends connections again and again, because nothing is done on them or it has too many, is asked
   * less and less often.
   *
   * @param isUsed - whether it is a point for this client also without a connection
   * @param doubtOf - how it can be asked for a namespace when it is back
   */
  onDisconnect (point: PeerId, isUsed: boolean, doubtOf: (namespace: string) => Doubt, now: number): void {
    for (const kept of this.#at(point)) {
      if (!isUsed && !kept.isNamed) {
        kept.next = { is: 'ended' }
        kept.sent = undefined
        this.#removeIfOver(kept)
      } else if (kept.held != null) {
        kept.doubt ??= doubtOf(kept.namespace)
        kept.losses++

        if (kept.next.is === 'due' && kept.failures === 0) {
          this.#goOn(kept, now)
        }
      } else if (kept.next.is === 'without address') {
        // it may be the relay that this node waits for, so it is come back to
        kept.next = dueAt('register', now + retryDelay(++kept.losses, this.#init.random()), true)
      }
    }
  }

  /**
   * Sends the new record wherever another was sent, and wherever there was none to send.
   *
   * @param fingerprint - of the record; undefined while there is no address to publish
   */
  onAddressesChanged (fingerprint: string | undefined, now: number): void {
    for (const kept of this.#kept.values()) {
      if (kept.next.is !== 'ended' && fingerprint != null && kept.sent !== fingerprint) {
        kept.next = dueAt('register', now)
      }
    }
  }

  /**
   * Ends all keeping.
   *
   * @returns what points hold or may hold, but for those that were lost and given up
   */
  stop (now: number): Asked[] {
    const all = [...this.#kept.values()]
    all.forEach(kept => { this.#remove(kept) })

    return all
      .filter(({ sent }) => sent != null)
      .map(({ namespace, point, held }) => ({ namespace, point, isHeld: held != null && held.until > now }))
  }

  /**
   * What is answered by the same cookie: a point that knows one from before the loss has lost nothing since. One
   * that says what is registered says it for each.
   */
  #answeredWith (kept: Kept): Array<Kept & { next: Due }> {
    return kept.doubt?.cookie == null || kept.doubt.says
      ? []
      : this.#at(kept.point).filter((other): other is Kept & { next: Due } => other !== kept && isUnconfirmed(other))
  }

  /** Whether the answer to what is being asked will do for this one, too. */
  #isBeingAnswered (kept: Kept): boolean {
    return isUnconfirmed(kept) && this.#at(kept.point).some(({ next, doubt }) => next.is === 'asked' && next.ask.what === 'confirm' && doubt?.cookie != null && !doubt.says)
  }

  #ask (kept: Kept, what: Ask['what'], now: number, isReturn = false): Ask {
    const doubt = what === 'confirm' ? kept.doubt : undefined
    const ask = { kept, what, cookie: doubt?.cookie, isInDoubt: doubt != null, at: now, isReturn }
    kept.next = { is: 'asked', ask }

    return ask
  }

  #isPermanent (error: Error): boolean {
    return this.#init.isPermanent?.(error) ?? isPermanent(error)
  }

  #afterFailure ({ isReturn, kept }: Ask, error: Error, now: number): Next {
    if (!this.#init.autoRefresh || this.#isPermanent(error)) {
      return { is: 'ended' }
    }

    if (error instanceof NoAddressesError) {
      // an address is a reason to send, be it the same as before
      kept.sent = undefined

      // Stryker disable next-line ObjectLiteral,StringLiteral: whatever it is called, it is none of the others
      return { is: 'without address' }
    }

    const pause = retryDelay(++kept.failures, this.#init.random(), timeLeft(kept, now))

    // who answered is not another for coming back; and who comes back only to fail is not run after
    return dueAt('register', now + pause, !isAnswer(error) && !isReturn)
  }

  #unconfirmed ({ isReturn, kept, isInDoubt }: Ask, error: Error, now: number): Next {
    if (!isInDoubt) {
      // nothing depended on it
      this.#goOn(kept, now)
    } else if (isAnswer(error)) {
      // it does not say, but it can be asked for the registration itself
      kept.next = dueAt('register', now)
    } else {
      kept.next = dueAt('register', kept.held?.refreshAt ?? Infinity)
      this.#askSooner(kept, kept.held == null ? 'register' : 'confirm', now + retryDelay(++kept.failures, this.#init.random(), timeLeft(kept, now)), !isReturn)
    }

    return kept.next
  }

  /** Goes on as if nothing had been asked: after a loss with asking soon, and else with renewing in time. */
  #goOn (kept: Kept, now: number): void {
    this.#refresh(kept, now)

    if (kept.doubt != null) {
      const pause = retryDelay(kept.losses, this.#init.random(), timeLeft(kept, now))
      const canBeAsked = kept.doubt.says || kept.doubt.cookie != null
      this.#askSooner(kept, canBeAsked ? 'confirm' : 'register', now + pause, kept.losses === 1)
    }
  }

  #refresh (kept: Kept, now: number): void {
    const pause = retryDelay(kept.failures, this.#init.random(), timeLeft(kept, now))
    kept.next = this.#init.autoRefresh ? dueAt('register', Math.max(kept.held?.refreshAt ?? now, now + pause)) : { is: 'ended' }
    this.#removeIfOver(kept)
  }

  /** Asks at a time, unless it is time to renew before. */
  #askSooner (kept: Kept, what: Ask['what'], at: number, onReturn = false): void {
    // Stryker disable next-line ConditionalExpression,EqualityOperator: only what is due has a time; at the same time it is the same
    if (kept.next.is === 'due' && at < kept.next.at) {
      kept.next = dueAt(what, at, onReturn)
    }
  }

  #at (point: PeerId): Kept[] {
    return [...this.#kept.values()].filter(kept => kept.next.is !== 'ended' && kept.point.equals(point))
  }

  #removeIfOver (kept: Kept): void {
    if (kept.next.is === 'ended' && kept.held == null) {
      this.#remove(kept)
    }
  }

  #remove (kept: Kept): void {
    // nothing that was asked before is the last any more
    // Stryker disable next-line ObjectLiteral,StringLiteral: whatever it is called, it is none of the others
    kept.next = { is: 'ended' }
    this.#kept.delete(kept.key)
  }
}

function dueAt (what: Ask['what'], at: number, onReturn = false): Next {
  return { is: 'due', what, at, onReturn }
}

/** Whether nothing was asked after it, and nothing else decided. */
function isLast (ask: Ask): boolean {
  // Stryker disable next-line ConditionalExpression: only what is asked has a request
  return ask.kept.next.is === 'asked' && ask.kept.next.ask === ask
}

/** Whether it is to be asked by a cookie if the point has kept it. */
function isUnconfirmed ({ next, doubt }: Kept): boolean {
  return next.is === 'due' && next.what === 'confirm' && doubt?.cookie != null && !doubt.says
}

/** Milliseconds until the registration lapses; infinite when nothing is held. */
function timeLeft ({ held }: Kept, now: number): number {
  return held == null ? Infinity : held.until - now
}

/** Whether the failure is what the point, or this node, said to the request: coming back to the point does not change it. */
function isAnswer (error: Error): boolean {
  return error instanceof RendezvousError || error.name === 'ProtocolError'
}

function keyOf (namespace: string, point: PeerId): string {
  return `${point}/${namespace}`
}
