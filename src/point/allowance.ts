import { RateLimiter } from '@libp2p/utils'
import type { RateLimit } from './types.ts'

/**
 * What else costs the node as much as some small requests (bench/hostile.ts). A stream is negotiated
 * long before the point sees it; one that is reset because of what came on it may have brought a whole
 * window of bytes; a response is encrypted and sent; to be told who a peer is, or to tell it who this node is, takes
 * the peer store.
 */
const STREAM_COST = 2
const RESET_COST = 10
const IDENTIFY_COST = 10
const RESPONSE_SHARE = 32 * 1024

/**
 * What is over the limit is refused late, so an honest peer gets no further beyond it than this, unless
 * it opens streams for nothing.
 */
const TOLERATED_EXCESS = 100

/** A peer id; or a network, where it is not known who asks there. */
interface Asking {
  toString: () => string
}

/**
 * What each peer has asked for within the interval.
 */
export class Allowance {
  readonly #requests: number
  readonly #limiter: RateLimiter

  constructor ({ requests, interval }: RateLimit) {
    this.#requests = requests
    this.#limiter = new RateLimiter({ points: requests, duration: interval / 1000, keyPrefix: '' })
  }

  /** Counts a request, and returns the milliseconds until the peer may make another when it is one too many. */
  request (peer: Asking): number {
    const { consumedPoints, msBeforeNext } = this.#limiter.penalty(peer.toString(), 1)

    return consumedPoints > this.#requests ? Math.max(1, msBeforeNext) : 0
  }

  /** Counts what an answer costs beyond its request. */
  answer (peer: Asking, { response, work }: { response: { byteLength: number } | undefined, work: number }): void {
    const cost = Math.floor((response?.byteLength ?? 0) / RESPONSE_SHARE) + work

    if (cost > 0) {
      this.#limiter.penalty(peer.toString(), cost)
    }
  }

  /** Counts a stream that was opened. */
  stream (peer: Asking): void {
    this.#limiter.penalty(peer.toString(), STREAM_COST)
  }

  /** Counts a stream that had to be reset. */
  reset (peer: Asking): void {
    this.#limiter.penalty(peer.toString(), RESET_COST)
  }

  /** Counts a stream of identify, in either direction of what it tells. */
  identify (peer: Asking): void {
    this.#limiter.penalty(peer.toString(), IDENTIFY_COST)
  }

  /** Whether a peer goes on regardless of its limit. */
  isFlooded (peer: Asking): boolean {
    const { consumedPoints = 0 } = this.#limiter.get(peer.toString()) ?? {}

    return consumedPoints > this.#requests + TOLERATED_EXCESS
  }

  clear (): void {
    for (const peer of this.#limiter.memoryStorage.storage.keys()) {
      this.#limiter.memoryStorage.delete(peer)
    }
  }
}
