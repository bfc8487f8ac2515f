/** Peer ids that an update names at the most; where more are gone, it says that it does not know all. */
const MAX_GONE = 1_000

/** A subscription, as far as it concerns when it is told of what. */
export interface Subscription {
  readonly namespace: string
  /** Peer ids that are gone, and that it has not been told of. Shared between subscriptions. */
  gone: readonly string[] | undefined
  /** Whether more are gone than those. */
  resync: boolean
}

/** What happened in a namespace since its subscriptions were last told. */
interface Channel<S> {
  readonly subscriptions: Set<S>
  gone: Set<string>
  isIncomplete: boolean
  /** When they are told next; undefined while nothing has happened. */
  due: number | undefined
}

/**
 * Which subscriptions there are in which namespace, and when they are to be told. Nothing is kept for a
 * subscription that reads slowly but a reference and a flag: what it missed is in the listing, and of what
 * is gone the flag tells.
 */
export class Channels<S extends Subscription> {
  readonly #channels = new Map<string, Channel<S>>()
  /** Those in which something happened, in the order in which it did. */
  readonly #waiting = new Set<Channel<S>>()

  /** Whether it is the first of its namespace. */
  add (subscription: S): boolean {
    const channel = this.#channels.get(subscription.namespace)

    if (channel != null) {
      channel.subscriptions.add(subscription)
      return false
    }

    this.#channels.set(subscription.namespace, {
      subscriptions: new Set([subscription]),
      gone: new Set(),
      isIncomplete: false,
      due: undefined
    })

    return true
  }

  /** Whether it was the last of its namespace. */
  delete (subscription: S): boolean {
    const channel = this.#channels.get(subscription.namespace)

    if (channel == null || !channel.subscriptions.delete(subscription) || channel.subscriptions.size > 0) {
      return false
    }

    this.#channels.delete(subscription.namespace)
    this.#waiting.delete(channel)

    return true
  }

  /**
   * Something happened in a namespace.
   *
   * @param gone - peer ids whose registrations ended, as far as they are known; undefined when some may
   * have ended that are not
   * @param due - when those who want to know are told, unless something has happened before
   */
  changed (namespace: string, gone: readonly string[] | undefined, due: number): void {
    const channel = this.#channels.get(namespace)

    if (channel == null) {
      return
    }

    for (const peer of gone ?? []) {
      channel.gone.add(peer)
    }

    if (gone == null || channel.gone.size > MAX_GONE) {
      channel.isIncomplete = true
      channel.gone.clear()
    }

    if (channel.due == null) {
      channel.due = due
      this.#waiting.add(channel)
    }
  }

  /** When somebody is to be told next. */
  get due (): number | undefined {
    const [first] = this.#waiting

    return first?.due
  }

  /** The subscriptions that are to be told now. What is gone is noted in each. */
  * take (now: number): Generator<S> {
    for (const channel of this.#waiting) {
      if (channel.due as number > now) {
        return
      }

      const { gone, isIncomplete } = channel
      const peers = [...gone]
      this.#waiting.delete(channel)
      channel.due = undefined
      channel.isIncomplete = false
      channel.gone = new Set()

      for (const subscription of channel.subscriptions) {
        note(subscription, peers, isIncomplete)
        yield subscription
      }
    }
  }
}

function note (subscription: Subscription, gone: readonly string[], isIncomplete: boolean): void {
  if (gone.length > 0 && subscription.gone != null) {
    // it has not been told of the last ones yet, and a list of its own would grow with its slowness
    subscription.resync = true
  } else if (gone.length > 0) {
    subscription.gone = gone
  }

  subscription.resync ||= isIncomplete
}
