import type { Blind } from './blind.ts'
import type { DiscoveredPeer, RendezvousClient } from '../client/types.ts'

/** The longest sleep, in milliseconds: timers stand still while a machine sleeps, so it is looked up what the time is. */
const MAX_SLEEP = 60_000

export interface KeepBlindInit {
  /**
   * Whether this node is registered, or looks for others alone.
   *
   * @default true
   */
  register?: boolean
  /** A peer was found. It is told of again when the names change, and when it registers after having expired. */
  onPeer?: (peer: DiscoveredPeer) => void
  /** Something did not work; it is tried again where that may help. */
  onError?: (error: Error) => void
}

/**
 * Keeps a node registered under the names that a blinded namespace has at the time, and looks for others there; a name is
 * taken up before it is needed and given up when nobody needs it any more.
 *
 * @returns what ends it
 */
export function keepBlind (client: Pick<RendezvousClient, 'register' | 'unregister' | 'watch'>, names: Blind, namespace: string, { register = true, onPeer = () => {}, onError = () => {} }: KeepBlindInit = {}): () => void {
  const held = new Map<string, AbortController>()
  let timer: ReturnType<typeof setTimeout> | undefined

  const watch = async (name: string, signal: AbortSignal): Promise<void> => {
    for await (const peer of client.watch(name, { signal })) {
      onPeer(peer)
    }
  }
  const begin = (name: string): void => {
    const controller = new AbortController()
    const complain = (err: Error): void => {
      if (!controller.signal.aborted) {
        onError(err)
      }
    }
    held.set(name, controller)
    watch(name, controller.signal).catch(complain)

    if (register) {
      client.register(name).catch(complain)
    }
  }
  const end = (name: string): void => {
    held.get(name)?.abort()
    held.delete(name)

    if (register) {
      // it ends with its lifetime where that does not work
      client.unregister(name).catch(() => {})
    }
  }
  const update = (): void => {
    const wanted = names(namespace)
    wanted.filter(name => !held.has(name)).forEach(begin);
    [...held.keys()].filter(name => !wanted.includes(name)).forEach(end)
    timer = setTimeout(update, Math.min(names.changesAt() - Date.now(), MAX_SLEEP))
  }

  update()

  return () => {
    clearTimeout(timer);
    [...held.keys()].forEach(end)
  }
}
