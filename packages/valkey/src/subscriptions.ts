import type { OnChange, Unsubscribe } from 'libp2p-rendezvous'

/** What a script says that it has changed: on whose behalf, and for each namespace the peers that are gone. */
type Message = [caller: string, changes: Array<[namespace: string, ...gone: string[]]>]

/** Who wants to know when a namespace has changed. */
export class Subscriptions {
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

  /** A message, unless it is of one who was told with the answer. */
  heard (message: string, except?: string): void {
    if (this.#byNamespace.size === 0) {
      return
    }

    const [caller, changes] = JSON.parse(message) as Message

    if (caller === except) {
      return
    }

    for (const [namespace, ...gone] of changes) {
      this.#tell(namespace, gone.length === 0 ? undefined : gone)
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
