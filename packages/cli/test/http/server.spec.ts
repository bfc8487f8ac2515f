import { afterEach, describe, expect, it } from 'vitest'
import { startHttp } from '../../src/http/server.ts'
import { rawAnswer, rawConnection, rawRequest, statuses } from './raw.ts'
import type { HttpServers, HttpSources, HttpValues } from '../../src/http/types.ts'

const ANY = { host: '127.0.0.1', port: 0 }

let servers: HttpServers[] = []

afterEach(() => {
  servers.forEach(server => { server.close() })
  servers = []
})

async function start (values: HttpValues = { http: ANY }, sources: Partial<HttpSources> = {}): Promise<{ url: string, adminUrl: string }> {
  const server = await startHttp(values, { node: undefined, isHealthy: () => true, metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }), ...sources })
  servers.push(server)

  return server as { url: string, adminUrl: string }
}

async function ask (url: string, init?: RequestInit): Promise<{ status: number, text: string, headers: Headers }> {
  const response = await fetch(url, init)

  return { status: response.status, text: await response.text(), headers: response.headers }
}

describe('what is served over HTTP', () => {
  it('has whether the point is healthy, and its metrics', async () => {
    let healthy = true
    const { url } = await start({ http: ANY }, { isHealthy: () => healthy })

    expect(await ask(`${url}/healthz`)).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await ask(`${url}/metrics`)).toMatchObject({ status: 200, text: 'up 1\n' })
    expect((await ask(`${url}/metrics`)).headers.get('content-type')).toBe('text/plain; version=0.0.4')
    healthy = false
    expect(await ask(`${url}/healthz`)).toMatchObject({ status: 503, text: 'not serving\n' })
  })

  it('has its metrics on the private listener alone, where there is one', async () => {
    const { url, adminUrl } = await start({ http: ANY, admin: ANY })

    expect((await ask(`${url}/metrics`)).status).toBe(404)
    expect((await ask(`${url}/healthz`)).status).toBe(200)
    expect((await ask(`${adminUrl}/metrics`)).status).toBe(200)
    expect((await ask(`${adminUrl}/healthz`)).status).toBe(200)
  })

  it('says nothing of what went wrong', async () => {
    const { url } = await start({ http: ANY }, { metrics: async () => { throw new Error('a secret') } })

    expect(await ask(`${url}/metrics`)).toMatchObject({ status: 500, text: '{"message":"internal error"}' })
  })

  it('is not at one address for everybody and for the operator', async () => {
    const at = { host: '127.0.0.1', port: 9464 }

    await expect(start({ http: at, admin: at })).rejects.toThrow('give each an address of its own')
  })

  it('names the flag whose port is taken', async () => {
    const port = Number(new URL((await start()).url).port)

    await expect(start({ http: ANY, admin: { host: '127.0.0.1', port } })).rejects.toThrow(`port ${port} is taken by another program: stop that one, or choose another port with --admin [HOST:]PORT`)
  })
})

describe('the private listener', () => {
  it.each(['evil.example', '127.0.0.1.evil.example'])('answers nothing to a page whose name %s leads here', async host => {
    const { adminUrl } = await start({ admin: ANY })

    expect(await rawAnswer(adminUrl, rawRequest('GET /metrics', `host: ${host}`))).toMatch(/^HTTP\/1\.1 421 (?!.*up 1)/s)
  })

  it('answers to IP addresses, and to names that were announced or given', async () => {
    const { adminUrl } = await start({ admin: ANY, httpHost: ['Point.example'] })

    for (const host of ['127.0.0.1:9465', '[::1]', 'localhost', 'point.example']) {
      expect(statuses(await rawAnswer(adminUrl, rawRequest('GET /metrics', `host: ${host}`)))).toEqual([200])
    }
  })
})

describe('a client that does what none should', () => {
  it.each([
    ['a method that is not there', 'DELETE /healthz', 405],
    ['a method that nobody knows', 'BREW /healthz', 400],
    ['a tunnel', 'CONNECT example.com:443', 405],
    ['a path that is not there', 'GET /nothing', 404],
    ['a way out of the root', 'GET /../../etc/passwd', 404],
    ['a way out of the root in disguise', 'GET /%2e%2e/%2e%2e/etc/passwd', 404],
    ['a path with two slashes', 'GET //healthz', 404],
    ['a zero byte', 'GET /healthz%00', 404],
    ['a path with backslashes', 'GET /\\..\\healthz', 400],
    ['an escape that is none', 'GET /%zz%', 404],
    ['another server', 'GET http://example.com/healthz', 200],
    ['no path', 'GET healthz', 400],
    ['something else than HTTP', '\x16\x03\x01 hello', 400]
  ])('that asks for %s is answered', async (_, line, status) => {
    const { url } = await start()

    expect(statuses(await rawAnswer(url, rawRequest(line)))).toEqual([status])
    expect((await ask(`${url}/healthz`)).status).toBe(200)
  })

  it.each([
    ['no host', 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nhost: a b/c\r\nconnection: close\r\n\r\n'],
    ['two lengths', 'POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    ['a length and pieces', 'POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n']
  ])('that says %s is answered 400', async (_, bytes) => {
    const { url } = await start()

    expect(statuses(await rawAnswer(url, bytes))).toEqual([400])
  })

  it('that sends headers without end is answered 431', async () => {
    const { url } = await start()

    expect(statuses(await rawAnswer(url, rawRequest('GET /healthz', `x-long: ${'x'.repeat(9_000)}`)))).toEqual([431])
  })

  it('that asks for a path without end is answered', async () => {
    const { url } = await start()

    expect(statuses(await rawAnswer(url, rawRequest(`GET /${'x'.repeat(9_000)}`)))).toEqual([431])
  })

  it('that never ends its headers is answered 408', async () => {
    const { url } = await start({ http: ANY, requestTimeout: 100 })

    expect(statuses(await rawAnswer(url, 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n'))).toEqual([408])
  })

  it('that does not read what it asks for loses its connection', async () => {
    const { url } = await start({ http: ANY, requestTimeout: 100 }, { metrics: async () => ({ contentType: 'text/plain', text: 'x'.repeat(64 * 1024 * 1024) }) })
    const { socket, ended } = await rawConnection(url)
    socket.pause()
    socket.write(rawRequest('GET /metrics'))
    // what it reads of what has come tells it that there is no more
    setTimeout(() => { socket.resume() }, 2_000)

    expect((await ended).length).toBeLessThan(64 * 1024 * 1024)
  })
})

describe('connections', () => {
  it('are so many at the most, and who is one too many is told so', async () => {
    const { url } = await start({ http: ANY, maxHttpConnections: 2 })
    const [first, second] = [await rawConnection(url), await rawConnection(url)]
    const third = await rawConnection(url)

    expect(statuses(await third.ended)).toEqual([503])
    first.socket.end()
    await first.ended
    second.socket.write(rawRequest('GET /healthz'))
    expect(statuses(await second.ended)).toEqual([200])
    expect((await ask(`${url}/healthz`)).status).toBe(200)
  })
})
