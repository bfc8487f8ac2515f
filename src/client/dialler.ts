import { setMaxListeners } from 'main-event'
import { Alarm } from './alarm.ts'
import { AutoDial } from './auto-dial.ts'
import type { Discovered } from './discovered.ts'
import type { RendezvousClientComponents } from './types.ts'
import type { Logger, PeerId } from '@libp2p/interface'

export interface DiallerInit {
  components: Pick<RendezvousClientComponents, 'connectionManager' | 'events'>
  discovered: Pick<Discovered, 'peers' | 'recordOf'>
  /** Connections wanted in each namespace. */
  count: number
  log: Logger
}

/**
 * Keeps connections to some of the peers that are discovered.
 */
export class Dialler {
  readonly #init: DiallerInit
  readonly #choice: AutoDial
  readonly #alarm: Alarm
  #namespaces: string[] = []
  #retryAt = Infinity
  #stopping = new AbortController()

  constructor (init: DiallerInit) {
    this.#init = init
    this.#choice = new AutoDial(init.count)
    this.#alarm = new Alarm(() => performance.now(), () => { this.#dialMore() })
  }

  start (namespaces: string[]): void {
    if (this.#init.count > 0 && namespaces.length > 0) {
      this.#namespaces = namespaces
      this.#stopping = new AbortController()
      setMaxListeners(Infinity, this.#stopping.signal)
      this.#init.components.events.addEventListener('peer:disconnect', this.#onDisconnect)
    }
  }

  stop (): void {
    this.#namespaces = []
    this.#stopping.abort()
    this.#alarm.clear()
    this.#init.components.events.removeEventListener('peer:disconnect', this.#onDisconnect)
  }

  onFound (namespace: string): void {
    if (this.#namespaces.includes(namespace)) {
      // many are found at once
      this.#alarm.set(0)
    }
  }

  onGone (peer: PeerId): void {
    if (this.#init.discovered.recordOf(peer) == null) {
      this.#choice.forget(peer)
    }
  }

  readonly #onDisconnect = ({ detail: peer }: CustomEvent<PeerId>): void => {
    if (this.#init.discovered.recordOf(peer) != null) {
      this.#onFailed(peer)
    }
  }

  #dialMore (): void {
    const { components: { connectionManager }, discovered } = this.#init
    const now = performance.now()
    this.#retryAt = this.#retryAt <= now ? Infinity : this.#retryAt
    this.#alarm.set(this.#retryAt)

    for (const namespace of this.#namespaces) {
      const isConnected = (peer: PeerId): boolean => connectionManager.getConnections(peer).length > 0
      const peers = this.#choice.choose(discovered.peers(Date.now(), namespace), isConnected, now, Math.random)
      // what goes wrong is seen to, and told in the log
      peers.forEach(peer => { this.#dial(peer, namespace).catch(() => {}) })
    }
  }

  async #dial (peer: PeerId, namespace: string): Promise<void> {
    const { components: { connectionManager }, log } = this.#init
    const { signal } = this.#stopping

    try {
      await connectionManager.openConnection(peer, { signal })
      this.#choice.onConnected(peer)
      log('connected to %p, discovered in "%s"', peer, namespace)
    } catch (err) {
      if (!signal.aborted) {
        log('could not connect to %p, discovered in "%s" - %e', peer, namespace, err)
      }

      this.#onFailed(peer)
    }
  }

  #onFailed (peer: PeerId): void {
    this.#retryAt = Math.min(this.#retryAt, this.#choice.onFailed(peer, performance.now(), Math.random()))

    if (this.#namespaces.length > 0) {
      // another may take its place
      this.#alarm.set(0)
    }
  }
}
