import { withPoint } from './client-node.ts'
import { formatDuration } from './durations.ts'
import { clean, table } from './output.ts'
import type { DiscoverFlags } from './commands.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './main.ts'
import type { DiscoveredPeer, RendezvousClient } from '../index.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * Shows who is registered at a point.
 */
export async function runDiscover (point: Multiaddr, namespace: string | undefined, values: FlagValues<DiscoverFlags>, context: CommandContext): Promise<number> {
  const { output, signal } = context

  return withPoint({ point, values }, context, async ({ client }) => {
    const limit = values.limit ?? Infinity
    const found: DiscoveredPeer[] = []

    output.progress(`Asking ${point}`)

    for await (const peer of registrations(client, point, namespace, limit, signal)) {
      found.push(peer)

      if (context.json) {
        output.json(peerToJson(peer))
      } else if (found.length % 100 === 0) {
        output.progress(`${found.length} found at ${point}`)
      }
    }

    if (found.length === 0) {
      output.note(`Nobody is registered ${namespace == null ? 'there' : `under "${clean(namespace)}"`}`)
    } else if (!context.json) {
      peerTable(found, namespace == null, Date.now()).forEach((line, index) => {
        output.print(index === 0 ? output.dim(line) : line)
      })
    }

    return 0
  })
}

/**
 * What a point lists, page by page. Not the client's own listing, which shows each peer once: here a
 * peer is to be seen in each of its namespaces.
 */
async function * registrations (client: RendezvousClient, point: Multiaddr, namespace: string | undefined, limit: number, signal: AbortSignal): AsyncGenerator<DiscoveredPeer> {
  if (namespace != null) {
    yield * client.discover(namespace, { point, signal, ...(limit === Infinity ? {} : { limit }) })
    return
  }

  let left = limit
  let cookie: Uint8Array | undefined

  do {
    const page = await client.discoverPage(undefined, { point, signal, limit: Math.min(left, 500), ...(cookie == null ? {} : { cookie }) })
    yield * page.peers
    left -= page.peers.length
    cookie = page.peers.length === 0 ? undefined : page.cookie
  } while (cookie != null && left > 0)
}

export function peerToJson ({ id, namespace, multiaddrs, expires }: DiscoveredPeer): object {
  return {
    peerId: id.toString(),
    namespace,
    addresses: multiaddrs.map(String),
    expires: new Date(expires).toISOString()
  }
}

/** Its lines, the first with the names of the columns; each further address of a peer has its own. */
export function peerTable (peers: DiscoveredPeer[], withNamespace: boolean, now: number): string[] {
  const rows = peers.flatMap(({ id, namespace, multiaddrs, expires }) => {
    const [first = '', ...others] = multiaddrs.map(String)
    const namespaceCell = withNamespace ? [clean(namespace)] : []

    return [
      [...namespaceCell, id.toString(), formatDuration(expires - now), first],
      ...others.map(address => [...namespaceCell.map(() => ''), '', '', address])
    ]
  })

  return table([[...(withNamespace ? ['NAMESPACE'] : []), 'PEER', 'EXPIRES IN', 'ADDRESSES'], ...rows])
}
