/**
 * Whose registrations end with their connections. It is told what happens and when, and knows when a peer
 * that said it is live has been away for too long.
 */
export class Presence {
  readonly #grace: number
  readonly #live = new Set<string>()
  /** Live peers without a connection, and until when each is waited for; the first to be given up comes first. */
  readonly #away = new Map<string, number>()

  /**
   * @param grace - how long a peer may be away, in milliseconds
   */
  constructor (grace: number) {
    this.#grace = grace
  }

  isLive (peer: string): boolean {
    return this.#live.has(peer)
  }

  /** A peer says whether it is live. */
  say (peer: string, live: boolean): void {
    if (live) {
      this.#live.add(peer)
    } else {
      this.#live.delete(peer)
    }
  }

  connected (peer: string): void {
    this.#away.delete(peer)
  }

  /** The last connection of a peer is gone, and the peer or the network ended it. */
  left (peer: string, now: number): void {
    if (this.#live.has(peer)) {
      // one that left before is put at the end
      this.#away.delete(peer)
      this.#away.set(peer, now + this.#grace)
    }
  }

  /** It was the point that ended the last connection of a peer, so nobody knows whether it is still there. */
  dismissed (peer: string): void {
    this.#live.delete(peer)
    this.#away.delete(peer)
  }

  /** When somebody is given up next. */
  get due (): number | undefined {
    const [first] = this.#away.values()

    return first
  }

  /** Those who have been away for too long. They are not live any more. */
  take (now: number): string[] {
    const gone: string[] = []

    for (const [peer, until] of this.#away) {
      if (until > now) {
        break
      }

      this.#away.delete(peer)
      this.#live.delete(peer)
      gone.push(peer)
    }

    return gone
  }

  clear (): void {
    this.#live.clear()
    this.#away.clear()
  }
}
