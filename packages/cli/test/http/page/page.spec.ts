import { describe, expect, it } from 'vitest'
import { History } from '../../../src/http/page/history.ts'
import { statusPage, visible } from '../../../src/http/page/page.ts'
import { PEER, POINT, reading, status } from './fixtures.ts'
import type { Status } from '../../../src/http/page/status.ts'

const NOTHING = { peers: false, namespaces: false }
const ALL = { peers: true, namespaces: true }

function pageOf ({ now = status(), shows = ALL, next = new Promise<void>(() => {}) }: { now?: Status | undefined, shows?: typeof ALL, next?: Promise<void> } = {}): ReturnType<typeof statusPage> {
  const history = new History()
  history.add(3_600_000, { ...reading(), refusals: 2 })

  return statusPage({ monitor: { status: now, history, next, look: () => {} }, shows, links: [['/healthz', 'Health']] })
}

/** The events of a stream, until it has sent so many. */
async function eventsOf (response: Response, count: number): Promise<Array<{ event: string, data: any }>> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''

  while (text.split('\n\n').length <= count) {
    text += (await reader.read()).value ?? ''
  }

  await reader.cancel()

  return text.split('\n\n').slice(0, count).map(event => ({
    event: /^event: (.*)$/m.exec(event)?.[1] ?? '',
    data: JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '')
  }))
}

describe('the status page', () => {
  it('is whole without its script: who it is, where, and what it has', async () => {
    const response = await pageOf().request('/')
    const text = await response.text()

    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^text\/html; charset=utf-8$/i)

    for (const part of [POINT, `/dns4/rendezvous.example.com/tcp/443/wss/p2p/${POINT}`, 'Serving for 1 h', 'my-app', 'E_INVALID_TTL', '--max-connections', '<a href="/healthz">Health</a>', '/status/qr/1']) {
      expect(text).toContain(part)
    }
  })

  it('may load what comes from here, and nothing else; nothing in it is inline', async () => {
    const response = await pageOf().request('/')
    const text = await response.text()

    expect(response.headers.get('content-security-policy')).toBe("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(text).not.toMatch(/\sstyle=|<style|\son[a-z]+=|<script(?! type="module" src="\/status\/main\.js"><\/script>)/)
    expect(text).not.toMatch(/(?:src|href)="(?!\/|#)/)
  })

  it('shows no peer and no namespace where those are nobody\'s business', async () => {
    const text = await (await pageOf({ shows: NOTHING }).request('/')).text()

    expect(text).toContain('too short')
    expect(text).not.toContain(PEER)
    expect(text).not.toContain('my-app')
    expect(text).not.toContain('a-closed-one')
    expect(text).not.toContain('Fullest namespaces')

    const [, told] = await eventsOf(await pageOf({ shows: NOTHING }).request('/status/events'), 2)
    expect(JSON.stringify(told)).not.toMatch(/my-app|a-closed-one|KooWKn/)
  })

  it('shows namespaces without peers', () => {
    const { reading: { refused }, fullest } = visible(status(), { peers: false, namespaces: true })

    expect(refused).toEqual([{ at: 3_000, action: 'register', namespace: 'my-app', status: 'E_INVALID_TTL', text: 'too short' }])
    expect(fullest).toEqual(status().fullest)
  })

  it('is only looked at', async () => {
    expect((await pageOf().request('/', { method: 'POST' })).status).toBe(405)
    expect((await pageOf().request('/status/events', { method: 'DELETE' })).headers.get('allow')).toBe('GET, HEAD')
  })

  it('says so while the point only starts', async () => {
    const history = new History()
    const page = statusPage({ monitor: { status: undefined, history, next: new Promise(() => {}), look: () => {} }, shows: ALL })

    expect((await page.request('/')).status).toBe(503)
  })

  it('has its parts, which a browser asks for again only when they have changed', async () => {
    const page = pageOf()
    const style = await page.request('/status/page.css')

    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect((await page.request('/status/page.css', { headers: { 'if-none-match': style.headers.get('etag') ?? '' } })).status).toBe(304)
    expect((await page.request('/status/icon.svg')).headers.get('content-type')).toBe('image/svg+xml')
  })

  it.each(['/status/page.ts', '/status/index.js', '/status/..%2fpage.js', '/status/%2e%2e/page.js', '/status/qr/2', '/status/qr/-1', '/status/qr/99999999', '/status/'])('has nothing at %s', async path => {
    expect((await pageOf().request(path)).status).toBe(404)
  })

  it('has the QR code of each address', async () => {
    const response = await pageOf().request('/status/qr/0')

    expect(response.headers.get('content-type')).toBe('image/svg+xml')
    expect(await response.text()).toMatch(/^<svg [^>]*viewBox/)
  })
})

describe('its events', () => {
  it('are what was, what is, and then each new reading', async () => {
    const next = Promise.withResolvers<void>()
    const reading = eventsOf(await pageOf({ next: next.promise }).request('/status/events?range=6h'), 3)
    next.resolve()
    const [history, first, second] = await reading

    expect(history).toMatchObject({ event: 'history', data: { width: 60_000, capacity: 360, at: [3_600_000] } })
    expect(first).toMatchObject({ event: 'status', data: { status: { peerId: POINT }, bucket: { at: 3_600_000, values: { connections: 3 } } } })
    expect(second?.event).toBe('status')
  })

  it('are of a range that there is', async () => {
    expect((await pageOf().request('/status/events?range=toString')).status).toBe(400)
  })

  it('are told to a hundred at a time, and to others when those have gone', async () => {
    const page = pageOf()
    const all = await Promise.all(Array.from({ length: 100 }, async () => page.request('/status/events')))
    expect(all.every(({ status }) => status === 200)).toBe(true)

    const refused = await page.request('/status/events')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10'])
    expect((await page.request('/status/events', { method: 'HEAD' })).status).toBe(503)

    await all[0]?.body?.cancel()
    await expect.poll(async () => {
      const { status, body } = await page.request('/status/events')
      await body?.cancel()

      return status
    }).toBe(200)
    await Promise.all(all.slice(1).map(async ({ body }) => body?.cancel()))
  })

  it('take no place for who asks for the headers alone', async () => {
    const page = pageOf()

    for (let i = 0; i < 150; i++) {
      expect((await page.request('/status/events', { method: 'HEAD' })).status).toBe(200)
    }
  })
})
