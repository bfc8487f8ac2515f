import type { OnChange, Unsubscribe } from './types.ts'

/**
 * Who wants to know when a namespace has changed. What one call of a store changes is told together when
 * it is done.
 */
export class Subscriptions {
  readonly #byNamespace = new Map<string, Set<{ onChange: OnChange }>>()
  /** What is to be told: of each namespace, the peers that are gone. */
  readonly #untold = new Map<string, Set<string>>()

  add (namespace: string, onChange: OnChange): Unsubscribe {
    const subscribers = this.#byNamespace.get(namespace) ?? new Set()
    const subscriber = { onChange }
    this.#byNamespace.set(namespace, subscribers.add(subscriber))

    return () => {
      subscribers.delete(subscriber)

      if (subscribers.size === 0 && this.#byNamespace.get(namespace) === subscribers) {
        this.#byNamespace.delete(namespace)
      }
    }
  }

  /** A registration was made or refreshed. */
  came (namespace: string, peer: string): void {
    this.#change(namespace)?.delete(peer)
  }

  /** A registration was removed. */
  left (namespace: string, peer: string): void {
    this.#change(namespace)?.add(peer)
  }

  /** Calls back for all that has changed since it was last done. */
  tell (): void {
    if (this.#untold.size === 0) {
      return
    }

    const changes = [...this.#untold]
    this.#untold.clear()

    for (const [namespace, gone] of changes) {
      for (const { onChange } of [...this.#byNamespace.get(namespace) ?? []]) {
        onChange(gone.size === 0 ? undefined : [...gone])
      }
    }
  }

  #change (namespace: string): Set<string> | undefined {
    if (this.#byNamespace.has(namespace)) {
      const gone = this.#untold.get(namespace) ?? new Set()
      this.#untold.set(namespace, gone)

      return gone
    }
  }
}
