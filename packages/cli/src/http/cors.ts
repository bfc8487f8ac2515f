import type { HttpEnv } from './types.ts'
import type { MiddlewareHandler } from 'hono'

/** How long a browser may remember what it may ask, in seconds. */
const MAX_AGE = '86400'

/**
 * Lets pages of anybody ask: there are no cookies, so what a page can ask here, its user's browser adds nothing to.
 *
 * @param methods - as in `GET, OPTIONS`
 * @param headers - that a page may send
 */
export function openToPages (methods: string, headers: string): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    c.header('access-control-allow-origin', '*')

    if (c.req.method === 'OPTIONS') {
      return c.body(null, 204, {
        'access-control-allow-methods': methods,
        'access-control-allow-headers': headers,
        'access-control-max-age': MAX_AGE
      })
    }

    await next()
  }
}
