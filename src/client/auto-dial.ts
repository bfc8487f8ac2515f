import { networkOf } from './addresses.ts'
import { retryDelay } from './schedule.ts'
import type { Listed } from './listing.ts'
import type { PeerId } from '@libp2p/interface'

/** Candidates whose networks are looked at in one go. */
const SAMPLE = 100

/** What came of dialling a peer. */
interface Attempt {
  /** In a row. */
  failures: number
  /** Not to be dialled again before. */
  notBefore: number
}

/**
 * Says which of the peers in a namespace to dial, so that there are connections to so many of them, in
 * as many networks as there are. One that cannot be reached, or whose connection was lost, is left alone
 * for a while, longer each time.
 *
 * Times are milliseconds of a clock that is never set.
 */
export class AutoDial {
  readonly #count: number
  readonly #dialling = new Set<string>()
  readonly #attempts = new Map<string, Attempt>()

  /** @param count - connections wanted in each namespace */
  constructor (count: number) {
    this.#count = count
  }

  /**
   * Chooses at random, so that not everybody dials the same peers. Who is chosen counts as being dialled
   * until `onConnected` or `onFailed`.
   *
   * @param peers - all that are known in the namespace
   */
  choose (peers: Listed[], isConnected: (peer: PeerId) => boolean, now: number, random: () => number): PeerId[] {
    const isReached = ({ record: { peerId } }: Listed): boolean => this.#dialling.has(peerId.toString()) || isConnected(peerId)
    const reached = peers.filter(isReached)
    const missing = this.#count - reached.length

    if (missing <= 0) {
      return []
    }

    const candidates = sample(peers.filter(peer => !isReached(peer) && this.#isDue(peer, now)), SAMPLE, random)
    const networks = new Set(reached.flatMap(networksOf))
    const elsewhere: Listed[] = []
    const others: Listed[] = []

    for (const peer of candidates) {
      const its = networksOf(peer)
      const isElsewhere = its.length > 0 && its.every(network => !networks.has(network))
      ;(isElsewhere ? elsewhere : others).push(peer)

      if (isElsewhere) {
        its.forEach(network => { networks.add(network) })
      }
    }

    const chosen = [...elsewhere, ...others].slice(0, missing).map(({ record: { peerId } }) => peerId)
    chosen.forEach(peerId => { this.#dialling.add(peerId.toString()) })

    return chosen
  }

  onConnected (peer: PeerId): void {
    this.#dialling.delete(peer.toString())
  }

  /**
   * It could not be reached, or its connection was lost.
   *
   * @returns when it may be dialled again
   */
  onFailed (peer: PeerId, now: number, random: number): number {
    const id = peer.toString()
    const failures = (this.#attempts.get(id)?.failures ?? 0) + 1
    const notBefore = now + retryDelay(failures, random)
    this.#dialling.delete(id)
    this.#attempts.set(id, { failures, notBefore })

    return notBefore
  }

  /** It is known in no namespace any longer. */
  forget (peer: PeerId): void {
    this.#attempts.delete(peer.toString())
  }

  #isDue ({ record }: Listed, now: number): boolean {
    return (this.#attempts.get(record.peerId.toString())?.notBefore ?? -Infinity) <= now
  }
}

function networksOf ({ record }: Listed): string[] {
  return record.multiaddrs.map(networkOf).filter(network => network != null)
}

/** So many at random, in random order. */
function sample <T> (all: T[], count: number, random: () => number): T[] {
  for (let index = 0; index < Math.min(count, all.length); index++) {
    const other = index + Math.floor(random() * (all.length - index))
    ;[all[index], all[other]] = [all[other] as T, all[index] as T]
  }

  return all.slice(0, count)
}
