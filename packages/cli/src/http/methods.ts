import type { HttpEnv } from './types.ts'
import type { MiddlewareHandler } from 'hono'

/** Refuses all but these methods, and says which there are. */
export function onlyMethods (...methods: string[]): MiddlewareHandler<HttpEnv> {
  const allowed = new Set(methods)
  const allow = methods.join(', ')

  return async (c, next) => {
    if (!allowed.has(c.req.method)) {
      return c.text(`There is ${allow}\n`, 405, { allow })
    }

    await next()
  }
}

export const onlyGet = onlyMethods('GET', 'HEAD')
