import { isIP } from 'node:net'
import { BadRequest } from './errors.ts'
import type { HttpEnv, HttpValues } from './types.ts'
import type { MiddlewareHandler } from 'hono'

/**
 * Whether a request was made to a name that is this point's. A page in somebody's browser can have its own name lead to any
 * address, also to one that only this machine or its network reaches, and ask there with that name in `Host`; it cannot have
 * an IP address or `localhost` there.
 *
 * @param names - in lower case
 */
export function isOwnHost (host: string | undefined, names: ReadonlySet<string>): boolean {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host ?? '') ?? []
  const plain = name.replace(/^\[|\]$/g, '').replace(/\.$/, '').toLowerCase()

  return isIP(plain) !== 0 || plain === 'localhost' || plain.endsWith('.localhost') || names.has(plain)
}

/** The names that were given, and those that are announced: who reaches the point by them is no stranger's page. */
export function namesOf ({ httpHost = [], announce = [] }: Pick<HttpValues, 'httpHost' | 'announce'>): Set<string> {
  const announced = announce.flatMap(address => address.getComponents())
    .filter(({ name }) => name === 'dns' || name === 'dns4' || name === 'dns6')
    .map(({ value }) => String(value))

  return new Set([...httpHost, ...announced].map(name => name.toLowerCase()))
}

/** Refuses what was not asked of this point by one of its names. */
export function onlyOwnHosts (names: ReadonlySet<string>): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    if (!isOwnHost(c.req.header('host'), names)) {
      throw new BadRequest(421, 'this host is not known here: ask by an IP address, or by a name that was announced or given with --http-host')
    }

    await next()
  }
}
