import { peerIdFromString } from '@libp2p/peer-id'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { describe } from '../failures.ts'
import { onlyGet, onlyMethods } from './methods.ts'
import { crossOriginProblem } from './same-origin.ts'
import type { Status } from './page/status.ts'
import type { HttpEnv, Operator, Part } from './types.ts'
import type { PeerId } from '@libp2p/interface'
import type { Context } from 'hono'

/** Bytes of a request: a namespace, however it is written in JSON. */
const MAX_BODY = 4_096

export interface AdminSources extends Operator {
  status: () => Status | undefined
}

/**
 * What changes something, under `/admin/`, for the listener that only the operator reaches: whoever reaches it may do it. That
 * listener answers to its own names alone, so a page that may do it is of the same origin.
 */
export function adminRoutes ({ status, evict, close, open }: AdminSources): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>()

  app.use('/admin/*', async (c, next) => {
    const problem = crossOriginProblem({ host: c.req.header('host'), origin: c.req.header('origin'), secFetchSite: c.req.header('sec-fetch-site') })

    if (problem != null) {
      return c.json({ error: problem }, 403)
    }

    c.header('cache-control', 'no-store')
    await next()
  }, bodyLimit({ maxSize: MAX_BODY, onError: c => c.json({ error: `a request has at most ${MAX_BODY} bytes` }, 413) }))

  app.use('/admin/status', onlyGet)
  app.on('ALL', ['/admin/evict', '/admin/close', '/admin/open'], onlyMethods('POST'))

  app.get('/admin/status', c => {
    const found = status()

    return found == null ? c.json({ error: 'the point is only starting' }, 503) : c.json(found)
  })

  app.post('/admin/evict', async c => answer(c, 'peer', parsePeer, async peer => ({ ended: await evict(peer) })))
  app.post('/admin/close', async c => answer(c, 'namespace', parseNamespace, async namespace => ({ ended: await close(namespace) })))
  app.post('/admin/open', async c => answer(c, 'namespace', parseNamespace, async namespace => ({ wasClosed: await open(namespace) })))

  return app
}

export const operatorRoutes: Part = ({ operation }) => operation == null
  ? new Hono()
  : adminRoutes({ ...operation.operator, status: () => operation.monitor.status })

/** Does what is asked with the one field that the request has. */
async function answer <T> (c: Context<HttpEnv>, field: string, parse: (text: string) => T | undefined, act: (value: T) => Promise<object>): Promise<Response> {
  // which a form of somebody's page cannot send
  if (c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    return c.json({ error: 'the content type is application/json' }, 415)
  }

  const body = await c.req.json().catch(() => undefined)
  const text = body?.[field]
  const value = typeof text === 'string' ? parse(text) : undefined

  if (value == null) {
    return c.json({ error: `the body is a JSON object whose "${field}" is ${field === 'peer' ? 'a peer id' : 'a namespace of 1 to 255 bytes'}` }, 400)
  }

  try {
    return c.json(await act(value))
  } catch (err) {
    return c.json({ error: describe(err) }, 503)
  }
}

function parsePeer (text: string): PeerId | undefined {
  try {
    return peerIdFromString(text)
  } catch {}
}

function parseNamespace (text: string): string | undefined {
  const length = Buffer.byteLength(text)

  return length >= 1 && length <= 255 && text.isWellFormed() ? text : undefined
}
