import type { OnChange, OnDisplaced, Unsubscribe } from 'libp2p-rendezvous'

/** What a script says that it has changed: on whose behalf, for each namespace the peers that are gone, and which of them have made room. */
type Message = [caller: string, changes: Array<[namespace: string, ...gone: string[]]>, displaced?: Array<[namespace: string, peer: string]>]

/** Who wants to know when a namespace has changed, or somebody has made room. */
export class Subscriptions {
  readonly #onDisplaced = new Set<{ onDisplaced: OnDisplaced }>()
  readonly #byNamespace = new Map<string, Set<{ onChange: OnChange }>>()

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

  addDisplaced (onDisplaced: OnDisplaced): Unsubscribe {
    const subscriber = { onDisplaced }
    this.#onDisplaced.add(subscriber)

    return () => { this.#onDisplaced.delete(subscriber) }
  }

  /** A message, unless it is of one who was told with the answer. */
  heard (message: string, except?: string): void {
    if (this.#byNamespace.size === 0 && this.#onDisplaced.size === 0) {
      return
    }

    const [caller, changes, displaced = []] = JSON.parse(message) as Message

    if (caller === except) {
      return
    }

    for (const [namespace, ...gone] of changes) {
      this.#tell(namespace, gone.length === 0 ? undefined : gone)
    }

    for (const [namespace, peer] of displaced) {
      this.#onDisplaced.forEach(({ onDisplaced }) => { onDisplaced(peer, namespace) })
    }
  }

  /** Messages may have been lost. */
  missed (): void {
    for (const namespace of [...this.#byNamespace.keys()]) {
      this.#tell(namespace, undefined, true)
    }
  }

  #tell (namespace: string, gone: string[] | undefined, isMissing?: boolean): void {
    for (const { onChange } of [...this.#byNamespace.get(namespace) ?? []]) {
      onChange(gone, isMissing)
    }
  }
}
