import { BadRequest } from './errors.ts'
import type { HttpSources, HttpValues } from './types.ts'

type Node = NonNullable<HttpSources['node']>

/**
 * The node that serves.
 *
 * @throws {BadRequest} when there is none
 */
export function servingNode (sources: HttpSources, { workers }: Pick<HttpValues, 'workers'>): Node {
  const { node } = sources

  if (node?.status === 'started') {
    return node
  }

  throw workers == null
    ? new BadRequest(503, 'the point starts or stops', { 'retry-after': '5' })
    : new BadRequest(501, 'a point in several processes (--workers) answers this over libp2p alone')
}
