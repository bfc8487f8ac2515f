import * as lp from 'it-length-prefixed'
import { WatchEvent } from '../../protocol/watch.ts'
import { StreamEndedError } from '../inbound-stream.ts'
import { run, wait } from '../steps.ts'
import { writeCounted } from '../unsent.ts'
import { encodeUpdate } from './update.ts'
import type { Subscription } from './channels.ts'
import type { EncodedNews } from './update.ts'
import type { Pace } from '../pace.ts'
import type { Steps } from '../steps.ts'
import type { Outbox } from '../unsent.ts'
import type { ErrorStatus } from '../../protocol/errors.ts'
import type { MaybePromise } from '../../protocol/maybe-promise.ts'
import type { Share } from '../../store/fair-shares.ts'
import type { Connection, Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** One namespace that a client watches, and how far it has been told: one of those that share `maxSubscriptions`. */
export interface StreamSubscription extends Subscription, Share {
  readonly id: number
  readonly stream: WatchStream
  readonly connection: Connection
  /** Whether the client reads records of both forms. */
  readonly bothForms: boolean
  /** Where the listing stands that the client has been told; undefined at its beginning. */
  cursor: number | undefined
  /** Whether the client has been told that it stands. */
  isConfirmed: boolean
  /** Whether it has been told all that was there when it began. */
  isCurrent: boolean
  /** When it was last asked whether the peer may discover here. */
  authorizedAt: number
  /** Until when that holds, in milliseconds since the epoch. */
  authorizedUntil: number
  /** Asks again then. */
  timer: ReturnType<typeof setTimeout> | undefined
  /** What the peer shows for it. */
  readonly token: string | undefined
}

/** Why a subscription does not stand, or a registration does not any more. */
export interface Refused {
  status: ErrorStatus
  statusText: string
}

const NOBODY: readonly string[] = []

/** Events that are not news and wait on one stream, at the most: nobody who reads has as many. */
const MAX_EVENTS = 1_000

/**
 * What is to be told: news, that the subscription ends, or nothing.
 */
export type Told = EncodedNews | Refused | undefined

export interface WatchStreamInit {
  tell: Tell
  pace: Pace
  /** Telling has kept the processor busy, by the clock of `performance.now`. */
  onBusy: (from: number, until: number) => void
  /** The stream cannot be told anything any more. */
  fail: (err: Error) => void
}

export interface Tell {
  /**
   * Finds out what is to be told.
   *
   * @param gone - peer ids that are gone since the client was last told
   * @param resync - whether more may be gone
   */
  (subscription: StreamSubscription, gone: readonly string[], resync: boolean): MaybePromise<Told>
}

/**
 * Tells one client what happens, one event at a time: the next is made when the one before has been
 * taken. A client that reads slowly costs what is noted in its subscriptions, and nothing else.
 */
export class WatchStream {
  readonly subscriptions = new Map<number, StreamSubscription>()

  readonly #stream: Stream
  readonly #outbox: Outbox
  readonly #init: WatchStreamInit
  /** Subscriptions for which there may be something to tell. */
  readonly #news = new Set<StreamSubscription>()
  /** Events that are not news, by what they are about: of each, the last is told. */
  readonly #events = new Map<string, Uint8ArrayList>()
  #isTelling = false
  #token: string | undefined

  constructor (stream: Stream, outbox: Outbox, init: WatchStreamInit) {
    this.#stream = stream
    this.#outbox = outbox
    this.#init = init
  }

  add (subscription: StreamSubscription): void {
    this.subscriptions.set(subscription.id, subscription)
  }

  /** The token of one more subscription: many have the same, which is kept once. */
  share (token: string | undefined): string | undefined {
    if (this.#token !== token) {
      this.#token = token
    }

    return this.#token
  }

  /** Nothing can be told any more. */
  end (reason: Error): void {
    this.#init.fail(reason)
  }

  /** Whether it stands. */
  has (subscription: StreamSubscription): boolean {
    return this.subscriptions.get(subscription.id) === subscription
  }

  delete (subscription: StreamSubscription): void {
    this.subscriptions.delete(subscription.id)
    this.#news.delete(subscription)
  }

  /** There may be something to tell. */
  wake (subscription: StreamSubscription): void {
    this.#news.add(subscription)
    this.#wake()
  }

  /** There is no such subscription, or not any more. */
  refused (id: number, { status, statusText }: Refused): void {
    this.#event(`subscription/${id}`, { update: { id, status: WatchEvent.ResponseStatus[status], statusText, gone: [], registrations: [] } })
  }

  /** The namespaces in which the client is registered. */
  registered (namespaces: string[]): void {
    this.#event('registered', { registered: { namespaces } })
  }

  /** A registration of the client itself ended without its doing. */
  ended (ns: string, { status, statusText }: Refused): void {
    this.#event(`registration/${ns}`, { ended: { ns, status: WatchEvent.ResponseStatus[status], statusText } })
  }

  #event (about: string, event: WatchEvent): void {
    this.#events.set(about, lp.encode.single(WatchEvent.encode(event)))

    if (this.#events.size > MAX_EVENTS) {
      this.#init.fail(new StreamEndedError('slow', 'too much waits to be read'))
    }

    this.#wake()
  }

  #wake (): void {
    if (this.#isTelling) {
      return
    }

    this.#isTelling = true

    try {
      const telling = run(this.#tellAll())

      if (telling instanceof Promise) {
        telling.catch(this.#init.fail)
      }
    } catch (err: any) {
      this.#init.fail(err)
    }
  }

  * #tellAll (): Steps<void> {
    while (this.#events.size > 0 || this.#news.size > 0) {
      for (const [about, event] of this.#events) {
        this.#events.delete(about)
        yield * wait(this.#write(event))
      }

      // in turns, so that a busy namespace does not keep the others from being told
      for (const subscription of this.#news) {
        this.#news.delete(subscription)
        const { pace, onBusy } = this.#init
        yield * wait(pace.turn())
        yield * wait(this.#outbox.room())

        const begin = pace.begin()
        const telling = run(this.#tellOf(subscription))
        const rest = pace.end()
        onBusy(begin, pace.last)
        yield * wait(telling)
        this.#outbox.settle()

        // one stream may have many that are told at once
        yield * wait(rest)
      }
    }

    // in the same step as the last look
    this.#isTelling = false
  }

  * #tellOf (subscription: StreamSubscription): Steps<void> {
    const gone = subscription.gone ?? NOBODY
    const { resync } = subscription
    // what happens from here on is for the next time
    subscription.gone = undefined
    subscription.resync = false

    const told = yield * wait(this.#init.tell(subscription, gone, resync))

    if (told == null) {
      return
    }

    if ('status' in told) {
      this.refused(subscription.id, told)
      return
    }

    if (!this.has(subscription)) {
      return
    }

    subscription.cursor = told.cursor
    subscription.isConfirmed = true
    subscription.isCurrent ||= !told.more

    if (told.more) {
      this.#news.add(subscription)
    }

    yield * wait(this.#write(encodeUpdate(subscription.id, told.bytes)))
  }

  #write (event: Uint8Array | Uint8ArrayList): MaybePromise<void> {
    return writeCounted(this.#stream, event, this.#outbox)
  }
}
