import { Alarm } from './alarm.ts'
import { causeOfNoAddress, causeOfNoPoint } from './causes.ts'
import { Reach } from './reach.ts'
import type { Points } from './points.ts'
import type { Missing, Reached } from './reach.ts'
import type { Registrations } from './registrations.ts'
import type { RendezvousClientComponents, Unreachable } from './types.ts'
import type { Surroundings } from './causes.ts'
import type { Logger } from '@libp2p/interface'

/** The protocol of relays: circuit relay v2. */
const RELAY = '/libp2p/circuit/relay/0.2.0/hop'

export interface LookoutInit {
  components: Pick<RendezvousClientComponents, 'addressManager' | 'connectionManager' | 'peerStore'>
  points: Pick<Points, 'isAnyReached' | 'unreached'>
  registrations: Pick<Registrations, 'isWanted' | 'hasAddress'>
  /** Whether points are wanted, be nothing registered. */
  wantsPoint: boolean
  surroundings: Surroundings
  log: Logger
  onUnreachable: (unreachable: Unreachable) => void
}

/**
 * Tells when this node has met nobody for some seconds, and why that may be.
 */
export class Lookout {
  readonly #init: LookoutInit
  readonly #alarm: Alarm
  #reach: Reach | undefined

  constructor (init: LookoutInit) {
    this.#init = init
    this.#alarm = new Alarm(() => performance.now(), () => { this.look() })
  }

  start (): void {
    this.#reach = new Reach()
    this.look()
  }

  stop (): void {
    this.#reach = undefined
    this.#alarm.clear()
  }

  /** Something may have changed, or it is time. */
  look (): void {
    if (this.#reach == null) {
      return
    }

    try {
      const missing = this.#reach.look(this.#reached(), performance.now())
      this.#alarm.set(this.#reach.wakeAt)

      if (missing != null) {
        this.#tell(missing).catch(this.#onError)
      }
    } catch (err) {
      // of the user's filter
      this.#onError(err)
    }
  }

  #reached (): Reached {
    const { points, registrations, wantsPoint } = this.#init
    const wantsAddress = registrations.isWanted

    return {
      wantsPoint: wantsPoint || wantsAddress,
      hasPoint: points.isAnyReached,
      wantsAddress,
      // looking it up takes a while
      hasAddress: wantsAddress && registrations.hasAddress
    }
  }

  readonly #onError = (err: unknown): void => {
    this.#init.log.error('could not find out whether anybody is reached - %e', err)
  }

  async #tell (missing: Missing): Promise<void> {
    const { components: { addressManager }, points, surroundings, log, onUnreachable } = this.#init
    const unreachable = missing === 'points'
      ? causeOfNoPoint(points.unreached, surroundings)
      : causeOfNoAddress({ listens: addressManager.getListenAddrs(), addresses: addressManager.getAddresses(), hasRelay: await this.#hasRelay() })

    log('%s', unreachable.reason)
    onUnreachable(unreachable)
  }

  async #hasRelay (): Promise<boolean> {
    const { connectionManager, peerStore } = this.#init.components
    const peers = connectionManager.getConnections().map(({ remotePeer }) => remotePeer)
    const protocols = await Promise.all(peers.map(async peer => peerStore.get(peer).then(({ protocols }) => protocols, (): string[] => [])))

    return protocols.some(protocols => protocols.includes(RELAY))
  }
}
