import { equals } from 'uint8arrays/equals'
import { discoverFilter, withPeerId } from './addresses.ts'
import { withPoint } from './client-node.ts'
import { formatDuration } from './durations.ts'
import { clean, table } from './output.ts'
import type { DiscoverFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'
import type { DiscoveredPeer, RendezvousClient } from 'libp2p-rendezvous'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Registrations asked for at a time. */
const PAGE_SIZE = 500

/**
 * Pages in a row that may bring nothing new. Some points, such as those of rust-libp2p, have a new cookie
 * for each page, also behind the end.
 */
const MAX_FRUITLESS_PAGES = 10

/**
 * Shows who is registered at a point.
 */
export async function runDiscover (point: Multiaddr, namespace: string | undefined, values: FlagValues<DiscoverFlags>, context: CommandContext): Promise<number> {
  const { output, signal } = context

  return withPoint({ point, values, client: discoverFilter(values) }, context, async ({ client }) => {
    const limit = values.limit ?? Infinity
    const found: DiscoveredPeer[] = []

    output.progress(`Asking ${point}`)

    for await (const peer of registrations(client, point, namespace, { limit, signal })) {
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
 *
 * A page may be without peers and not the last one, when all it lists is this node's own or not to be
 * believed. It is the last when the point has no cookie to go on with, or the same again.
 */
export async function * registrations (client: Pick<RendezvousClient, 'discover' | 'discoverPage'>, point: Multiaddr, namespace: string | undefined, { limit, signal }: { limit: number, signal: AbortSignal }): AsyncGenerator<DiscoveredPeer> {
  if (namespace != null) {
    yield * client.discover(namespace, { point, signal, ...(limit === Infinity ? {} : { limit }) })
    return
  }

  const seen = new Set<string>()
  let cookie: Uint8Array | undefined
  let fruitless = 0
  let isLast = false

  while (!isLast && seen.size < limit && fruitless < MAX_FRUITLESS_PAGES) {
    // after a page that brought nothing, small ones would only take longer
    const asked = fruitless > 0 ? PAGE_SIZE : Math.min(limit - seen.size, PAGE_SIZE)
    const page = await client.discoverPage(undefined, { point, signal, limit: asked, ...(cookie == null ? {} : { cookie }) })
    const before = seen.size

    for (const peer of page.peers) {
      const key = JSON.stringify([peer.namespace, peer.id.toString()])

      if (!seen.has(key) && seen.size < limit) {
        seen.add(key)
        yield peer
      }
    }

    fruitless = seen.size === before ? fruitless + 1 : 0
    isLast = page.cookie == null || (cookie != null && equals(page.cookie, cookie))
    cookie = page.cookie
  }
}

export function peerToJson ({ id, namespace, multiaddrs, expires }: DiscoveredPeer): object {
  return {
    peerId: id.toString(),
    namespace,
    addresses: multiaddrs.map(address => clean(String(withPeerId(address, id)))),
    expires: new Date(expires).toISOString()
  }
}

/** Its lines, the first with the names of the columns; each further address of a peer has its own. */
export function peerTable (peers: DiscoveredPeer[], withNamespace: boolean, now: number): string[] {
  const rows = peers.flatMap(({ id, namespace, multiaddrs, expires }) => {
    const [first = '', ...others] = multiaddrs.map(address => clean(String(address)))
    const namespaceCell = withNamespace ? [clean(namespace)] : []

    return [
      [...namespaceCell, id.toString(), formatDuration(expires - now), first],
      ...others.map(address => [...namespaceCell.map(() => ''), '', '', address])
    ]
  })

  return table([[...(withNamespace ? ['NAMESPACE'] : []), 'PEER', 'EXPIRES IN', 'ADDRESSES'], ...rows])
}
