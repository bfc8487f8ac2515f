import { NoPointsError } from '../protocol/errors.ts'
import { parsePoint, peerIdOf } from './point-like.ts'
import { RemotePoint } from './remote-point.ts'
import { Session } from './session.ts'
import type { PointLike, RendezvousClientComponents, RendezvousClientInit } from './types.ts'
import type { ClientSettings } from './settings.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface PointListeners {
  /** A point can be reached; `isDefault` when it is used where none is named. */
  onConnect: (point: PeerId, isDefault: boolean) => void
  /** The last connection to it is gone; `isDefault` when it is used all the same. */
  onDisconnect: (point: PeerId, isDefault: boolean) => void
}

interface Known {
  point: RemotePoint
  addresses: Multiaddr[]
  /** Given in the init: used by default, connected or not. */
  isConfigured: boolean
  isConnected: boolean
}

/**
 * The rendezvous points this client knows, and which of them it uses when none is named: those it was
 * configured with, or else every connected peer that speaks the protocol.
 */
export class Points {
  readonly #components: RendezvousClientComponents
  readonly #settings: ClientSettings
  readonly #streamOptions: Pick<RendezvousClientInit, 'maxOutboundStreams' | 'runOnLimitedConnection'>
  readonly #listeners: PointListeners
  readonly #known = new Map<string, Known>()
  #topologyId: string | undefined

  constructor (components: RendezvousClientComponents, settings: ClientSettings, init: RendezvousClientInit, listeners: PointListeners) {
    this.#components = components
    this.#settings = settings
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
    this.#topologyId = await this.#components.registrar.register(this.#settings.protocol, {
      notifyOnLimitedConnection: this.#streamOptions.runOnLimitedConnection ?? false,
      onConnect: peerId => {
        const known = this.#get(peerId)
        known.isConnected = true
        this.#listeners.onConnect(peerId, this.#isDefault(known))
      },
      onDisconnect: peerId => {
        const known = this.#known.get(peerId.toString())

        if (known != null) {
          known.isConnected = false
          this.#listeners.onDisconnect(peerId, this.#isDefault(known))
          this.#forget(known)
        }
      }
    })
  }

  stop (): void {
    if (this.#topologyId != null) {
      this.#components.registrar.unregister(this.#topologyId)
    }

    for (const known of this.#known.values()) {
      known.isConnected = false
      known.point.close()
      this.#forget(known)
    }
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

  /** Forgets a peer that was a point only because it was connected. */
  #forget ({ point, isConfigured, addresses }: Known): void {
    if (!isConfigured && addresses.length === 0) {
      point.close()
      this.#known.delete(point.peerId.toString())
    }
  }

  #get (peerId: PeerId): Known {
    const key = peerId.toString()
    let known = this.#known.get(key)

    if (known == null) {
      const addresses: Multiaddr[] = []
      known = {
        point: new RemotePoint(peerId, this.#session(peerId, addresses)),
        addresses,
        isConfigured: false,
        isConnected: false
      }
      this.#known.set(key, known)
    }

    return known
  }

  #session (peerId: PeerId, addresses: Multiaddr[]): Session {
    const { connectionManager } = this.#components
    const { protocol, timeout } = this.#settings

    return new Session({
      name: peerId.toString(),
      timeout,
      openStream: async signal => {
        const connection = await connectionManager.openConnection(addresses.length > 0 ? addresses : peerId, { signal })

        return connection.newStream(protocol, { ...this.#streamOptions, signal })
      }
    })
  }
}
