import type { ConnectionGater, PeerId } from '@libp2p/interface'

/** Peers that are remembered, at the most: the oldest make way. */
const MAX_PEERS = 1_000

/**
 * The part of a connection gater that has nothing to do with peers that turned out to be no members, for a while. Of
 * others it cannot know: what they are is seen on a connection.
 */
export class NonMembers {
  readonly #gater: ConnectionGater
  readonly #memory: number
  /** Until when, by a clock that is never set; the first to be forgotten comes first. */
  readonly #until = new Map<string, number>()
  #before: Partial<Pick<ConnectionGater, 'denyDialPeer' | 'denyInboundEncryptedConnection'>> = {}

  /**
   * @param memory - milliseconds
   */
  constructor (gater: ConnectionGater, memory: number) {
    this.#gater = gater
    this.#memory = memory
  }

  start (): void {
    const { denyDialPeer, denyInboundEncryptedConnection } = this.#gater
    this.#before = { ...(denyDialPeer == null ? {} : { denyDialPeer }), ...(denyInboundEncryptedConnection == null ? {} : { denyInboundEncryptedConnection }) }
    const has = (peer: PeerId): boolean => this.has(peer, performance.now())
    this.#gater.denyDialPeer = async peer => has(peer) || await denyDialPeer?.call(this.#gater, peer) === true
    this.#gater.denyInboundEncryptedConnection = async (peer, connection) => has(peer) || await denyInboundEncryptedConnection?.call(this.#gater, peer, connection) === true
  }

  stop (): void {
    for (const name of ['denyDialPeer', 'denyInboundEncryptedConnection'] as const) {
      const before = this.#before[name]

      if (before == null) {
        delete this.#gater[name]
      } else {
        this.#gater[name] = before as any
      }
    }

    this.#until.clear()
  }

  has (peer: PeerId, now: number): boolean {
    return (this.#until.get(peer.toString()) ?? -Infinity) > now
  }

  add (peer: PeerId, now: number): void {
    const [oldest] = this.#until.keys()

    if (this.#until.size >= MAX_PEERS && oldest != null) {
      this.#until.delete(oldest)
    }

    this.#until.delete(peer.toString())
    this.#until.set(peer.toString(), now + this.#memory)
  }

  forget (now: number): void {
    for (const [peer, until] of this.#until) {
      if (until > now) {
        break
      }

      this.#until.delete(peer)
    }
  }
}
