import type { HttpEnv } from './types.ts'
import type { Handler, Hono } from 'hono'

/**
 * Of every answer that pages of anybody may read: there are no cookies, so to what a page asks here its user's browser adds
 * nothing.
 */
export const OPEN_TO_PAGES = { 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff' } as const

/** How long a browser may remember what it may ask, in seconds. */
const MAX_AGE = '86400'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Answers what is asked of a path besides its methods: what pages may ask, and what there is not. There is nothing around the
 * handlers of the methods themselves: with nothing around it, the framework calls one at once.
 *
 * @param methods - that the path has
 * @param refuse - answers the others
 */
export function besides (app: Hono<HttpEnv>, path: string, methods: string[], { headers, refuse }: { headers: string, refuse?: Handler<HttpEnv> }): void {
  const allow = methods.flatMap(method => method === 'GET' ? ['GET', 'HEAD'] : [method]).join(', ')

  app.options(path, c => c.body(null, 204, {
    ...OPEN_TO_PAGES,
    'access-control-allow-methods': [...methods, 'OPTIONS'].join(', '),
    'access-control-allow-headers': headers,
    'access-control-max-age': MAX_AGE
  }))
  app.on(METHODS.filter(method => !methods.includes(method)), path, refuse ?? (c => c.json({ message: `there is ${allow}` }, 405, { ...OPEN_TO_PAGES, allow })))
}
