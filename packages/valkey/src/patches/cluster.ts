/**
 * Where the nodes of a cluster have changed, @redis/client 6 subscribes anew by itself, and nobody waits for it: if the node
 * that is asked refuses, or is lost, the rejection is unhandled and ends the process. So it is when the nodes cannot be asked
 * who has a channel now. Here both are told instead. To be dropped when the client does the like
 * (docs/upstream/redis-client.md).
 */

/** Emitted by a cluster with the listeners of a node that is no longer used. */
const RESUBSCRIBE = '__resubscribeListeners'

interface Listeners {
  SHARDED?: Map<string, { strings: Set<unknown> }>
}

/** What is here relied on of a cluster of the client. */
interface Cluster {
  sSubscribe: (channel: string, listener: unknown) => Promise<unknown>
  removeAllListeners: (event: string) => unknown
  on: (event: string, listener: (listeners: Listeners) => void) => unknown
  _slots?: { rediscover?: (...args: unknown[]) => Promise<unknown> }
}

/** Has what goes wrong when a cluster subscribes anew told. Sharded channels are subscribed to, and no others. */
export function heedResubscription (cluster: Cluster, onError: (err: Error) => void): void {
  const { _slots: slots } = cluster
  cluster.removeAllListeners(RESUBSCRIBE)
  cluster.on(RESUBSCRIBE, ({ SHARDED = new Map() }) => {
    for (const [channel, { strings }] of SHARDED) {
      for (const listener of strings) {
        cluster.sSubscribe(channel, listener).catch(onError)
      }
    }
  })

  if (slots?.rediscover != null) {
    const rediscover = slots.rediscover.bind(slots)
    slots.rediscover = async (...args) => rediscover(...args).catch(onError)
  }
}
