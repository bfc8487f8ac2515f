import { Status } from '../../protocol/errors.ts'
import { FairShares, UNSHARED } from '../../store/fair-shares.ts'
import { ask, checkAuthorized, checkCookie, checkNamespace, Refusal } from '../checks.ts'
import { run, wait } from '../steps.ts'
import { asStreamEnded } from '../inbound-stream.ts'
import { serveMessages } from '../serve-messages.ts'
import { Channels } from './channels.ts'
import { decodeWatchRequest } from './codec.ts'
import { encodeNews } from './update.ts'
import { WatchStream } from './watch-stream.ts'
import type { WatchRequest } from './codec.ts'
import type { LivePeers } from './live-peers.ts'
import type { EncodedNews } from './update.ts'
import type { StreamSubscription, Told } from './watch-stream.ts'
import type { MaybePromise } from '../../protocol/maybe-promise.ts'
import type { RecordDomain } from '../../protocol/peer-record.ts'
import type { Network, Share } from '../../store/fair-shares.ts'
import type { RegistrationStore } from '../../store/types.ts'
import type { PointMetrics } from '../metrics.ts'
import type { Pace } from '../pace.ts'
import type { PointSettings } from '../settings.ts'
import type { Steps } from '../steps.ts'
import type { Authorize, Origin } from '../types.ts'
import type { Account } from '../verification.ts'
import type { Outbox } from '../unsent.ts'
import type { Connection, Logger, PeerId, Stream } from '@libp2p/interface'

/** How long the changes in a namespace gather before those who watch it are told, in milliseconds. */
const MIN_GATHER = 10
const MAX_GATHER = 1_000

/** Between telling and telling again is so many times as long as it took. */
const REST = 4

/** How long an answer of `authorize` holds for a subscription, in milliseconds. */
const AUTHORIZED_FOR = 60_000

/** Between two looks whether a peer still may watch, when that was to end; and the longest that a timer can wait. Milliseconds. */
const MIN_WAKE = 1_000
const MAX_WAKE = 2 ** 31 - 1

/** After the store has failed, it is asked again so much later, in milliseconds. */
const RETRY = 5_000

/** Bytes of a request: a namespace, and a cookie that has it once more, with room for what is added some day. */
const MAX_REQUEST_SIZE = 4_096

/** Registrations in an update. */
const PAGE = 500

type Subscribe = Extract<WatchRequest, { type: 'subscribe' }>

export interface WatchInit {
  store: RegistrationStore
  settings: PointSettings
  authorize: Authorize | undefined
  pace: Pace
  log: Logger
  metrics: Pick<PointMetrics, 'wokenUp' | 'updated'>
  /** Absent: who says that they are live is not heard. */
  livePeers: Pick<LivePeers, 'say' | 'isLive'> | undefined
  networkOf: (origin: Origin) => Network
  /** The point, to a store that it shares with others. */
  point: string
  /** The time, in milliseconds since the epoch. */
  now: () => number
  /** The only form of records that a client reads that does not say it reads both; a promise while it is not known. */
  reads: (connection: Connection) => MaybePromise<RecordDomain | undefined>
  /** Counts a request. The refusal is of one that the peer may not make now; it comes late, like that of any other. */
  excess: (connection: Connection) => Steps<Refusal | undefined>
  /** Counts what a request has the point tell. What happens later is others' doing, and is not counted. */
  answered: (peer: PeerId, bytes: number, work?: number) => void
  /** On which it is counted what is verified for a peer, for all peers together. */
  account: (connection: Connection) => Account
}

/** What is watched in another way than on a stream, and shares `maxSubscriptions`. */
interface Seat extends Share {
  /** It makes room for others. */
  leave: (reason: Refusal) => void
}

/** News, and whom they are for. */
interface Shared {
  namespace: string
  cursor: number | undefined
  reads: RecordDomain | undefined
  gone: readonly string[]
  resync: boolean
  news: MaybePromise<EncodedNews>
}

/**
 * Who watches which namespace, and when each is told of what happens there (docs/watch.md).
 */
export class Watch {
  readonly #init: WatchInit
  readonly #channels = new Channels<StreamSubscription>()
  /** By namespace: ends the wake-ups of the store. */
  readonly #wakeUps = new Map<string, () => void>()
  /** By peer. */
  readonly #streams = new Map<string, Set<WatchStream>>()
  readonly #connections = new Map<Connection, number>()
  /** All subscriptions: who makes room for whom. */
  readonly #shares = new FairShares<StreamSubscription | Seat>()
  /** What was last found out while many are told. */
  #last: Shared | undefined
  /** Until then other work has its turn, after all that was told. */
  #restUntil = -Infinity
  #timer: ReturnType<typeof setTimeout> | undefined
  /** By namespace: of what is to be looked at after a while. */
  readonly #delayed = new Map<string, ReturnType<typeof setTimeout>>()
  #isTelling = false

  constructor (init: WatchInit) {
    this.#init = init
  }

  /** Subscriptions that stand. */
  get size (): number {
    return this.#shares.count
  }

  /** Ends all streams: one that stayed open would look as if nothing happened. */
  stop (): void {
    clearTimeout(this.#timer)
    this.#delayed.forEach(clearTimeout)
    this.#delayed.clear()
    this.#wakeUps.forEach(end => { end() })
    this.#wakeUps.clear()
    const reason = new Error('This rendezvous point has stopped')
    this.#streams.forEach(streams => { streams.forEach(stream => { stream.end(reason) }) })
  }

  /**
   * Serves a stream on which a peer watches, for as long as it is open.
   *
   * @throws what `serveMessages` throws
   */
  async serve (stream: Stream, connection: Connection, outbox: Outbox): Promise<void> {
    const peer = connection.remotePeer
    const watcher = new WatchStream(stream, outbox, {
      tell: (subscription, gone, resync) => run(this.#tell(subscription, connection, gone, resync)),
      pace: this.#init.pace,
      onBusy: (from, until) => { this.#restAfter(from, until) },
      fail: err => { stream.abort(err) }
    })
    const ofPeer = this.#streams.get(peer.toString()) ?? new Set<WatchStream>()
    this.#streams.set(peer.toString(), ofPeer.add(watcher))
    // what was said of presence was said on another stream
    this.#init.livePeers?.say(peer, false)

    try {
      await serveMessages(stream, {
        maxMessageSize: MAX_REQUEST_SIZE,
        onPartial: () => {}
      }, message => run(this.#serve(watcher, connection, decodeWatchRequest(message))))
      await stream.close()
    } catch (err: any) {
      throw asStreamEnded(err)
    } finally {
      outbox.settle()
      watcher.subscriptions.forEach(subscription => { this.#end(subscription) })
      ofPeer.delete(watcher)

      if (ofPeer.size === 0) {
        this.#streams.delete(peer.toString())
      }
    }
  }

  /**
   * Takes one of `maxSubscriptions` for who watches in another way than on a stream.
   *
   * @param leave - called when it has to make room for others
   * @returns gives it back
   * @throws {Refusal} where there is no room
   */
  sit (network: Network, leave: (reason: Refusal) => void): () => void {
    this.#makeRoom(network)
    const seat: Seat = { ...UNSHARED, network, weight: 1, leave }
    this.#shares.add(seat)

    return () => {
      if (seat.parent != null) {
        this.#shares.remove(seat)
      }
    }
  }

  /** Tells a live peer that one of its registrations ended without its doing. */
  ended (peer: string, namespace: string, { status, message }: Refusal): void {
    if (this.#init.livePeers?.isLive(peer) !== true) {
      return
    }

    this.#streams.get(peer)?.forEach(stream => { stream.ended(namespace, { status, statusText: message }) })
  }

  * #serve (stream: WatchStream, connection: Connection, request: WatchRequest): Steps<void> {
    const excess = yield * this.#init.excess(connection)

    switch (request.type) {
      case 'subscribe': this.#subscribe(stream, connection, request, excess); break
      case 'unsubscribe': this.#unsubscribe(stream, request.id); break
      case 'presence': yield * this.#say(stream, connection, request.live); break
      default:
    }
  }

  * #say (stream: WatchStream, { remotePeer, status }: Connection, live: boolean): Steps<void> {
    const { livePeers, store, point, now, settings: { requestTimeout } } = this.#init
    const peer = remotePeer.toString()

    // one that has gone while it was held back would not go once more
    if (livePeers == null || status !== 'open') {
      return
    }

    livePeers.say(remotePeer, live)

    if (live) {
      const registrations = yield * ask(() => store.enter?.(peer, point, now()) ?? store.registrationsOf(peer, now()), AbortSignal.timeout(requestTimeout))
      stream.registered(registrations.map(({ namespace }) => namespace))
    }
  }

  #subscribe (stream: WatchStream, connection: Connection, { id, namespace: ns, cookie, bothForms, token }: Subscribe, excess: Refusal | undefined): void {
    const before = stream.subscriptions.get(id)

    if (before != null) {
      this.#end(before)
    }

    try {
      if (excess != null) {
        throw excess
      }

      this.#checkLimits(stream, connection)
      const namespace = checkNamespace(ns, this.#init.settings.maxNamespaceLength)
      const cursor = cookie == null ? undefined : checkCookie(cookie, namespace)
      const subscription: StreamSubscription = {
        ...UNSHARED,
        network: this.#init.networkOf(connection),
        weight: 1,
        id,
        stream,
        connection,
        bothForms,
        namespace,
        cursor,
        isConfirmed: false,
        isCurrent: false,
        token: this.#init.authorize == null ? undefined : stream.share(token),
        authorizedAt: -Infinity,
        authorizedUntil: Infinity,
        timer: undefined,
        gone: undefined,
        // who left while the client was not subscribed was not told to it
        resync: cursor != null
      }

      this.#makeRoom(subscription.network)
      this.#shares.add(subscription)
      stream.add(subscription)
      this.#count(connection, 1)

      if (this.#channels.add(subscription)) {
        this.#follow(namespace)
      }

      stream.wake(subscription)
    } catch (err) {
      stream.refused(id, asRefused(err))
    }
  }

  #unsubscribe (stream: WatchStream, id: number): void {
    const subscription = stream.subscriptions.get(id)

    if (subscription != null) {
      this.#end(subscription)
    }
  }

  /** @throws {Refusal} */
  #checkLimits (stream: WatchStream, connection: Connection): void {
    const { maxSubscriptionsPerStream, maxSubscriptionsPerConnection } = this.#init.settings

    if (stream.subscriptions.size >= maxSubscriptionsPerStream) {
      throw tooMany('maxSubscriptionsPerStream', maxSubscriptionsPerStream)
    }

    if ((this.#connections.get(connection) ?? 0) >= maxSubscriptionsPerConnection) {
      throw tooMany('maxSubscriptionsPerConnection', maxSubscriptionsPerConnection)
    }
  }

  /**
   * Where there are as many as there may be, the youngest of the network that has most ends in favour of a
   * newcomer, and its client is told to try again later.
   *
   * @throws {Refusal} when none does
   */
  #makeRoom (network: Network): void {
    const { maxSubscriptions } = this.#init.settings

    if (this.#shares.count >= maxSubscriptions) {
      const victim = this.#shares.victim(network, 1)
      const refusal = tooMany('maxSubscriptions', maxSubscriptions)

      if (victim == null) {
        throw refusal
      }

      if ('stream' in victim) {
        this.#end(victim)
        victim.stream.refused(victim.id, asRefused(refusal))
      } else {
        this.#shares.remove(victim)
        victim.leave(refusal)
      }
    }
  }

  #count (connection: Connection, change: 1 | -1): void {
    const count = (this.#connections.get(connection) ?? 0) + change

    if (count === 0) {
      this.#connections.delete(connection)
    } else {
      this.#connections.set(connection, count)
    }
  }

  #end (subscription: StreamSubscription): void {
    const { stream, connection, namespace } = subscription
    clearTimeout(subscription.timer)
    stream.delete(subscription)
    this.#shares.remove(subscription)
    this.#count(connection, -1)

    if (this.#channels.delete(subscription)) {
      this.#wakeUps.get(namespace)?.()
      this.#wakeUps.delete(namespace)
    }
  }

  /** Has the store say when something changes in a namespace. */
  #follow (namespace: string): void {
    const end = this.#init.store.subscribe?.(namespace, (gone, isMissing) => { this.#changed(namespace, gone, isMissing) })

    if (end != null) {
      this.#wakeUps.set(namespace, end)
    }
  }

  #changed (namespace: string, gone: readonly string[] = [], isMissing = false): void {
    this.#init.metrics.wokenUp()

    if (isMissing) {
      // a store that missed something has many look at once, and all of them list from the beginning
      this.#later(namespace, undefined, Math.random() * RETRY)
    } else {
      this.#gather(namespace, gone)
    }
  }

  #gather (namespace: string, gone: readonly string[] | undefined): void {
    this.#channels.changed(namespace, gone, Math.max(this.#restUntil, performance.now() + MIN_GATHER))
    this.#schedule()
  }

  /** The same after a while, during which others are told. What was to be done later anyway is done then. */
  #later (namespace: string, gone: readonly string[] | undefined, ms: number): void {
    const pending = this.#delayed.get(namespace)

    if (pending != null && gone != null) {
      return
    }

    clearTimeout(pending)
    this.#delayed.set(namespace, setTimeout(() => {
      this.#delayed.delete(namespace)
      this.#gather(namespace, gone)
    }, ms))
  }

  /** Somebody was told meanwhile, on whichever stream. */
  #restAfter (from: number, until: number): void {
    this.#restUntil = Math.min(Math.max(this.#restUntil, from) + (until - from) * (1 + REST), until + MAX_GATHER)
  }

  #schedule (): void {
    const { due } = this.#channels

    if (due != null && !this.#isTelling) {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => {
        this.#isTelling = true
        this.#tellAll().finally(() => {
          this.#isTelling = false
          this.#schedule()
        })
      }, Math.max(due - performance.now(), 0))
    }
  }

  /** Tells everybody who is to be told by now, and rests so that others have their turn. */
  async #tellAll (): Promise<void> {
    const { pace } = this.#init

    for (const subscription of this.#channels.take(performance.now())) {
      subscription.stream.wake(subscription)

      if (pace.rest != null) {
        await pace.rest
      }
    }

    this.#last = undefined
  }

  /** Finds out what a subscription is to be told. */
  * #tell (subscription: StreamSubscription, connection: Connection, gone: readonly string[], resync: boolean): Steps<Told> {
    try {
      yield * this.#checkAuthorized(subscription, connection)
      const reads = subscription.bothForms ? undefined : yield * wait(this.#init.reads(connection))
      const news = yield * this.#news(subscription, reads, gone, resync)

      if (news.registrations > 0 || gone.length > 0 || resync || !subscription.isConfirmed) {
        this.#init.metrics.updated(news.bytes.byteLength)

        if (!subscription.isCurrent) {
          this.#init.answered(connection.remotePeer, news.bytes.byteLength)
        }

        return news
      }
    } catch (err) {
      const refused = asRefused(err)

      if (subscription.isConfirmed && refused.status === Status.E_UNAVAILABLE) {
        // what is listed later makes up for it
        this.#init.log.error('could not list "%s" to those who watch it - %e', subscription.namespace, err)
        subscription.resync ||= resync || gone.length > 0
        this.#later(subscription.namespace, [], RETRY)
        return
      }

      if (subscription.stream.has(subscription)) {
        this.#end(subscription)

        return refused
      }
    }
  }

  * #checkAuthorized (subscription: StreamSubscription, connection: Connection): Steps<void> {
    const { authorize, settings: { requestTimeout } } = this.#init

    if (authorize == null) {
      return
    }

    const now = performance.now()

    if (now - subscription.authorizedAt > AUTHORIZED_FOR || this.#init.now() >= subscription.authorizedUntil) {
      const account = this.#init.account(connection)

      try {
        subscription.authorizedUntil = yield * checkAuthorized(authorize, {
          peer: connection.remotePeer,
          action: 'discover',
          namespace: subscription.namespace,
          token: subscription.token,
          remoteAddr: connection.remoteAddr,
          connection,
          signal: AbortSignal.timeout(requestTimeout)
        }, account)
      } finally {
        this.#init.answered(connection.remotePeer, 0, account.spent)
      }

      subscription.authorizedAt = now
      this.#wakeAtEnd(subscription)
    }
  }

  /** Has it asked again whether the peer may watch when that ends, also where nothing happens. */
  #wakeAtEnd (subscription: StreamSubscription): void {
    const { authorizedUntil, stream } = subscription
    clearTimeout(subscription.timer)

    if (authorizedUntil < Infinity && stream.has(subscription)) {
      subscription.timer = setTimeout(() => {
        stream.wake(subscription)
        this.#wakeAtEnd(subscription)
      }, Math.min(Math.max(authorizedUntil - this.#init.now(), MIN_WAKE), MAX_WAKE))
    }
  }

  /** What is listed behind the cursor of a subscription. While many are told, those who stand at the same place share it. */
  * #news ({ namespace, cursor }: StreamSubscription, reads: RecordDomain | undefined, gone: readonly string[], resync: boolean): Steps<EncodedNews> {
    const last = this.#last

    if (last != null && last.namespace === namespace && last.cursor === cursor && last.reads === reads && last.gone === gone && last.resync === resync) {
      return yield * wait(last.news)
    }

    const news = run(this.#list(namespace, cursor, reads, gone, resync))

    if (this.#isTelling) {
      this.#last = { namespace, cursor, reads, gone, resync, news }
    }

    return yield * wait(news)
  }

  * #list (namespace: string, cursor: number | undefined, reads: RecordDomain | undefined, gone: readonly string[], resync: boolean): Steps<EncodedNews> {
    const { store, settings: { requestTimeout } } = this.#init
    const now = this.#init.now()
    const page = yield * ask(() => store.list({ namespace, after: cursor, limit: PAGE, reads }, now), AbortSignal.timeout(requestTimeout))

    if (page == null) {
      throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie was made by another store')
    }

    return encodeNews({ namespace, page, limit: PAGE, reads, gone, resync }, now)
  }
}

function tooMany (limit: string, most: number): Refusal {
  return new Refusal(Status.E_UNAVAILABLE, `${limit} (${most}) is reached`)
}

function asRefused (err: unknown): { status: Refusal['status'], statusText: string } {
  return err instanceof Refusal
    ? { status: err.status, statusText: err.message }
    : { status: Status.E_INTERNAL_ERROR, statusText: 'internal error' }
}
