import { Hono } from 'hono'
import { onlyGet } from './methods.ts'
import type { HttpEnv, HttpSources } from './types.ts'

/** Whether the point can be given work. */
export function healthRoutes ({ isHealthy }: HttpSources): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .use('/healthz', onlyGet)
    .get('/healthz', async c => await isHealthy() ? c.text('ok\n') : c.text('not serving\n', 503))
}

/** What Prometheus asks for. */
export function metricsRoutes ({ metrics }: HttpSources): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .use('/metrics', onlyGet)
    .get('/metrics', async c => {
      const { contentType, text } = await metrics()

      return c.body(text, 200, { 'content-type': contentType })
    })
}
