import { throwIfAborted } from './deadline.ts'
import type { Discovered, Watcher } from './discovered.ts'
import type { Listed } from './listing.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * The peers of a namespace that wait for a user to take them: each once, until it is gone and comes
 * again. However slow the user is, one that waits is there once, by its newest record.
 */
export class Watching implements Watcher {
  readonly namespace: string
  readonly point: PeerId | undefined
  /** Those the user was given, and those that wait. */
  readonly #seen = new Set<string>()
  readonly #waiting = new Map<string, Listed>()
  #wake = (): void => {}

  constructor (namespace: string, point: PeerId | undefined) {
    this.namespace = namespace
    this.point = point
  }

  onFound (listed: Listed): void {
    const id = listed.record.peerId.toString()

    if (!this.#seen.has(id) || this.#waiting.has(id)) {
      this.#seen.add(id)
      this.#waiting.set(id, listed)
      this.#wake()
    }
  }

  onGone ({ record }: Listed): void {
    this.#seen.delete(record.peerId.toString())
    this.#waiting.delete(record.peerId.toString())
  }

  /**
   * Takes what waits and then what comes, until `stopping` aborts.
   *
   * @throws {AbortError} when the user's signal aborts
   */
  async * take (discovered: Discovered, stopping: AbortSignal, signal: AbortSignal | undefined): AsyncGenerator<Listed> {
    const wake = (): void => { this.#wake() }
    stopping.addEventListener('abort', wake)
    signal?.addEventListener('abort', wake)
    const unwatch = discovered.watch(this, Date.now())

    try {
      while (!stopping.aborted) {
        throwIfAborted(signal)
        const [next] = this.#waiting

        if (next == null) {
          await new Promise<void>(resolve => { this.#wake = resolve })
        } else {
          const [id, listed] = next
          this.#waiting.delete(id)
          yield listed
        }
      }
    } finally {
      unwatch()
      stopping.removeEventListener('abort', wake)
      signal?.removeEventListener('abort', wake)
    }
  }
}
