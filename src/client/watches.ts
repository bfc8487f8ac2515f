import { Alarm } from './alarm.ts'
import { PointWatch } from './point-watch.ts'
import type { PointWatchInit, ToldChange } from './point-watch.ts'
import type { RendezvousError } from '../protocol/errors.ts'
import type { PeerId, Stream } from '@libp2p/interface'

/** What is wanted of a point. */
export interface Wanted {
  /** The namespaces that are followed there. */
  namespaces: string[]
  /** Whether it is told that this node is live. */
  isLive: boolean
}

/** What is done with what points tell: as in `PointWatchInit`, by point. */
export interface Listener {
  mark: PointWatchInit['mark']
  cookieOf: (namespace: string, point: PeerId) => Uint8Array | undefined
  keepCookie: (namespace: string, point: PeerId, cookie: Uint8Array | undefined) => void
  take: (point: PeerId, change: ToldChange, signal: AbortSignal) => ReturnType<PointWatchInit['take']>
  onListed: (point: PeerId, namespace: string, mark: number) => void
  onDistrust: (point: PeerId) => void
}

export interface WatchesInit extends Pick<PointWatchInit, 'timeout' | 'tokens' | 'onResult' | 'log'> {
  listener: () => Listener
  /**
   * Opens a stream of the watch protocol, dialling the point where need be.
   *
   * @throws {UnsupportedProtocolError} when it does not speak the protocol
   */
  open: (point: PeerId, signal: AbortSignal) => Promise<Stream>
  isConnected: (point: PeerId) => boolean
  wantedAt: (point: PeerId) => Wanted
  onRegistered: (point: PeerId, namespaces: Set<string>, askedAgo: number) => void
  onEnded: (point: PeerId, namespace: string, error: RendezvousError) => boolean
}

/**
 * The points that tell by themselves what happens (docs/watch.md): a stream for each, for whatever is
 * wanted there.
 */
export class Watches {
  readonly #init: WatchesInit
  readonly #watches = new Map<string, PointWatch>()
  readonly #alarm = new Alarm(() => performance.now(), () => { this.#run() })

  constructor (init: WatchesInit) {
    this.#init = init
  }

  /** Subscriptions that stand. */
  get size (): number {
    return [...this.#watches.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** Whether the point tells what happens in a namespace. */
  tells (point: PeerId, namespace: string): boolean {
    return this.#watches.get(point.toString())?.tells(namespace) === true
  }

  /**
   * Has the point tell what happens in a namespace that is followed there, where it can.
   *
   * @returns whether it does
   * @throws {AbortError} when the signal aborts
   */
  async follow (point: PeerId, namespace: string, signal: AbortSignal): Promise<boolean> {
    const watch = this.#get(point)
    this.#want(watch)
    watch.run()

    return watch.untilTells(namespace, signal)
  }

  /** Whether the point says which registrations of this node it has. */
  saysRegistered (point: PeerId): boolean {
    return this.#watches.get(point.toString())?.saysRegistered === true
  }

  /** The namespaces in which this node is registered there; undefined when the point does not say. */
  async registeredAt (point: PeerId): Promise<Set<string> | undefined> {
    const watch = this.#get(point)
    this.#want(watch)
    watch.run()

    return watch.untilRegistered()
  }

  /** The point is connected, or speaks other protocols than before. */
  onConnect (point: PeerId): void {
    this.#get(point).connected()
    this.update(point)
  }

  /** What is wanted of the point may be another than before. */
  update (point: PeerId): void {
    const watch = this.#get(point)
    this.#want(watch)

    if (this.#init.isConnected(point)) {
      watch.run()
    } else {
      this.#schedule()
    }
  }

  /** What is wanted may be another than before. */
  updateAll (): void {
    [...this.#watches.values()].forEach(({ point }) => { this.update(point) })
  }

  stop (): void {
    this.#watches.forEach(watch => { watch.stop() })
    this.#watches.clear()
    this.#alarm.clear()
  }

  #want (watch: PointWatch): void {
    const { namespaces, isLive } = this.#init.wantedAt(watch.point)
    watch.want(namespaces, isLive)
  }

  #run (): void {
    this.#connected.forEach(watch => { watch.run() })
    this.#schedule()
  }

  /** Those that are not connected wait for that: it is not for their sake that a point is dialled. */
  get #connected (): PointWatch[] {
    return [...this.#watches.values()].filter(({ point }) => this.#init.isConnected(point))
  }

  #schedule (): void {
    for (const [key, watch] of this.#watches) {
      if (watch.isOver) {
        watch.stop()
        this.#watches.delete(key)
      }
    }

    this.#alarm.set(Math.min(...this.#connected.map(({ wakeAt }) => wakeAt)))
  }

  #get (point: PeerId): PointWatch {
    const key = point.toString()
    const known = this.#watches.get(key)

    if (known != null) {
      return known
    }

    const { listener, open, onRegistered, onEnded, onResult, timeout, tokens, log } = this.#init
    const watch = new PointWatch(point, {
      open: async signal => open(point, signal),
      mark: () => listener().mark(),
      cookieOf: namespace => listener().cookieOf(namespace, point),
      keepCookie: (namespace, cookie) => { listener().keepCookie(namespace, point, cookie) },
      take: async (change, signal) => listener().take(point, change, signal),
      onListed: (namespace, mark) => { listener().onListed(point, namespace, mark) },
      onDistrust: () => { listener().onDistrust(point) },
      onRegistered: (namespaces, askedAt) => { onRegistered(point, namespaces, performance.now() - askedAt) },
      onEnded: (namespace, error) => onEnded(point, namespace, error),
      onChange: () => { this.#schedule() },
      onResult,
      timeout,
      tokens,
      log
    })
    this.#watches.set(key, watch)

    return watch
  }
}
