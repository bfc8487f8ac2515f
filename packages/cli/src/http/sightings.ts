import type { HttpSources } from './types.ts'

/** Peers that are remembered, at the most twice as many. */
const REMEMBERED = 10_000

/** How long somebody counts as online who has no connection, after it was last heard: three heartbeats. Milliseconds. */
const ONLINE_FOR = 90_000

/** Seconds between heartbeats. */
export const HEARTBEAT = 30

/** When peers were last seen, and whether they are here now: over libp2p by their connections, over HTTP by what they say. */
export class Sightings {
  readonly #size: number
  readonly #connected = new Set<string>()
  #lately = new Map<string, number>()
  #before = new Map<string, number>()
  #followed: object | undefined

  constructor (size = REMEMBERED) {
    this.#size = size
  }

  /** Takes note of who comes and goes, once. */
  follow (node: NonNullable<HttpSources['node']>): void {
    if (this.#followed === node) {
      return
    }

    this.#followed = node
    node.getPeers().forEach(peer => this.#connected.add(peer.toString()))
    node.addEventListener('peer:connect', ({ detail }) => { this.#connected.add(detail.toString()) })
    node.addEventListener('peer:disconnect', ({ detail }) => {
      this.#connected.delete(detail.toString())
      this.note(detail.toString(), Date.now())
    })
  }

  /** Somebody was heard. */
  note (peer: string, now: number): void {
    if (this.#lately.size >= this.#size) {
      this.#before = this.#lately
      this.#lately = new Map()
    }

    this.#lately.set(peer, now)
  }

  isOnline (peer: string, now: number): boolean {
    return this.#connected.has(peer) || now - (this.#heard(peer) ?? -Infinity) < ONLINE_FOR
  }

  /** Milliseconds since the epoch; undefined where it is not known. */
  lastSeen (peer: string, now: number): number | undefined {
    return this.#connected.has(peer) ? now : this.#heard(peer)
  }

  #heard (peer: string): number | undefined {
    return this.#lately.get(peer) ?? this.#before.get(peer)
  }
}
