import { ConnectionClosedError, KEEP_ALIVE, UnsupportedProtocolError } from '@libp2p/interface'
import { watchProtocol } from '../protocol/constants.ts'
import { NoPointsError } from '../protocol/errors.ts'
import { Deadline } from './deadline.ts'
import { parsePoint, peerIdOf } from './point-like.ts'
import { RemotePoint } from './remote-point.ts'
import { Session } from './session.ts'
import { NO_TOKENS } from './tokens.ts'
import type { Unreached } from './causes.ts'
import type { PointLike, RendezvousClientComponents, RendezvousClientInit } from './types.ts'
import type { ClientSettings } from './settings.ts'
import type { Tokens } from './tokens.ts'
import type { Connection, IdentifyResult, Logger, PeerId, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Tells the connection manager to hold the connection to a point, and to come back when it is lost. */
const TAG = `${KEEP_ALIVE}-rendezvous`

/** A point that ends a connection within this time does not want it held. Milliseconds. */
const SHORT = 60_000

/** After so many of those in a row it is left to come back when there is something to ask. */
const MAX_SHORT = 3

export interface PointListeners {
  /** A point can be reached; `isDefault` when it is used where none is named. */
  onConnect: (point: PeerId, isDefault: boolean) => void
  /** The point is connected and speaks the watch protocol. */
  onWatchable: (point: PeerId) => void
  /** A point was dialled, or was to be. */
  onDialled: () => void
  /** The last connection to it is gone; `isDefault` when it is used all the same. */
  onDisconnect: (point: RemotePoint, isDefault: boolean) => void
  /** Whether it is returned to although it was not given in the init: something is kept there by name. */
  isKept: (point: PeerId) => boolean
  /** Whether it is asked again and again by its name. */
  isFollowed: (point: PeerId) => boolean
}

interface Known {
  point: RemotePoint
  addresses: Multiaddr[]
  /** Given in the init: used by default, connected or not. */
  isConfigured: boolean
  isConnected: boolean
  /** What came of dialling it, the last time; absent before. */
  dialled?: { error: Error | undefined }
  /** On which it said last that it is a point, and that it can be watched: it may say so again and again. */
  saidOn?: Connection | undefined
  watchableOn?: Connection | undefined
  /** Whether it speaks the watch protocol, as it said last. */
  speaksWatch?: boolean
  isTagged: boolean
  /** When the last connection began. */
  since: number
  /** Connections in a row that the point soon ended. */
  short: number
}

/**
 * The rendezvous points this client knows, and which of them it uses when none is named: those it was
 * configured with, or else every connected peer that speaks the protocol.
 */
export class Points {
  readonly #components: RendezvousClientComponents
  readonly #settings: ClientSettings
  readonly #streamOptions: Pick<RendezvousClientInit, 'maxOutboundStreams' | 'runOnLimitedConnection'>
  readonly #tokens: Tokens
  readonly #listeners: PointListeners
  readonly #log: Logger
  readonly #known = new Map<string, Known>()
  #topologyIds: string[] = []
  readonly #onIdentify = ({ detail: { peerId, protocols } }: CustomEvent<IdentifyResult>): void => {
    if (protocols.includes(this.#settings.protocol)) {
      this.#get(peerId).speaksWatch = protocols.includes(watchProtocol(this.#settings.protocol))
    }
  }

  constructor (components: RendezvousClientComponents, settings: ClientSettings, init: RendezvousClientInit, listeners: PointListeners, log: Logger, tokens: Tokens = NO_TOKENS) {
    this.#components = components
    this.#log = log
    this.#settings = settings
    this.#tokens = tokens
    this.#listeners = listeners
    this.#streamOptions = {
      ...(init.maxOutboundStreams == null ? {} : { maxOutboundStreams: init.maxOutboundStreams }),
      ...(init.runOnLimitedConnection == null ? {} : { runOnLimitedConnection: init.runOnLimitedConnection })
    }

    for (const address of settings.points) {
      const known = this.#get(peerIdOf(address))
      known.addresses.push(address)
      known.isConfigured = true
    }
  }

  async start (): Promise<void> {
    const { registrar, events } = this.#components
    events.addEventListener('peer:identify', this.#onIdentify)
    const notifyOnLimitedConnection = this.#streamOptions.runOnLimitedConnection ?? false
    const points = await registrar.register(this.#settings.protocol, {
      notifyOnLimitedConnection,
      onConnect: (peerId, connection) => {
        const known = this.#get(peerId)

        if (known.saidOn === connection) {
          return
        }

        known.saidOn = connection
        known.isConnected = true
        known.since = Date.now()
        // the connection manager takes it off when it could not come back
        known.isTagged = false
        this.#log('point %p is connected', peerId)
        this.#listeners.onConnect(peerId, this.#isDefault(known))
        this.update(peerId)
      },
      onDisconnect: peerId => {
        const known = this.#known.get(peerId.toString())

        if (known != null) {
          known.isConnected = false
          known.saidOn = undefined
          known.short = Date.now() - known.since < SHORT ? known.short + 1 : 0
          this.#log('point %p is disconnected', peerId)
          this.#listeners.onDisconnect(known.point, this.#isDefault(known))
          this.update(peerId)

          if (!this.#isNeeded(known) && known.addresses.length === 0) {
            // a peer that was a point only because it was connected
            this.#forget(known, new ConnectionClosedError(`The connection to the point ${peerId} was lost`))
          }
        }
      }
    })
    const watchable = await registrar.register(watchProtocol(this.#settings.protocol), {
      notifyOnLimitedConnection,
      onConnect: (peerId, connection) => {
        const known = this.#get(peerId)

        if (known.watchableOn !== connection) {
          known.watchableOn = connection
          this.#listeners.onWatchable(peerId)
        }
      },
      onDisconnect: peerId => {
        const known = this.#known.get(peerId.toString())

        if (known != null) {
          known.watchableOn = undefined
        }
      }
    })
    this.#topologyIds = [points, watchable]
  }

  /**
   * Opens a stream of the watch protocol, dialling the point where need be.
   *
   * @throws {UnsupportedProtocolError} when the point does not speak it, as far as it has said what it speaks
   */
  async openWatchStream (point: PeerId, signal: AbortSignal): Promise<Stream> {
    const protocol = watchProtocol(this.#settings.protocol)
    const connection = await this.#connect(this.#get(point), signal)
    const protocols = await this.#components.peerStore.get(point).then(({ protocols }) => protocols, (): string[] => [])

    if (protocols.length > 0 && !protocols.includes(protocol)) {
      throw new UnsupportedProtocolError(`${point} does not speak ${protocol}`)
    }

    return connection.newStream(protocol, { ...this.#streamOptions, signal })
  }

  /** Connects to a point, where nothing is asked yet: it may be the relay that gives this node an address. */
  async connect (point: PeerId, signal: AbortSignal | undefined): Promise<void> {
    const deadline = new Deadline(this.#settings.timeout, 'Connecting', signal)

    try {
      await deadline.race(this.#connect(this.#get(point), deadline.signal))
    } finally {
      deadline.clear()
    }
  }

  /** Ends all requests that are on their way or wait for their turn. */
  interrupt (): void {
    this.#known.forEach(({ point }) => { point.close() })
  }

  stop (): void {
    this.#components.events.removeEventListener('peer:identify', this.#onIdentify)
    this.#topologyIds.forEach(id => { this.#components.registrar.unregister(id) })

    for (const known of this.#known.values()) {
      known.isConnected = false
      known.saidOn = undefined
      known.watchableOn = undefined
      known.point.close()
      this.#tag(known, false)

      if (!known.isConfigured) {
        this.#forget(known)
      }
    }
  }

  /** Sees to it that connections to points are held, as long as something is kept there. */
  update (point: PeerId): void {
    const known = this.#known.get(point.toString())

    if (known != null) {
      const isHeld = this.#isNeeded(known) && known.short < MAX_SHORT

      // one that was lost keeps its tag, which is why it is come back to
      if (known.isConnected || !isHeld) {
        this.#tag(known, isHeld)
      }
    }
  }

  /** The addresses under which a peer was given as a point. */
  addressesOf (peerId: PeerId): Multiaddr[] {
    return this.#known.get(peerId.toString())?.addresses ?? []
  }

  /** Whether any point that is used by default was reached when it was last tried. */
  get isAnyReached (): boolean {
    return [...this.#known.values()].some(known => this.#isDefault(known) && (known.isConnected || (known.dialled != null && known.dialled.error == null)))
  }

  /** What is known of those that are used by default, when none was reached. */
  get unreached (): Unreached[] {
    return [...this.#known.values()]
      .filter(known => this.#isDefault(known))
      .map(({ addresses, dialled }) => ({ addresses, error: dialled?.error }))
  }

  isConnected (point: PeerId): boolean {
    return this.#components.connectionManager.getConnections(point).length > 0
  }

  /** The points that are used when none is named; there may be none yet. */
  get defaults (): RemotePoint[] {
    return [...this.#known.values()].filter(known => this.#isDefault(known)).map(({ point }) => point)
  }

  /**
   * The named point, or those that are used when none is named.
   *
   * @throws {NoPointsError} when there is none
   * @throws {InvalidParametersError} when the name is not one
   */
  select (point: PointLike | undefined, namespace: string | undefined): RemotePoint[] {
    if (point != null) {
      return [this.get(point)]
    }

    const points = this.defaults

    if (points.length === 0) {
      throw namespace == null
        ? new NoPointsError()
        : new NoPointsError(`No rendezvous point is known to ask about "${namespace}"`, { namespace })
    }

    return points
  }

  /**
   * @throws {InvalidParametersError} when it names no peer
   */
  get (point: PointLike): RemotePoint {
    const { peerId, address } = parsePoint(point)
    const known = this.#get(peerId)

    if (address != null && !known.addresses.some(other => other.equals(address))) {
      known.addresses.push(address)
    }

    return known.point
  }

  #isDefault ({ isConfigured, isConnected }: Known): boolean {
    return this.#settings.points.length > 0 ? isConfigured : isConnected
  }

  /** Whether it is returned to when it is lost. */
  #isNeeded ({ isConfigured, point: { peerId } }: Known): boolean {
    return isConfigured || this.#listeners.isKept(peerId)
  }

  #forget ({ point }: Known, reason?: Error): void {
    point.close(reason)
    this.#known.delete(point.peerId.toString())
  }

  /** Forgets the points that were named once and that nothing is to do with any more. */
  #sweep (): void {
    for (const known of this.#known.values()) {
      if (!known.isConnected && known.point.isIdle && !this.#isNeeded(known) && !this.#listeners.isFollowed(known.point.peerId)) {
        this.#forget(known)
      }
    }
  }

  #tag (known: Known, isTagged: boolean): void {
    const { peerId } = known.point

    if (known.isTagged !== isTagged) {
      known.isTagged = isTagged
      this.#components.peerStore.merge(peerId, { tags: { [TAG]: isTagged ? { value: 1 } : undefined } }).catch(err => {
        this.#log.error('could not tag the point %p - %e', peerId, err)
      })
    }
  }

  #get (peerId: PeerId): Known {
    const key = peerId.toString()
    let known = this.#known.get(key)

    if (known == null) {
      this.#sweep()
      // those that speak the watch protocol are points of this package
      const readsBoth = (): boolean | undefined => this.#settings.bothForms ? this.#known.get(key)?.speaksWatch : false
      known = {
        point: new RemotePoint(peerId, this.#session(peerId), readsBoth, this.#log, this.#tokens),
        addresses: [],
        isConfigured: false,
        isConnected: false,
        isTagged: false,
        since: 0,
        short: 0
      }
      this.#known.set(key, known)
    }

    return known
  }

  /** Connects to a point, if it is not connected, and notes what came of it. */
  async #connect (known: Known, signal: AbortSignal): Promise<Connection> {
    const { addresses, point: { peerId } } = known

    try {
      const connection = await this.#components.connectionManager.openConnection(addresses.length > 0 ? addresses : peerId, { signal })
      known.dialled = { error: undefined }

      return connection
    } catch (err: any) {
      // nothing was found out by who did not wait
      if (err.name !== 'AbortError') {
        known.dialled = { error: err }
      }

      throw err
    } finally {
      this.#listeners.onDialled()
    }
  }

  #session (peerId: PeerId): Session {
    const { protocol, timeout } = this.#settings

    return new Session({
      name: peerId.toString(),
      timeout,
      openStream: async signal => {
        const connection = await this.#connect(this.#get(peerId), signal)

        return connection.newStream(protocol, { ...this.#streamOptions, signal })
      }
    })
  }
}
