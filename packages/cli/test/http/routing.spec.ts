import { delegatedRoutingV1HttpApiClient } from '@helia/delegated-routing-v1-http-api-client'
import { defaultLogger } from '@libp2p/logger'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { byToken, createNetwork, issueToken } from 'libp2p-rendezvous/network'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { ask, closeHttpPoints, httpFor, httpPoint, register, somebody } from './point.ts'
import type { Somebody } from './point.ts'

const LINES = { headers: { accept: 'application/x-ndjson' } }

let alice: Somebody
let bob: Somebody
let block: CID
let provided: string

beforeAll(async () => {
  [alice, bob] = await Promise.all([somebody(), somebody()])
  block = CID.createV1(0x70, await sha256.digest(new TextEncoder().encode('a block')))
  provided = CID.createV1(0x55, block.multihash).toString()
})

afterEach(closeHttpPoints)

describe('the client of Helia, as it is', () => {
  it('finds peers and providers', async () => {
    const point = await httpPoint()
    await register(point, alice, provided, { addresses: 2 })
    await register(point, alice, alice.id, { addresses: 2 })
    await register(point, bob, provided)
    const client = delegatedRoutingV1HttpApiClient({ url: point.url })({ logger: defaultLogger() } as any)
    const [peer, ...others] = await Array.fromAsync(client.getPeers(alice.peerId.toCID()))

    expect(others).toEqual([])
    expect(String(peer?.ID)).toBe(String(alice.peerId.toCID()))
    expect(peer?.Addrs.map(String)).toEqual(['/ip4/10.0.0.0/tcp/4001', '/ip4/10.0.0.1/tcp/4001'])
    const providers = await Array.fromAsync(client.getProviders(block))
    expect(providers.map(({ ID }) => String(ID)).sort()).toEqual([alice, bob].map(({ peerId }) => String(peerId.toCID())).sort())
    expect(await Array.fromAsync(client.getPeers(bob.peerId.toCID(), { filterAddrs: ['quic-v1'] }))).toEqual([])
    expect(await Array.fromAsync(client.getProviders(CID.createV1(0x55, await sha256.digest(new Uint8Array(1)))))).toEqual([])
  })
})

describe('a peer', () => {
  it('is found by its id in any form, where it registered last, and its record shows that it is true', async () => {
    const point = await httpPoint()
    await register(point, alice, 'my-app', { sequence: 1n })
    await register(point, alice, 'other', { sequence: 2n })
    const cid = alice.peerId.toCID()

    for (const id of [alice.id, cid.toString(), cid.toString(base36)]) {
      const { status, json } = await ask(`${point.url}/routing/v1/peers/${id}`)
      expect(status).toBe(200)
      expect(json).toEqual({ Peers: [{ Schema: 'peer', ID: alice.id, Addrs: ['/ip4/10.0.0.0/tcp/4002'], Protocols: [], SignedPeerRecord: expect.stringMatching(/^u/) }] })
      const envelope = await RecordEnvelope.openAndCertify(Buffer.from(json.Peers[0].SignedPeerRecord.slice(1), 'base64url'), PeerRecord.DOMAIN)
      expect(envelope.publicKey.equals(alice.privateKey.publicKey)).toBe(true)
    }
  })

  it('that is not known is an empty answer, which is good for a while', async () => {
    const { url } = await httpPoint()
    const { status, headers, json } = await ask(`${url}/routing/v1/peers/${alice.id}`)

    expect(status).toBe(200)
    expect(json).toEqual({ Peers: [] })
    expect(headers.get('cache-control')).toBe('public, max-age=15, stale-while-revalidate=15, stale-if-error=15')
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('vary')).toBe('Accept')
    expect(Math.abs(Date.parse(headers.get('last-modified') ?? '') - Date.now())).toBeLessThan(10_000)
    expect(await ask(`${url}/routing/v1/peers/${alice.id}`, LINES)).toMatchObject({ status: 200, text: '' })
  })

  it('is good for as long as it is registered, and five minutes at the most', async () => {
    const point = await httpPoint({ minTtl: 1_000 })
    await register(point, alice, 'my-app', { ttl: 7_200_000 })
    await register(point, bob, 'my-app', { ttl: 100_000 })
    const cacheControl = async (id: string): Promise<number[]> => ((await ask(`${point.url}/routing/v1/peers/${id}`)).headers.get('cache-control')?.match(/\d+/g) ?? []).map(Number)
    const [[age, stale], [shortAge, shortStale]] = await Promise.all([cacheControl(alice.id), cacheControl(bob.id)]) as [[number, number], [number, number]]

    expect(age).toBe(300)
    expect(stale).toBeGreaterThan(7_000)
    expect(shortAge).toBeLessThanOrEqual(100)
    expect(shortAge).toBeGreaterThan(80)
    expect(shortStale).toBe(shortAge)
  })

  it.each([
    ['filter-addrs=tcp', true],
    ['filter-addrs=!tcp', false],
    ['filter-addrs=quic-v1,IP4', true],
    ['filter-protocols=transport-bitswap', false],
    ['filter-protocols=unknown', true],
    ['filter-protocols=transport-bitswap%2Cunknown', true]
  ])('is wanted with ?%s: %s', async (query, wanted) => {
    const point = await httpPoint()
    await register(point, alice, 'my-app')

    expect((await ask(`${point.url}/routing/v1/peers/${alice.id}?${query}`)).json.Peers).toHaveLength(wanted ? 1 : 0)
  })
})

describe('providers', () => {
  it('are those of the multihash, whatever the CID', async () => {
    const point = await httpPoint()
    await register(point, alice, provided)
    const v0 = CID.createV0(block.multihash as any)

    for (const cid of [block.toString(), block.toString(base36), block.toString(base58btc), v0.toString(), provided]) {
      expect((await ask(`${point.url}/routing/v1/providers/${cid}`)).json.Providers).toMatchObject([{ ID: alice.id }])
    }
  })

  it('of a block that is its own CID are none', async () => {
    const { url } = await httpPoint()
    const cid = CID.createV1(0x55, identity.digest(new Uint8Array(8)))

    expect((await ask(`${url}/routing/v1/providers/${cid}`)).json).toEqual({ Providers: [] })
  })

  it('are a hundred in one piece, and a line each where lines are asked for', async () => {
    const point = await httpPoint({ rateLimit: false })
    const all = await Promise.all(Array.from({ length: 120 }, somebody))

    for (const who of all) {
      await register(point, who, provided)
    }

    expect((await ask(`${point.url}/routing/v1/providers/${block}`)).json.Providers).toHaveLength(100)
    const { text, headers } = await ask(`${point.url}/routing/v1/providers/${block}`, LINES)
    expect(headers.get('content-type')).toBe('application/x-ndjson')
    const lines = text.split('\n').slice(0, -1).map(line => JSON.parse(line).ID)
    expect(lines.sort()).toEqual(all.map(({ id }) => id).sort())
  })
})

describe('lines', () => {
  it.each([
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['application/x-ndjson', true],
    ['application/x-ndjson, application/json;q=0.8', true],
    ['application/x-ndjson;q=0.1, application/json', false],
    ['application/x-ndjson;q=0', false]
  ])('come with Accept: %s: %s', async (accept, lined) => {
    const { url } = await httpPoint()
    const { headers } = await ask(`${url}/routing/v1/peers/${alice.id}`, { headers: accept == null ? {} : { accept } })

    expect(headers.get('content-type')).toBe(lined ? 'application/x-ndjson' : 'application/json')
  })
})

describe('what cannot be answered', () => {
  it.each([
    ['GET', '/routing/v1/peers/nobody', 422],
    ['GET', '/routing/v1/peers/12D3KooW%00', 422],
    ['GET', '/routing/v1/providers/12D3', 422],
    ['GET', '/routing/v1/providers/a%2Fb', 422],
    ['GET', '/routing/v1', 400],
    ['GET', '/routing/v1/nothing', 400],
    ['GET', '/routing/v2/peers/x', 400],
    ['PUT', '/routing/v1/peers/x', 501],
    ['POST', '/routing/v1/providers/x', 501],
    ['PUT', '/routing/v1/providers/x', 501],
    ['GET', '/routing/v1/ipns/x', 501],
    ['PUT', '/routing/v1/ipns/x', 501],
    ['GET', '/routing/v1/dht/closest/peers/x', 501]
  ])('%s %s is %i, which pages can read', async (method, path, expected) => {
    const { url } = await httpPoint()
    const { status, headers, json } = await ask(`${url}${path}`, { method })

    expect(status).toBe(expected)
    expect(json.message).toBeTypeOf('string')
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })

  it('is told while the point is not there, and where it is several processes', async () => {
    const starting = await httpFor({})
    const several = await httpFor({}, { workers: 2 })

    expect(await ask(`${starting.url}/routing/v1/peers/${alice.id}`)).toMatchObject({ status: 503 })
    expect(await ask(`${several.url}/routing/v1/peers/${alice.id}`)).toMatchObject({ status: 501, json: { message: 'a point in several processes (--workers) answers this over libp2p alone' } })
  })

  it('is what is asked too often, and when to ask again is said', async () => {
    const { url } = await httpPoint({ rateLimit: { requests: 1, interval: 60_000 } })
    await ask(`${url}/routing/v1/peers/${alice.id}`)
    const { status, headers, json } = await ask(`${url}/routing/v1/peers/${alice.id}`)

    expect(status).toBe(429)
    expect(json).toEqual({ status: 'E_UNAVAILABLE', message: 'rateLimit (1 requests in 60000 ms) is reached' })
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(50)
  })
})

it('pages of anybody may ask', async () => {
  const { url } = await httpPoint()
  const { status, headers } = await ask(`${url}/routing/v1/peers/${alice.id}`, { method: 'OPTIONS', headers: { origin: 'https://example.com', 'access-control-request-method': 'GET' } })

  expect(status).toBe(204)
  expect(headers.get('access-control-allow-origin')).toBe('*')
  expect(headers.get('access-control-allow-methods')).toBe('GET, OPTIONS')
  expect((await ask(`${url}/routing/v1/peers/${alice.id}`)).headers.get('access-control-allow-origin')).toBe('*')
})

it('a point for members answers those who show a token, and nobody keeps the answer', async () => {
  const { id, privateKey } = await createNetwork()
  const point = await httpPoint({ authorize: byToken({ issuers: [id] }) }, { network: [id] })
  const token = await issueToken({ privateKey, peer: alice.peerId })

  expect(await ask(`${point.url}/routing/v1/peers/${alice.id}`)).toMatchObject({ status: 401, json: { status: 'E_NOT_AUTHORIZED' } })
  expect(await ask(`${point.url}/routing/v1/peers/${alice.id}`, { headers: { authorization: `Bearer ${token}x` } })).toMatchObject({ status: 403 })
  const { status, headers } = await ask(`${point.url}/routing/v1/peers/${alice.id}`, { headers: { authorization: `Bearer ${token}` } })
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('private, no-store')
  expect(headers.get('vary')).toBe('Accept, Authorization')
})
