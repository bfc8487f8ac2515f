import { Ajv2020 } from 'ajv/dist/2020.js'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { byToken, createNetwork, issueToken } from 'libp2p-rendezvous/network'
import { openapi } from '../../src/http/openapi.ts'
import { prove } from '../../src/http/proof.ts'
import { ask, askAs, closeHttpPoints, httpPoint, register, somebody } from './point.ts'
import { rawAnswer, rawConnection, rawRequest, statuses } from './raw.ts'
import type { Answer, HttpPoint, Somebody } from './point.ts'

const ajv = new Ajv2020({ strict: false, formats: { 'date-time': text => new Date(text).toISOString() === text } })
ajv.addSchema(openapi, 'openapi')

/** Whether an answer is one that the description has for a request. */
function check (method: string, path: string, answer: Answer): Answer {
  const operation = (openapi.paths as any)[path][method.toLowerCase()]
  const described = operation.responses[answer.status]
  expect(described, `${method} ${path} is not described to answer ${answer.status}: ${answer.text}`).toBeDefined()
  const [pointer] = described.content?.['application/json'] == null ? [] : [described.content['application/json'].schema.$ref]

  if (pointer != null) {
    const validate = ajv.compile({ $ref: `openapi${pointer}` })
    expect(validate(answer.json), JSON.stringify([validate.errors, answer.json])).toBe(true)
  }

  return answer
}

let alice: Somebody
let bob: Somebody

beforeAll(async () => { [alice, bob] = await Promise.all([somebody(), somebody()]) })
afterEach(closeHttpPoints)

async function announce (point: HttpPoint, who: Somebody, { network = 'my-app', ttl, record }: { network?: string, ttl?: unknown, record?: string } = {}): Promise<Answer> {
  return check('POST', '/network/{network}/announce', await askAs(who, point, 'POST', `/network/${encodeURIComponent(network)}/announce`, { body: { signedPeerRecord: record ?? await who.record(), ttl } }))
}

async function activePeers (point: HttpPoint, network = 'my-app', query = ''): Promise<Answer> {
  return check('GET', '/network/{network}/active-peers', await ask(`${point.url}/network/${encodeURIComponent(network)}/active-peers${query}`))
}

it('the description is served, and is one', async () => {
  const { url } = await httpPoint()
  const { json } = await ask(`${url}/openapi.json`)

  expect(json).toEqual(openapi)
  expect(await new Validator().validate(json)).toEqual({ valid: true })
})

describe('announcing', () => {
  it('registers who asks, for as long as it asks for', async () => {
    const point = await httpPoint()
    const { status, json } = await announce(point, alice, { ttl: 10_000 })

    expect(status).toBe(200)
    expect(json).toMatchObject({ peerId: alice.id, ttl: 10_000 })
    const { json: { peers: [peer], more } } = await activePeers(point)
    expect(peer).toEqual({ peerId: alice.id, online: true, lastSeen: expect.any(String), expires: json.expires, addresses: ['/ip4/10.0.0.0/tcp/4001'], signedPeerRecord: await alice.record() })
    expect(more).toBe(false)
  })

  it('takes records in base64, and in both forms', async () => {
    const point = await httpPoint()
    const record = await alice.record()
    const other = await alice.record({ domain: 'libp2p-routing-state', codec: new TextEncoder().encode('/libp2p/routing-state-record') })
    const base64 = `m${Buffer.from(record.slice(1), 'base64url').toString('base64').replace(/=+$/, '')}`
    const body = { signedPeerRecord: other, otherSignedPeerRecord: base64 }

    expect(check('POST', '/network/{network}/announce', await askAs(alice, point, 'POST', '/network/my-app/announce', { body })).status).toBe(200)
    expect((await activePeers(point)).json.peers[0].signedPeerRecord).toBe(record)
  })

  it.each<[string, unknown, number, string | undefined]>([
    ['no body', undefined, 400, undefined],
    ['no record', {}, 400, undefined],
    ['a record that is no text', { signedPeerRecord: 7 }, 400, undefined],
    ['a record in no multibase', { signedPeerRecord: 'hello' }, 400, undefined],
    ['a record that is none', { signedPeerRecord: 'uAAAA' }, 422, 'E_INVALID_SIGNED_PEER_RECORD'],
    ['a TTL that is no number', { signedPeerRecord: 'uAAAA', ttl: '7200' }, 400, undefined],
    ['a TTL that is negative', { signedPeerRecord: 'uAAAA', ttl: -1 }, 400, undefined],
    ['a TTL that is too short', { signedPeerRecord: 'uAAAA', ttl: 1 }, 422, 'E_INVALID_TTL']
  ])('with %s is refused as over libp2p', async (_, body, expected, code) => {
    const point = await httpPoint()
    const { status, json } = check('POST', '/network/{network}/announce', await askAs(alice, point, 'POST', '/network/my-app/announce', { body }))

    expect([status, json.status]).toEqual([expected, code])
  })

  it('another\'s record is refused, and so is a namespace that is none', async () => {
    const point = await httpPoint({ maxNamespaceLength: 8 })

    expect(await announce(point, bob, { record: await alice.record() })).toMatchObject({ status: 403, json: { status: 'E_NOT_AUTHORIZED', message: 'a peer may register only itself' } })
    expect(await announce(point, alice, { network: 'too long for this point' })).toMatchObject({ status: 400, json: { status: 'E_INVALID_NAMESPACE' } })
  })

  it('is refused where a limit is reached', async () => {
    const point = await httpPoint({ maxRegistrationsPerPeer: 1 })
    await announce(point, alice)

    expect(await announce(point, alice, { network: 'other' })).toMatchObject({ status: 503, json: { status: 'E_UNAVAILABLE', message: 'maxRegistrationsPerPeer (1) is reached' } })
  })

  it('is refused when more is sent than may be, whatever is said of its length', async () => {
    const point = await httpPoint()
    const body = { signedPeerRecord: 'u'.repeat(20_000) }

    expect(check('POST', '/network/{network}/announce', await askAs(alice, point, 'POST', '/network/my-app/announce', { body })).status).toBe(413)
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const answer = await rawAnswer(point.url, rawRequest('POST /network/my-app/announce', 'transfer-encoding: chunked') + chunk + chunk)
    expect(statuses(answer)).toEqual([413])
  })

  it('that never ends is answered 408', async () => {
    const point = await httpPoint({}, { requestTimeout: 100 })

    const path = '/network/my-app/announce'
    const proof = await prove(alice.privateKey, { method: 'POST', path, point: point.node.peerId.toString() }, Date.now())

    expect(statuses(await rawAnswer(point.url, `${rawRequest(`POST ${path}`, `peer-proof: ${proof}`, 'content-length: 100')}{`))).toEqual([408])
  })

  it('is for the names of this point alone', async () => {
    const point = await httpPoint({}, { httpHost: ['point.example'] })

    expect(statuses(await rawAnswer(point.url, rawRequest('DELETE /network/my-app/announce', 'host: evil.example')))).toEqual([421])
    expect(statuses(await rawAnswer(point.url, rawRequest('POST /coordinator/heartbeat', 'host: evil.example')))).toEqual([421])
    expect(statuses(await rawAnswer(point.url, rawRequest('DELETE /network/my-app/announce', 'host: point.example')))).toEqual([401])
    expect(statuses(await rawAnswer(point.url, rawRequest('GET /network/my-app/active-peers', 'host: evil.example')))).toEqual([200])
  })
})

describe('who changes something', () => {
  it('proves who it is: for this request, at this point, now', async () => {
    const [point, other] = await Promise.all([httpPoint(), httpPoint()])
    await announce(point, alice)
    const path = '/network/my-app/announce'
    const proofOf = async (who: Somebody, at: HttpPoint, method = 'DELETE', proved = path, time = Date.now()): Promise<string> => prove(who.privateKey, { method, path: proved, point: at.node.peerId.toString() }, time)
    const remove = async (proof: string | undefined): Promise<number> => check('DELETE', '/network/{network}/announce', await ask(`${point.url}${path}`, { method: 'DELETE', headers: proof == null ? {} : { 'peer-proof': proof } })).status

    expect(await remove(undefined)).toBe(401)
    expect(await remove(await alice.record())).toBe(401)
    expect(await remove('u')).toBe(401)
    expect(await remove('nothing')).toBe(401)
    expect(await remove(await proofOf(alice, other))).toBe(401)
    expect(await remove(await proofOf(alice, point, 'POST'))).toBe(401)
    expect(await remove(await proofOf(alice, point, 'DELETE', '/network/other/announce'))).toBe(401)
    expect(await remove(await proofOf(alice, point, 'DELETE', path, Date.now() - 61_000))).toBe(401)
    expect(await remove(await proofOf(alice, point, 'DELETE', path, Date.now() + 61_000))).toBe(401)
    expect(await remove(await proofOf(alice, point, 'DELETE', path, NaN))).toBe(401)
    const proof = await proofOf(alice, point)
    expect(await remove(`${proof.slice(0, -10)}${proof.at(-10) === 'A' ? 'B' : 'A'}${proof.slice(-9)}`)).toBe(401)
    expect(await remove(await proofOf(bob, point))).toBe(404)
    expect((await activePeers(point)).json.peers).toHaveLength(1)
    expect(await remove(proof)).toBe(204)
    expect((await activePeers(point)).json.peers).toEqual([])
  })

  it('is told for which point to prove it', async () => {
    const point = await httpPoint()
    const { headers } = await ask(`${point.url}/coordinator/heartbeat`, { method: 'POST' })

    expect(headers.get('www-authenticate')).toBe(`Peer-Proof point="${point.node.peerId}"`)
  })

  it('cannot have this point verify signatures without end', async () => {
    const point = await httpPoint({ rateLimit: { requests: 12, interval: 60_000 } })
    const answers = []

    for (let i = 0; i < 4; i++) {
      answers.push((await askAs(alice, point, 'DELETE', '/network/my-app/announce')).status)
    }

    // six for each: a signature, and the request
    expect(answers).toEqual([404, 404, 429, 429])
  })
})

describe('active peers', () => {
  it('are listed page by page, and those who come later behind the last', async () => {
    const point = await httpPoint()
    await announce(point, alice)
    await announce(point, bob)
    const first = (await activePeers(point, 'my-app', '?limit=1')).json
    const second = (await activePeers(point, 'my-app', `?limit=1&cookie=${first.cookie}`)).json
    const third = (await activePeers(point, 'my-app', `?cookie=${second.cookie}`)).json

    expect([first, second, third].map(({ peers, more }) => [peers.map(({ peerId }: any) => peerId), more])).toEqual([[[alice.id], true], [[bob.id], true], [[], false]])
  })

  it.each([
    ['?cookie=nothing', 400],
    ['?cookie=uAAAA', 400],
    ['?limit=0', 400],
    ['?limit=-1', 400],
    ['?limit=many', 400],
    ['?limit=1000000', 200]
  ])('%s is answered %i', async (query, status) => {
    expect((await activePeers(await httpPoint(), 'my-app', query)).status).toBe(status)
  })

  it('are those of the namespace that the path says, with slashes, spaces, and all', async () => {
    const point = await httpPoint()

    for (const network of ['a/b', 'a b', 'ä%2F?#&=', '/', '…', '/providers/x']) {
      expect((await announce(point, alice, { network })).status).toBe(200)
      expect((await activePeers(point, network)).json.peers).toHaveLength(1)
    }

    expect((await activePeers(point, 'a')).json.peers).toEqual([])
    expect((await ask(`${point.url}/network/%ff/active-peers`)).status).toBe(400)
    expect((await ask(`${point.url}/network/a/b/active-peers`)).status).toBe(404)
    expect((await ask(`${point.url}/network//active-peers`)).status).toBe(404)
  })
})

describe('a peer', () => {
  it('is online while it is connected, or was just heard, and was last seen then', async () => {
    const point = await httpPoint()
    await register(point, alice, 'my-app')
    const path = `/network/my-app/peer/${alice.id}`
    const peer = async (): Promise<Answer> => check('GET', '/network/{network}/peer/{peer}', await ask(`${point.url}${path}`))

    expect((await peer()).json).toMatchObject({ peerId: alice.id, online: false, lastSeen: null })
    const before = Date.now()
    const { json } = check('POST', '/coordinator/heartbeat', await askAs(alice, point, 'POST', '/coordinator/heartbeat'))
    expect(json).toMatchObject({ peerId: alice.id, networks: [{ network: 'my-app' }], interval: 30 })
    const heard = (await peer()).json
    expect(heard.online).toBe(true)
    expect(Date.parse(heard.lastSeen)).toBeGreaterThanOrEqual(before)
  })

  it('that is not registered there is not found, and one that is none cannot be', async () => {
    const point = await httpPoint()
    await register(point, alice, 'other')

    expect(check('GET', '/network/{network}/peer/{peer}', await ask(`${point.url}/network/my-app/peer/${alice.id}`)).status).toBe(404)
    expect(check('GET', '/network/{network}/peer/{peer}', await ask(`${point.url}/network/my-app/peer/nobody`)).status).toBe(422)
  })
})

describe('a point for members', () => {
  it('shows members alone who is there, and registers who has a token of its own', async () => {
    const { id, privateKey } = await createNetwork()
    const point = await httpPoint({ authorize: byToken({ issuers: [id] }) }, { network: [id] })
    const token = await issueToken({ privateKey, peer: alice.peerId, namespaces: ['my-app'] })
    const authorization = `Bearer ${token}`
    const path = '/network/my-app/announce'
    const body = { signedPeerRecord: await alice.record() }

    expect((await activePeers(point)).status).toBe(401)
    expect(await ask(`${point.url}/network/my-app/active-peers`, { headers: { authorization } })).toMatchObject({ status: 200 })
    expect(await ask(`${point.url}/network/other/active-peers`, { headers: { authorization } })).toMatchObject({ status: 403 })
    expect(await askAs(alice, point, 'POST', path, { body })).toMatchObject({ status: 401 })
    expect(await askAs(alice, point, 'POST', path, { body, headers: { authorization } })).toMatchObject({ status: 200 })
    // a token that was stolen
    expect(await askAs(bob, point, 'POST', path, { body: { signedPeerRecord: await bob.record() }, headers: { authorization } })).toMatchObject({ status: 403 })
    expect(await askAs(alice, point, 'POST', '/coordinator/heartbeat')).toMatchObject({ status: 200, json: { networks: [{ network: 'my-app' }] } })
    expect(await askAs(alice, point, 'DELETE', path)).toMatchObject({ status: 204 })
  })

  it('says nothing of a token that it was shown', async () => {
    const { id } = await createNetwork()
    const said: string[] = []
    const point = await httpPoint({ authorize: byToken({ issuers: [id] }) })
    point.node.services.rendezvousPoint.addEventListener('discover:rejected', ({ detail }) => { said.push(JSON.stringify(detail)) })
    const answer = await ask(`${point.url}/network/my-app/active-peers`, { headers: { authorization: 'Bearer a.very.secret' } })

    expect(answer.status).toBe(403)
    expect(said).toHaveLength(1)
    expect(`${answer.text}${[...answer.headers].join()}${said}`).not.toContain('secret')
  })
})

it.each([
  ['POST', '/network/a/active-peers', 405, 'GET, HEAD'],
  ['GET', '/network/a/announce', 405, 'POST, DELETE'],
  ['GET', '/coordinator/heartbeat', 405, 'POST'],
  ['DELETE', '/openapi.json', 405, 'GET, HEAD']
])('%s %s is answered %i, with what there is', async (method, path, status, allow) => {
  const { url } = await httpPoint()
  const answer = await ask(`${url}${path}`, { method })

  expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow])
})

it('pages of anybody may ask, and say what they need to', async () => {
  const { url } = await httpPoint()
  const { status, headers } = await ask(`${url}/network/a/announce`, { method: 'OPTIONS', headers: { origin: 'https://example.com', 'access-control-request-method': 'DELETE' } })

  expect(status).toBe(204)
  expect(headers.get('access-control-allow-methods')).toBe('POST, DELETE, OPTIONS')
  expect(headers.get('access-control-allow-headers')).toBe('Authorization, Content-Type, Last-Event-ID, Peer-Proof')
})

describe('events', () => {
  /** A stream of events, which a test reads one by one. */
  async function events (point: HttpPoint, network = 'my-app', headers: Record<string, string> = {}): Promise<{ status: number, next: () => Promise<{ event: string, id: string, data: any }>, close: () => Promise<void> }> {
    const response = await fetch(`${point.url}/network/${network}/events`, { headers })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const decoder = new TextDecoder()
    let received = ''

    const next = async (): Promise<{ event: string, id: string, data: any }> => {
      while (true) {
        const end = received.indexOf('\n\n')

        if (end !== -1) {
          const fields = Object.fromEntries(received.slice(0, end).split('\n').map(line => line.split(/: ?(.*)/s).slice(0, 2)))
          received = received.slice(end + 2)

          if (fields.data != null) {
            return { ...fields, data: JSON.parse(fields.data) }
          }
        } else {
          const { done, value } = await reader.read()

          if (done) {
            throw new Error(`The stream has ended: ${received}`)
          }

          received += decoder.decode(value, { stream: true })
        }
      }
    }

    return { status: response.status, next, close: async () => reader.cancel() }
  }

  const validate = ajv.compile({ $ref: 'openapi#/components/schemas/Update' })

  it('tell who is there, and then what happens', async () => {
    const point = await httpPoint()
    await announce(point, alice)
    const { next, close } = await events(point)
    const first = await next()

    expect(first).toMatchObject({ event: 'update', data: { peers: [{ peerId: alice.id, online: true }], gone: [], resync: false, more: false } })
    expect(validate(first.data), JSON.stringify(validate.errors)).toBe(true)
    await announce(point, bob)
    expect((await next()).data.peers).toMatchObject([{ peerId: bob.id }])
    await askAs(alice, point, 'DELETE', '/network/my-app/announce')
    expect((await next()).data).toMatchObject({ peers: [], gone: [alice.id] })
    await close()
  })

  it('go on where they were lost', async () => {
    const point = await httpPoint()
    await announce(point, alice)
    const one = await events(point)
    const { id } = await one.next()
    await one.close()
    await announce(point, bob)
    const two = await events(point, 'my-app', { 'last-event-id': id })

    expect((await two.next()).data).toMatchObject({ peers: [{ peerId: bob.id }], resync: true })
    await two.close()
  })

  it('are refused before they begin, and end with a reason after', async () => {
    let isAllowed = true
    const point = await httpPoint({ maxSubscriptions: 1, authorize: () => ({ isAllowed, until: Date.now() + 1_000 }) })

    expect((await ask(`${point.url}/network/my-app/events`, { headers: { 'last-event-id': 'uAAAA' } })).status).toBe(400)
    const { next } = await events(point)
    await next()
    expect(await ask(`${point.url}/network/my-app/events`)).toMatchObject({ status: 503, json: { status: 'E_UNAVAILABLE' } })
    isAllowed = false
    expect(await next()).toMatchObject({ event: 'error', data: { status: 'E_NOT_AUTHORIZED' } })
  })

  it('cost one who does not read nothing but its place, and tell it the sum', async () => {
    const point = await httpPoint({ rateLimit: false, maxRegistrationsPerNamespace: 5_000 })
    const { socket, until } = await rawConnection(point.url)
    socket.write('GET /network/my-app/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    await until('event: update')
    socket.pause()

    for (let i = 1n; i < 200n; i++) {
      await register(point, alice, 'my-app', { sequence: i })
    }

    socket.resume()
    const received = await until('4199')
    expect(received.match(/event: update/g)?.length).toBeLessThan(100)
    socket.destroy()
  })

  it('say something now and then, so that a stream on which nothing happens is not taken for dead', async () => {
    const point = await httpPoint({}, { requestTimeout: 100 })
    const { socket, until } = await rawConnection(point.url)
    socket.write('GET /network/my-app/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    // six times as long as nothing may move
    await until(Array.from({ length: 4 }, () => '3\r\n:\n\n\r\n').join(''))
    socket.destroy()
  })

  it('are no place for who asks for the headers alone', async () => {
    const point = await httpPoint({ maxSubscriptions: 1 })

    for (let i = 0; i < 3; i++) {
      const { status, headers } = await ask(`${point.url}/network/my-app/events`, { method: 'HEAD' })
      expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    }

    const { status, close } = await events(point)
    expect(status).toBe(200)
    await close()
  })

  it('are given up with the connection', async () => {
    const point = await httpPoint({ maxSubscriptions: 1 })
    const { close } = await events(point)
    await close()

    await expect.poll(async () => {
      const again = await events(point)
      await again.close()

      return again.status
    }).toBe(200)
  })
})
