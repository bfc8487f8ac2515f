import { describe, expect, it } from 'vitest'
import { adminRoutes } from '../../src/http/admin.ts'
import { PEER, status } from './page/fixtures.ts'

function admin (): { calls: string[], ask: (path: string, init?: RequestInit & { body?: string, headers?: Record<string, string> }) => Promise<Response> } {
  const calls: string[] = []
  const app = adminRoutes({
    status: () => status(),
    evict: async peer => calls.push(`evict ${peer}`),
    close: async namespace => {
      if (namespace === 'away') {
        throw new Error('The store did not answer')
      }

      return calls.push(`close ${namespace}`)
    },
    open: async namespace => {
      calls.push(`open ${namespace}`)

      return true
    }
  })

  return {
    calls,
    ask: async (path, { headers, ...init } = {}) => app.request(`http://127.0.0.1:9465${path}`, {
      ...init,
      headers: { host: '127.0.0.1:9465', ...(init.body == null ? {} : { 'content-type': 'application/json' }), ...headers }
    })
  }
}

const post = (body: unknown): { method: string, body: string } => ({ method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

describe('the routes of the operator', () => {
  it.each([
    ['/admin/evict', { peer: PEER }, { ended: 1 }, `evict ${PEER}`],
    ['/admin/close', { namespace: 'my app/ä' }, { ended: 1 }, 'close my app/ä'],
    ['/admin/open', { namespace: 'my-app' }, { wasClosed: true }, 'open my-app']
  ])('%s does it once, and says what came of it', async (path, body, expected, call) => {
    const { ask, calls } = admin()
    const response = await ask(path, post(body))

    expect([response.status, await response.json()]).toEqual([200, expected])
    expect(calls).toEqual([call])
  })

  it('say how it goes', async () => {
    const response = await admin().ask('/admin/status')

    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(status())))
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it.each([
    ['/admin/evict', post({ peer: 'nobody' }), 400],
    ['/admin/evict', post({ peer: [PEER] }), 400],
    ['/admin/evict', post('null'), 400],
    ['/admin/evict', post('{'), 400],
    ['/admin/close', post({}), 400],
    ['/admin/close', post({ namespace: '' }), 400],
    ['/admin/close', post({ namespace: 'x'.repeat(256) }), 400],
    ['/admin/close', post({ namespace: 'x'.repeat(10_000) }), 413],
    ['/admin/close', { ...post({ namespace: 'x' }), headers: { 'content-type': 'text/plain' } }, 415],
    ['/admin/close', { method: 'POST' }, 415],
    ['/admin/close', { method: 'GET' }, 405],
    ['/admin/close', { ...post({ namespace: 'x' }), method: 'PUT' }, 405],
    ['/admin/close', post({ namespace: 'away' }), 503],
    ['/admin/elsewhere', post({ namespace: 'x' }), 404]
  ])('do nothing at %s for %j: %d', async (path, init, expected) => {
    const { ask, calls } = admin()

    expect((await ask(path, init)).status).toBe(expected)
    expect(calls).toEqual([])
  })

  it.each<Record<string, string>>([
    { origin: 'https://example.com' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:8080' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'http://127.0.0.1:9465', host: 'localhost:9465' }
  ])('do nothing, and tell nothing, for pages of others: %j', async headers => {
    const { ask, calls } = admin()

    expect((await ask('/admin/evict', { ...post({ peer: PEER }), headers })).status).toBe(403)
    expect((await ask('/admin/status', { headers })).status).toBe(403)
    expect(calls).toEqual([])
  })

  it('are for a page of their own', async () => {
    const { ask } = admin()

    expect((await ask('/admin/evict', { ...post({ peer: PEER }), headers: { origin: 'http://127.0.0.1:9465', 'sec-fetch-site': 'same-origin' } })).status).toBe(200)
  })
})
