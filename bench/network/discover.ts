import type { Client } from '../nodes.ts'

/** The namespace of a point that has so many peers in it. */
export function namespaceOf (peers: number): string {
  return `of-${peers}`
}

/** Finds the peers of a namespace, all of them or so many, and counts them. */
export async function discover ({ rendezvous }: Client, peers: number, limit?: number): Promise<void> {
  let found = 0

  for await (const { namespace } of rendezvous.discover(namespaceOf(peers), limit == null ? {} : { limit })) {
    found += namespace === namespaceOf(peers) ? 1 : 0
  }

  if (found !== (limit ?? peers)) {
    throw new Error(`${found} of ${peers} peers were found`)
  }
}
