import { anySignal } from 'any-signal'
import { setMaxListeners } from 'main-event'
import { toString } from 'uint8arrays/to-string'
import { Alarm } from './alarm.ts'
import { throwIfAborted } from './deadline.ts'
import { Dialler } from './dialler.ts'
import { Discovered } from './discovered.ts'
import { discoveredPeer, Listings } from './listing.ts'
import { merge } from './merge.ts'
import { Pages } from './pages.ts'
import { PeerStoreWriter } from './peer-store-writer.ts'
import { Poller } from './poller.ts'
import { Records } from './records.ts'
import { Watching } from './watching.ts'
import type { Listing } from './discovered.ts'
import type { DiscoveredPeer, DiscoverPage, RendezvousClientComponents } from './types.ts'
import type { Listed } from './listing.ts'
import type { ClientMetrics } from './metrics.ts'
import type { ToldChange } from './point-watch.ts'
import type { Poll } from './poller.ts'
import type { RemotePoint } from './remote-point.ts'
import type { ClientSettings } from './settings.ts'
import type { Listener, Watches } from './watches.ts'
import type { ClearableSignal } from 'any-signal'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger, PeerId } from '@libp2p/interface'

/** Registrations that one poll reads of a point; the rest is read at the next. */
const MAX_POLLED = 10_000

/** Bytes of a peer id in its binary form: those that there are have at most 42. */
const MAX_ID_LENGTH = 64

/**
 * Pages in a row of the registrations of others in which one peer is looked for, who has registered under a name that is
 * only theirs by custom: as many as a namespace has with a point's default limit, and as many again.
 */
const MAX_FRUITLESS_LOOKED_UP = 5

interface LookUpOptions {
  peer?: PeerId | undefined
  /** Peers, at the most. */
  limit: number
  signal: AbortSignal
}

export interface DiscoveryInit {
  components: RendezvousClientComponents
  settings: Pick<ClientSettings, 'autoDial' | 'discoverFilter' | 'discoverInterval'>
  /** The point that is named, or those to ask when none is. */
  points: (named: PeerId | undefined) => RemotePoint[]
  /** The points that tell by themselves what happens. */
  watches: Pick<Watches, 'follow' | 'tells' | 'updateAll'>
  metrics: Pick<ClientMetrics, 'happened' | 'dropped'>
  log: Logger
  onNew: (peer: DiscoveredPeer) => void
  onExpired: (peer: DiscoveredPeer) => void
}

/**
 * The discovering half of the client: asks points, keeps what they list, and has the timers for it.
 */
export class Discovery implements Listener {
  readonly #init: DiscoveryInit
  readonly #listings: Listings
  readonly #discovered: Discovered
  readonly #peerStore: PeerStoreWriter
  readonly #poller: Poller
  readonly #dialler: Dialler
  readonly #pollAlarm: Alarm
  readonly #sweepAlarm: Alarm
  #stopping = new AbortController()

  constructor (init: DiscoveryInit) {
    const { components, settings, metrics, log } = init
    this.#init = init
    this.#listings = new Listings({
      self: components.peerId,
      records: new Records(),
      filter: settings.discoverFilter,
      addressOf: point => components.connectionManager.getConnections(point)[0]?.remoteAddr,
      onDropped: (reason, point, error) => {
        metrics.dropped(reason)
        log('dropped a registration that %p listed: %s%s', point, reason, error == null ? '' : `, ${error.message}`)
      }
    })
    this.#discovered = new Discovered({
      onNew: listed => {
        log('found %p in "%s" at %p', listed.record.peerId, listed.namespace, listed.point)
        init.onNew(discoveredPeer(listed))
        this.#dialler.onFound(listed.namespace)
      },
      onGone: (listed, reason) => {
        log('%p in "%s" is gone: %s', listed.record.peerId, listed.namespace, reason === 'ended' ? 'its registration ended' : 'others took its place')
        init.onExpired(discoveredPeer(listed))
        this.#dialler.onGone(listed.record.peerId)
      }
    })
    this.#peerStore = new PeerStoreWriter(components, log)
    this.#poller = new Poller(settings.discoverInterval)
    this.#dialler = new Dialler({ components, discovered: this.#discovered, count: settings.autoDial, log })
    this.#pollAlarm = new Alarm(() => performance.now(), () => { this.#poll() })
    this.#sweepAlarm = new Alarm(() => Date.now(), () => {
      this.#discovered.sweep(Date.now())
      this.#sweepAlarm.set(this.#discovered.wakeAt)
    })
  }

  get peers (): DiscoveredPeer[] {
    return this.#discovered.peers(Date.now()).map(discoveredPeer)
  }

  get size (): number {
    return this.#discovered.size
  }

  start (): void {
    this.#stopping = new AbortController()
    setMaxListeners(Infinity, this.#stopping.signal)
  }

  /** Looks for peers in these namespaces until the end. */
  followAll (namespaces: string[]): void {
    namespaces.forEach(namespace => { this.#follow(namespace, undefined) })
    this.#dialler.start(namespaces)
  }

  /** Ends all polls, listings and dials. What is known is still there. */
  stop (): void {
    this.#stopping.abort()
    this.#poller.stop()
    this.#pollAlarm.clear()
    this.#dialler.stop()
  }

  clear (): void {
    this.#discovered.clear()
    this.#sweepAlarm.clear()
  }

  onConnect (point: PeerId, isDefault: boolean): void {
    this.#poller.missed(point, isDefault, performance.now()).forEach(poll => { this.#askEach(poll, this.#init.points(point)) })
  }

  onDisconnect (point: PeerId, isDefault: boolean): void {
    if (!isDefault) {
      this.#poller.forget(point)
    }
  }

  /** The namespaces that are looked through at a point. */
  namespacesAt (point: PeerId): string[] {
    const isDefault = this.#init.points(undefined).some(({ peerId }) => peerId.equals(point))

    return this.#poller.of(point, isDefault).map(({ namespace }) => namespace)
  }

  /** What is found from here on can be told from what was found before. */
  mark (): number {
    return this.#discovered.mark()
  }

  /** Where the last listing of a namespace, or what was told of it, ended. */
  cookieOf (namespace: string, point: PeerId): Uint8Array | undefined {
    return this.#poller.cookie(namespace, point)
  }

  keepCookie (namespace: string, point: PeerId, cookie: Uint8Array | undefined): void {
    this.#poller.keepCookie(namespace, point, cookie)
  }

  /** Takes in what a point tells by itself, as if it had been asked; and who is gone. */
  async take (point: PeerId, { namespace, mark, gone, registrations, more }: ToldChange, signal: AbortSignal): Promise<{ right: number, wrong: number }> {
    const ids = gone.filter(({ byteLength }) => byteLength <= MAX_ID_LENGTH)

    for (const id of ids) {
      this.#discovered.withdraw(point, namespace, toString(id, 'base58btc'))
    }

    const { listed, refused } = await this.#listings.verify(point, namespace, registrations)
    // a listing that goes on for ever with what it had before is of no use to an honest point
    const isIdle = more && listed.every(one => this.#discovered.isListedSince(mark, one))
    await Promise.all(listed.map(async one => this.#remember(one, { signal })))

    return { right: isIdle ? 0 : listed.length, wrong: refused + gone.length - ids.length + (isIdle ? 1 : 0) }
  }

  onListed (point: PeerId, namespace: string, mark: number): void {
    this.#discovered.withdrawUnlisted(point, namespace, mark)
  }

  /** Nor is it believed where its listings ended. */
  onDistrust (point: PeerId): void {
    this.#poller.forget(point)
  }

  /** Whether a point is looked through by its name. */
  follows (point: PeerId): boolean {
    return this.#poller.of(point, false).length > 0
  }

  /** This node has been registered: others that started with it may be found in a moment. */
  onGranted (namespace: string, point: PeerId): void {
    this.#poller.onGranted(namespace, point, performance.now())
    this.#pollAlarm.set(this.#poller.wakeAt)
  }

  /**
   * @throws what `merge` throws
   */
  async * discover (namespace: string | undefined, points: RemotePoint[], limit: number, signal: AbortSignal | undefined): AsyncGenerator<DiscoveredPeer> {
    const either = this.orStopping(signal)
    const listing = this.#discovered.begin()

    try {
      const sources = points.map(point => new Pages({ listings: this.#listings, point, namespace, sample: true, signal: either }))

      for await (const listed of merge(sources, limit, either)) {
        // all are written side by side, and yielded in their order
        for (const found of listed.map(async one => this.#remember(one, { listing }))) {
          throwIfAborted(either)
          yield discoveredPeer(await found)
        }
      }
    } finally {
      this.#discovered.end(listing)
      either.clear?.()
    }
  }

  /** The newest record of a peer that was discovered and whose registration has not ended. */
  recordOf (peerId: PeerId): SignedPeerRecord | undefined {
    return this.#discovered.recordOf(peerId)
  }

  /**
   * Whom a point lists, without remembering them as discovered: nobody has asked to be told of them.
   *
   * @param options.peer - the only one that is looked for; absent for any
   * @throws what `RemotePoint.discover` throws
   */
  async * lookUp (point: RemotePoint, namespace: string, { peer, limit, signal }: LookUpOptions): AsyncGenerator<SignedPeerRecord> {
    const listings = peer == null ? this.#listings : this.#listings.of(peer)
    const pages = new Pages({ listings, point, namespace, sample: peer == null, maxFruitless: MAX_FRUITLESS_LOOKED_UP, signal })
    let left = limit

    for (let page = await pages.next(left); page != null; page = await pages.next(left)) {
      for (const { record } of page.listed.slice(0, left)) {
        left--
        yield await this.#write(record)
      }
    }
  }

  /**
   * Takes in a record that did not come from a point.
   *
   * @param from - under which address it was got
   * @throws {InvalidRecordError} when it is not what the peer has signed, or has no address that is used
   */
  async verify (envelope: Uint8Array, peer: PeerId, from: Multiaddr): Promise<SignedPeerRecord> {
    return this.#write(await this.#listings.of(peer).open(envelope, from))
  }

  /**
   * @throws what `RemotePoint.discover` throws
   */
  async page (namespace: string | undefined, point: RemotePoint, limit: number, cookie: Uint8Array | undefined, signal: AbortSignal | undefined): Promise<DiscoverPage> {
    const either = this.orStopping(signal)
    const listing = this.#discovered.begin()

    try {
      const page = await this.#listings.page(point, namespace, limit, cookie, either)
      const peers = await Promise.all(page.listed.map(async one => this.#remember(one, { listing })))

      return { cookie: page.cookie, peers: peers.map(discoveredPeer) }
    } finally {
      this.#discovered.end(listing)
      either.clear?.()
    }
  }

  /**
   * @throws {AbortError}
   */
  async * watch (namespace: string, point: PeerId | undefined, signal: AbortSignal | undefined): AsyncGenerator<DiscoveredPeer> {
    const watching = new Watching(namespace, point)
    const poll = this.#follow(namespace, point)

    try {
      for await (const listed of watching.take(this.#discovered, this.#stopping.signal, signal)) {
        yield discoveredPeer(listed)
      }
    } finally {
      this.#poller.unfollow(poll)
      this.#pollAlarm.set(this.#poller.wakeAt)
      this.#init.watches.updateAll()
    }
  }

  #follow (namespace: string, point: PeerId | undefined): Poll {
    const poll = this.#poller.follow(namespace, point, performance.now())
    this.#poll()

    return poll
  }

  #poll (): void {
    for (const poll of this.#poller.due(performance.now(), Math.random)) {
      this.#askEach(poll, this.#init.points(poll.point))
    }

    this.#pollAlarm.set(this.#poller.wakeAt)
  }

  #askEach (poll: Poll, points: RemotePoint[]): void {
    const { metrics, watches, log } = this.#init
    const { namespace, signal } = poll
    const now = performance.now()

    for (const point of points.filter(({ peerId }) => this.#poller.begin(poll, peerId, watches.tells(peerId, namespace), now))) {
      this.#ask(poll, point)
        .then(() => true, err => {
          if (!signal.aborted) {
            metrics.happened('discover:failed')
            log('could not discover "%s" at %p - %e', namespace, point.peerId, err)
          }

          return false
        })
        .then(isAnswered => { this.#poller.end(poll, point.peerId, isAnswered) })
    }
  }

  /** Has a point tell what happens; or reads what it has listed since the last time, where it does not tell, or has for long. */
  async #ask ({ namespace, signal }: Poll, point: RemotePoint): Promise<void> {
    const { watches } = this.#init

    if (!watches.tells(point.peerId, namespace) && await watches.follow(point.peerId, namespace, signal)) {
      return
    }

    const cookie = this.#poller.cookie(namespace, point.peerId)
    const pages = new Pages({ listings: this.#listings, point, namespace, cookie, signal })
    const listing = this.#discovered.begin()
    let listed = 0

    try {
      for (let page = await pages.next(MAX_POLLED); page != null; page = await pages.next(MAX_POLLED - listed)) {
        signal.throwIfAborted()
        await Promise.all(page.listed.map(async one => this.#remember(one, { listing, signal })))
        signal.throwIfAborted()
        this.#poller.keepCookie(namespace, point.peerId, page.cookie)
        listed += page.listed.length
      }
    } finally {
      this.#discovered.end(listing)
    }

    this.#init.log('%p listed %d registrations in "%s"%s', point.peerId, listed, namespace, cookie == null ? ' from the beginning' : ' since the last time')
  }

  /**
   * Writes a peer to the peer store, unless a newer record of it is known, and then tells of it.
   *
   * @param options.listing - what it is from; absent when the point tells it by itself
   * @returns the peer by the newest record that is known
   */
  async #remember (listed: Listed, { listing, signal }: { listing?: Listing, signal?: AbortSignal }): Promise<Listed> {
    const known = this.#discovered.recordOf(listed.record.peerId)

    if (known == null || known.sequence <= listed.record.sequence) {
      await this.#peerStore.write(listed.record)
      signal?.throwIfAborted()
    }

    const found = this.#discovered.add(listed, Date.now(), listing)
    this.#sweepAlarm.set(this.#discovered.wakeAt)

    return found
  }

  /**
   * Writes a peer to the peer store, unless a newer record of it is known.
   *
   * @returns the newest record that is known
   */
  async #write (record: SignedPeerRecord): Promise<SignedPeerRecord> {
    const known = this.#discovered.recordOf(record.peerId)
    const newest = known != null && known.sequence > record.sequence ? known : record
    await this.#peerStore.write(newest)

    return newest
  }

  /** Aborts when the caller's signal does, or this node stops; to be cleared where it can be. */
  orStopping (signal: AbortSignal | undefined): AbortSignal & Partial<ClearableSignal> {
    return signal == null ? this.#stopping.signal : anySignal([signal, this.#stopping.signal])
  }
}
