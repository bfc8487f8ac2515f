import { isPermanent } from '../protocol/errors.ts'
import { retryDelay } from './schedule.ts'
import type { RendezvousError } from '../protocol/errors.ts'
import type { WatchRequest } from '../protocol/watch.ts'

/** Clients that are told at once that somebody may be gone find out spread over so many milliseconds. */
const RESYNC_SPREAD = 5_000

/** A namespace is listed from the beginning no more often than this, in milliseconds. */
const RESYNC_PAUSE = 30_000

/** A stream that ends within this time has not been of use. Milliseconds. */
const SHORT = 60_000

/** A point that said what cannot be believed is asked instead of listened to for this time, in milliseconds. */
const DISTRUST = 60 * 60_000

export interface SubscriptionsInit {
  /** Numbers from 0 to 1, as Math.random gives them. */
  random: () => number
  /** Tells what is listed from now on from what was listed before (`Discovered.mark`). */
  mark: () => number
  /** Where the last listing of a namespace, or the last update, ended at this point. */
  cookieOf: (namespace: string) => Uint8Array | undefined
  /**
   * Whether trying the same request again is pointless.
   *
   * @default by the status that the point answered with
   */
  isPermanent?: (error: unknown) => boolean
}

/** What is to be done about the stream. */
export type Step = { do: 'open' } | { do: 'close' } | { do: 'send', request: WatchRequest }

/** An update, after what it lists has been looked at. */
export interface UpdateTold {
  /** Why the subscription does not stand; absent when it does. */
  error?: RendezvousError | undefined
  /** Whether more may be gone than were named. */
  resync?: boolean | undefined
  /** Whether the listing goes on. */
  more?: boolean | undefined
}

export interface Subscription {
  readonly namespace: string
  /** Under which the point tells of it; undefined while it does not. */
  id: number | undefined
  /** Whether the point has said that it stands. */
  stands: boolean
  /** The mark at which the listing began that is being told. */
  mark: number
  /** The same, when it began without a cookie: what is not listed since is gone. Undefined when it is over. */
  since: number | undefined
  /** When to subscribe, or to subscribe again; infinite for not at all. */
  at: number
  /** Whether that is from the beginning, because it is not known who is gone. */
  anew: boolean
  /** When a listing from the beginning was last asked for. */
  listedAt: number
  /** Refusals in a row. */
  failures: number
}

/**
 * Decides what one point is told on its watch stream (docs/watch.md): which namespaces are subscribed to
 * and under which id, when a namespace is listed from the beginning because somebody may be gone, when it
 * is tried again, and whether to have a stream at all. It is told what happens and the time, in
 * milliseconds that never run backwards; whoever runs it looks after `wakeAt` and after each event at
 * what is `due`.
 */
export class Subscriptions {
  readonly #init: SubscriptionsInit
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #byId = new Map<number, Subscription>()
  /** Subscriptions that nobody wants any more and the point still has. */
  #unwanted: number[] = []
  #lastId = 0

  #stream: 'none' | 'opening' | 'open' = 'none'
  /** When it may be tried to open one; infinite until the point is connected again. */
  #openAt = -Infinity
  #openedAt = -Infinity
  #distrustedUntil = -Infinity
  /** Streams in a row that could not be opened, or ended soon. */
  #failures = 0

  #isLive = false
  /** When the point was told that this node is live, on this stream. */
  #saidAt: number | undefined
  /** Whether it has not answered that yet. */
  #isAsked = false

  constructor (init: SubscriptionsInit) {
    this.#init = init
  }

  /** When something is due; infinite when nothing will be. */
  get wakeAt (): number {
    switch (this.#stream) {
      case 'opening': return Infinity
      case 'none': return this.#isWanted ? this.#openAt : Infinity
      default: return Math.min(...[...this.#subscriptions.values()].map(({ at }) => at))
    }
  }

  /** Whether there is nothing to tell, and nothing to remember of the point. */
  isOver (now: number): boolean {
    return this.#stream === 'none' && !this.#isWanted && this.#distrustedUntil <= now
  }

  /** How many namespaces the point tells of. */
  get size (): number {
    return [...this.#subscriptions.values()].filter(({ stands }) => stands).length
  }

  /** Whether the point tells what happens in a namespace. */
  tells (namespace: string): boolean {
    return this.#subscriptions.get(namespace)?.stands === true
  }

  /** Whether it is about to turn out if the point tells what happens in a namespace. */
  isPending (namespace: string, now: number): boolean {
    const subscription = this.#subscriptions.get(namespace)

    if (subscription == null || subscription.stands) {
      return false
    }

    switch (this.#stream) {
      case 'opening': return true
      case 'none': return this.#openAt <= now
      default: return subscription.id != null || subscription.at <= now
    }
  }

  /** Whether it is about to turn out what the point says is registered. */
  isAsked (now: number): boolean {
    switch (this.#stream) {
      case 'opening': return this.#isLive
      case 'none': return this.#isLive && this.#openAt <= now
      default: return this.#isAsked
    }
  }

  /**
   * What is wanted of the point from now on.
   *
   * @param isLive - whether it is told that this node is live
   */
  want (namespaces: Iterable<string>, isLive: boolean, now: number): void {
    const wanted = new Set(namespaces)
    this.#isLive = isLive

    for (const subscription of this.#subscriptions.values()) {
      if (!wanted.has(subscription.namespace)) {
        this.#drop(subscription)
        this.#subscriptions.delete(subscription.namespace)
      }
    }

    for (const namespace of wanted) {
      if (!this.#subscriptions.has(namespace)) {
        this.#subscriptions.set(namespace, { namespace, id: undefined, stands: false, mark: 0, since: undefined, at: now, anew: false, listedAt: -Infinity, failures: 0 })
      }
    }
  }

  /** What is to be done now. */
  due (now: number): Step[] {
    if (this.#stream === 'none' && this.#isWanted && this.#openAt <= now) {
      this.#stream = 'opening'

      return [{ do: 'open' }]
    }

    if (this.#stream !== 'open') {
      return []
    }

    if (!this.#isWanted) {
      this.#ended()

      return [{ do: 'close' }]
    }

    const requests: WatchRequest[] = []

    for (const subscription of this.#subscriptions.values()) {
      if (subscription.at <= now) {
        this.#drop(subscription)
        requests.push(this.#subscribe(subscription, now))
      }
    }

    if (this.#isLive && this.#saidAt == null) {
      this.#saidAt = now
      this.#isAsked = true
      requests.unshift({ presence: { live: true } })
    }

    const unsubscribe = this.#unwanted.map(id => ({ unsubscribe: { id } }))
    this.#unwanted = []

    return [...unsubscribe, ...requests].map(request => ({ do: 'send', request }))
  }

  opened (now: number): void {
    this.#stream = 'open'
    this.#openedAt = now

    for (const subscription of this.#subscriptions.values()) {
      subscription.at = now
    }
  }

  /** The stream has ended, or could not be opened. */
  lost (now: number): void {
    this.#failures = this.#stream === 'open' && now - this.#openedAt >= SHORT ? 1 : this.#failures + 1
    this.#openAt = now + retryDelay(this.#failures, this.#init.random())
    this.#ended()
  }

  /** The point does not speak the protocol. */
  unsupported (): void {
    this.#openAt = Infinity
    this.#ended()
  }

  /** The point says what cannot be believed. */
  distrust (now: number): void {
    this.#distrustedUntil = now + DISTRUST
    this.#openAt = this.#distrustedUntil
    this.#ended()
  }

  /** The point is connected, or speaks other protocols than before. */
  connected (now: number): void {
    if (this.#stream === 'none') {
      this.#openAt = Math.max(now, this.#distrustedUntil)
    }
  }

  /** Which subscription an update is of; undefined for none. */
  find (id: number): Subscription | undefined {
    return this.#byId.get(id)
  }

  /**
   * An update of a subscription has been taken in.
   *
   * @returns the mark since which the point has listed the namespace from the beginning, when this is the end of it
   */
  updated (subscription: Subscription, { error, resync = false, more = false }: UpdateTold, now: number): number | undefined {
    if (this.#byId.get(subscription.id ?? -1) !== subscription) {
      // it was given up meanwhile
      return
    }

    if (error != null) {
      this.#refused(subscription, error, now)
      return
    }

    subscription.stands = true
    subscription.failures = 0

    if (resync) {
      this.#resync(subscription, now)
    }

    if (!more) {
      const { since } = subscription
      subscription.since = undefined
      subscription.mark = this.#init.mark()

      return since
    }
  }

  /**
   * The point says what is registered there.
   *
   * @returns when it was asked; undefined when it was not
   */
  registered (): number | undefined {
    if (this.#isAsked) {
      this.#isAsked = false

      return this.#saidAt
    }
  }

  get #isWanted (): boolean {
    return this.#isLive || this.#subscriptions.size > 0
  }

  #subscribe (subscription: Subscription, now: number): WatchRequest {
    const { namespace, anew } = subscription
    const cookie = anew ? undefined : this.#init.cookieOf(namespace)
    const id = ++this.#lastId
    subscription.id = id
    subscription.at = Infinity
    subscription.mark = this.#init.mark()

    if (cookie == null) {
      // until it is over it is not known who is gone: if the stream ends before, it begins again
      subscription.since = subscription.mark
      subscription.listedAt = now
      subscription.anew = false
    }

    this.#byId.set(id, subscription)

    return { subscribe: { id, ns: namespace, bothForms: true, ...(cookie == null ? {} : { cookie: cookie as Uint8Array<ArrayBuffer> }) } }
  }

  #resync (subscription: Subscription, now: number): void {
    if (!subscription.anew) {
      subscription.anew = true
      subscription.at = Math.max(now, subscription.listedAt + RESYNC_PAUSE) + this.#init.random() * RESYNC_SPREAD
    }
  }

  #refused (subscription: Subscription, error: RendezvousError, now: number): void {
    const { stands, since } = subscription
    this.#byId.delete(subscription.id as number)
    this.#forget(subscription)

    if (this.#init.isPermanent?.(error) ?? isPermanent(error)) {
      subscription.at = Infinity
    } else if (error.name === 'InvalidCookieError' && since == null) {
      subscription.anew = true
      // one that takes back what it has said is not run after
      subscription.at = stands ? Math.max(now, subscription.listedAt + RESYNC_PAUSE) : now
    } else {
      subscription.at = now + retryDelay(++subscription.failures, this.#init.random())
    }
  }

  /** It is told of no more. */
  #drop (subscription: Subscription): void {
    const { id } = subscription

    if (id != null) {
      this.#byId.delete(id)
      this.#unwanted.push(id)
      subscription.id = undefined
      subscription.since = undefined
    }
  }

  /** The point no longer tells of it. */
  #forget (subscription: Subscription): void {
    subscription.anew ||= subscription.since != null
    subscription.id = undefined
    subscription.since = undefined
    subscription.stands = false
  }

  #ended (): void {
    this.#stream = 'none'
    this.#byId.clear()
    this.#unwanted = []
    this.#saidAt = undefined
    this.#isAsked = false
    this.#subscriptions.forEach(subscription => { this.#forget(subscription) })
  }
}
