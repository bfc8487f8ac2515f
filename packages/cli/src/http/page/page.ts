import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import { etag } from 'hono/etag'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import encodeQR from 'qr'
import { onlyGet } from '../methods.ts'
import { RANGES } from './browser/series.ts'
import { document } from './document.ts'
import { ICON, STYLE } from './style.ts'
import type { Range } from './browser/series.ts'
import type { Links } from './document.ts'
import type { Monitor } from './monitor.ts'
import type { Shows } from './shows.ts'
import type { Status } from './status.ts'
import type { HttpEnv } from '../types.ts'

/** Who may look at a time: each has a stream that stays open. */
const MAX_VIEWERS = 100

/** Who has not read what it was told for so long is told no more, in milliseconds. */
const PATIENCE = 30_000

/** The script of the page, in the parts that the compiler makes of it. */
const SCRIPTS = ['main', 'view', 'chart', 'format', 'html', 'series']

export interface StatusPageInit {
  monitor: Pick<Monitor, 'status' | 'history' | 'next' | 'look'>
  shows: Shows
  /** What else there is on the same listener. */
  links?: Links
}

/**
 * The page at `/`, for a person who runs the point, and what belongs to it under `/status/`. Nothing is loaded from elsewhere,
 * and nothing is changed by it.
 */
export function statusPage ({ monitor, shows, links = [] }: StatusPageInit): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>()
  let viewers = 0

  const headers = secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"]
    },
    xFrameOptions: 'DENY',
    // whether there is TLS is a proxy's business
    strictTransportSecurity: false
  })

  app.use('/', headers, onlyGet)
  app.use('/status/*', headers, onlyGet)

  app.get('/', c => {
    monitor.look()
    const status = monitor.status

    if (status == null) {
      return c.text('The point is only starting\n', 503, { 'retry-after': '2' })
    }

    const view = { status: visible(status, shows), columns: monitor.history.columns('15m'), range: '15m' as const, timeZone: 'UTC' }

    return c.html(document(view, links).text, 200, { 'cache-control': 'no-store' })
  })

  app.get('/status/page.css', etag(), c => c.body(STYLE, 200, { 'content-type': 'text/css; charset=utf-8', 'cache-control': 'no-cache' }))
  app.get('/status/icon.svg', etag(), c => c.body(ICON, 200, { 'content-type': 'image/svg+xml', 'cache-control': 'no-cache' }))

  app.get('/status/:script{[a-z]+\\.js}', etag(), async c => {
    const name = c.req.param('script').replace('.js', '')

    if (!SCRIPTS.includes(name)) {
      return c.notFound()
    }

    return c.body(await readFile(new URL(`browser/${name}.js`, import.meta.url), 'utf8'), 200, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache' })
  })

  app.get('/status/qr/:index{[0-9]{1,3}}', c => {
    const address = monitor.status?.addresses[Number(c.req.param('index'))]

    return address == null
      ? c.notFound()
      : c.body(encodeQR(address, 'svg', { ecc: 'medium', border: 2 }), 200, { 'content-type': 'image/svg+xml', 'cache-control': 'no-store' })
  })

  app.get('/status/events', c => {
    const range = c.req.query('range') ?? '15m'

    if (!Object.hasOwn(RANGES, range)) {
      return c.text(`range is one of ${Object.keys(RANGES).join(', ')}\n`, 400)
    }

    if (viewers >= MAX_VIEWERS) {
      return c.text('Too many look already\n', 503, { 'retry-after': '10' })
    }

    if (c.req.raw.method === 'HEAD') {
      return c.body(null, 200, { 'content-type': 'text/event-stream' })
    }

    viewers++
    // a proxy that gathers would make it late
    c.header('x-accel-buffering', 'no')

    return streamSSE(c, async stream => {
      const gone = new Promise<void>(resolve => { stream.onAbort(resolve) })

      const tell = async (event: string, data: unknown): Promise<void> => {
        const timer = setTimeout(() => { stream.abort() }, PATIENCE)
        await Promise.race([stream.writeSSE({ event, data: JSON.stringify(data) }), gone])
        clearTimeout(timer)
      }

      try {
        await tell('history', monitor.history.columns(range as Range))

        while (!stream.aborted) {
          monitor.look()

          if (monitor.status != null) {
            await tell('status', { status: visible(monitor.status, shows), bucket: monitor.history.last(range as Range) })
          }

          await Promise.race([monitor.next, gone])
        }
      } finally {
        viewers--
      }
    })
  })

  return app
}

/** What of it may be seen. */
export function visible (status: Status, { peers, namespaces }: Shows): Status {
  const { reading, limits, fullest, closed } = status

  return {
    ...status,
    reading: {
      ...reading,
      refused: reading.refused.map(({ namespace, peer, ...refusal }) => ({
        ...refusal,
        ...(namespaces && namespace !== undefined ? { namespace } : {}),
        ...(peers && peer != null ? { peer } : {})
      }))
    },
    limits,
    fullest: namespaces ? fullest : undefined,
    closed: namespaces ? closed : undefined
  }
}
