import { discoverFilter } from './addresses.ts'
import { withPoint } from './client-node.ts'
import { peerToJson } from './discover.ts'
import { formatDuration } from './durations.ts'
import { clean } from './output.ts'
import type { WatchFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'
import type { DiscoveredPeer } from 'libp2p-rendezvous'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_INTERVAL = 10_000

/**
 * Shows the peers of a namespace as they come and go, until it is asked to end.
 */
export async function runWatch (point: Multiaddr, namespace: string, values: FlagValues<WatchFlags>, context: CommandContext): Promise<number> {
  const { output, signal } = context

  return withPoint({ point, values, client: { discoverInterval: values.interval ?? DEFAULT_INTERVAL, ...discoverFilter(values) } }, context, async ({ client }) => {
    // watching tries again whatever happens, so a refusal would go unseen
    await client.discoverPage(namespace, { point, signal, limit: 1 })

    client.addEventListener('peer:expired', ({ detail: peer }) => {
      show('expired', peer)
    })

    function show (event: 'found' | 'expired', peer: DiscoveredPeer): void {
      if (context.json) {
        output.json({ event, ...peerToJson(peer) })
      } else {
        peerLines(event, peer, Date.now()).forEach(line => { output.print(line) })
      }

      if (!context.json) {
        output.progress(waiting)
      }
    }

    const waiting = `Watching "${clean(namespace)}"; Ctrl-C ends it`
    output.progress(waiting)

    try {
      for await (const peer of client.watch(namespace, { point, signal })) {
        show('found', peer)
      }
    } catch (err) {
      if (!signal.aborted) {
        throw err
      }
    }

    return 0
  })
}

/** What is shown of a peer that came or went. */
export function peerLines (event: 'found' | 'expired', { id, multiaddrs, expires }: DiscoveredPeer, now: number): string[] {
  const time = new Date(now).toTimeString().slice(0, 8)

  return event === 'found'
    ? [
        `${time}  + ${id}  for ${formatDuration(expires - now)}`,
        ...multiaddrs.map(address => `            ${clean(String(address))}`)
      ]
    : [`${time}  - ${id}  expired`]
}
