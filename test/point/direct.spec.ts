import { defaultLogger } from '@libp2p/logger'
import { simpleMetrics } from '@libp2p/simple-metrics'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { byToken, createNetwork, issueToken } from '../../src/network/index.ts'
import { rendezvousPoint } from '../../src/point/index.ts'
import { Status } from '../../src/protocol/errors.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { envelope, identity } from '../fixtures/records.ts'
import type { RendezvousPoint } from '../../src/point/rendezvous-point.ts'
import type { Asker, AuthorizeRequest, DirectNews, RendezvousPointEvents, RendezvousPointInit } from '../../src/point/types.ts'
import type { RegistrationStore } from '../../src/store/types.ts'
import type { Identity } from '../fixtures/records.ts'
import type { PublicKey } from '@libp2p/interface'

let alice: Identity
let bob: Identity
const points: RendezvousPoint[] = []

beforeAll(async () => { [alice, bob] = await Promise.all([identity(), identity()]) })

afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(points.splice(0).map(async point => point.stop()))
})

async function start (init: RendezvousPointInit = {}, components: object = {}): Promise<RendezvousPoint> {
  const point = rendezvousPoint(init)({
    logger: defaultLogger(),
    events: new TypedEventEmitter(),
    connectionManager: { getConnections: () => [], getMaxConnections: () => 300 },
    connectionGater: {},
    registrar: { handle: async () => {}, unhandle: async () => {} },
    ...components
  } as any) as RendezvousPoint
  points.push(point)
  await point.start()

  return point
}

function from (ip = '192.0.2.1'): Asker {
  return { origin: { remoteAddr: multiaddr(`/ip4/${ip}/tcp/4001`) } }
}

function as ({ peerId }: Identity, asker = from()): Asker & { peer: Identity['peerId'] } {
  return { ...asker, peer: peerId }
}

async function registration (who: Identity, namespace = 'my-app', sequence = 1n): Promise<{ namespace: string, signedPeerRecord: Uint8Array }> {
  return { namespace, signedPeerRecord: await envelope(who, { sequence }) }
}

/** Events of a point, as text. */
function told (point: RendezvousPoint, ...types: Array<keyof RendezvousPointEvents>): string[] {
  const events: string[] = []
  types.forEach(type => { point.addEventListener(type, ({ detail }: any) => { events.push(`${type} ${detail.peer} ${detail.namespace}`) }) })

  return events
}

describe('registering without a connection', () => {
  it('is like registering over one: granted, listed, told of and counted', async () => {
    const counts: Record<string, any> = {}
    const metrics = simpleMetrics({ onMetrics: all => { Object.assign(counts, all) } })({ logger: defaultLogger() } as any)
    const store = new MemoryStore()
    const point = await start({ store }, { metrics })
    const events = told(point, 'registration:added', 'registration:refreshed', 'registration:removed', 'discover:served')
    const { signedPeerRecord } = await registration(alice)
    const before = Date.now()
    const { peer, namespace, expires } = await point.register({ namespace: 'my-app', signedPeerRecord, ttl: 7_200_000 }, as(alice))

    expect([String(peer), namespace]).toEqual([String(alice.peerId), 'my-app'])
    expect(Math.abs(expires - before - 7_200_000)).toBeLessThan(5_000)
    const { registrations } = await point.list({ namespace: 'my-app' }, from())
    expect(registrations).toMatchObject([{ namespace: 'my-app', peer: String(alice.peerId), signedPeerRecord, network: '192.0/2/1', expires }])

    await point.register({ namespace: 'my-app', signedPeerRecord }, as(alice))
    expect(await point.unregister('my-app', as(alice))).toBe(true)
    expect(await point.unregister('my-app', as(alice))).toBe(false)
    expect(store.size.registrations).toBe(0)
    expect(events).toEqual([
      `registration:added ${alice.peerId} my-app`,
      'discover:served undefined my-app',
      `registration:refreshed ${alice.peerId} my-app`,
      `registration:removed ${alice.peerId} my-app`
    ])
  })

  it('is refused for the same reasons', async () => {
    const point = await start({ maxRegistrationsPerPeer: 1 })
    const rejected = told(point, 'registration:rejected')
    const { signedPeerRecord } = await registration(alice)

    await expect(point.register({ namespace: 'my-app', signedPeerRecord }, as(bob))).rejects.toMatchObject({ name: 'NotAuthorizedError', status: Status.E_NOT_AUTHORIZED, statusText: 'a peer may register only itself', namespace: 'my-app' })
    await expect(point.register({ namespace: 'my-app', signedPeerRecord, ttl: 1_000 }, as(alice))).rejects.toMatchObject({ name: 'InvalidTtlError' })
    await expect(point.register({ namespace: '', signedPeerRecord }, as(alice))).rejects.toMatchObject({ name: 'InvalidNamespaceError' })
    await expect(point.register({ namespace: 'my-app', signedPeerRecord: new Uint8Array(9) }, as(alice))).rejects.toMatchObject({ name: 'InvalidSignedPeerRecordError' })
    await point.register({ namespace: 'my-app', signedPeerRecord }, as(alice))
    await expect(point.register({ namespace: 'other', signedPeerRecord }, as(alice))).rejects.toMatchObject({ name: 'UnavailableError', statusText: 'maxRegistrationsPerPeer (1) is reached' })
    expect(rejected).toHaveLength(5)
  })
})

describe('listing without a connection', () => {
  it('goes on with the cookie', async () => {
    const point = await start()
    await point.register(await registration(alice), as(alice))
    await point.register(await registration(bob), as(bob))
    const first = await point.list({ namespace: 'my-app', limit: 1 }, from())
    const second = await point.list({ namespace: 'my-app', limit: 1, cookie: first.cookie }, from())
    const third = await point.list({ namespace: 'my-app', cookie: second.cookie }, from())

    expect([first, second, third].map(({ registrations }) => registrations.map(({ peer }) => peer))).toEqual([[String(alice.peerId)], [String(bob.peerId)], []])
    await expect(point.list({ namespace: 'other', cookie: first.cookie }, from())).rejects.toMatchObject({ name: 'InvalidCookieError' })
  })

  it('finds the registrations of a peer, in one namespace or in all', async () => {
    const point = await start()
    await point.register(await registration(alice, 'one'), as(alice))
    await point.register(await registration(alice, 'two'), as(alice))
    await point.register(await registration(bob, 'one'), as(bob))
    const namespaces = async (namespace?: string): Promise<string[]> => (await point.find(alice.peerId.toString(), namespace, from())).map(({ namespace }) => namespace).sort()

    expect(await namespaces()).toEqual(['one', 'two'])
    expect(await namespaces('two')).toEqual(['two'])
    expect(await namespaces('three')).toEqual([])
    await expect(namespaces('')).rejects.toMatchObject({ name: 'InvalidNamespaceError' })
  })
})

describe('the rate limit', () => {
  it('is for the network that asks, whoever it says it is, and says when to try again', async () => {
    const point = await start({ rateLimit: { requests: 2, interval: 60_000 } })
    await point.list({}, as(alice))
    await point.list({}, as(bob))

    await expect(point.list({}, from())).rejects.toMatchObject({ name: 'UnavailableError', statusText: 'rateLimit (2 requests in 60000 ms) is reached', retryAfter: expect.any(Number) })
    await expect(point.watch('my-app', undefined, from()).next()).rejects.toMatchObject({ name: 'UnavailableError', retryAfter: expect.any(Number) })
    await expect(point.list({}, from('198.51.100.7'))).resolves.toMatchObject({ registrations: [] })
  })

  it('counts a signature as five, and those of all have an end', async () => {
    const point = await start({ rateLimit: { requests: 5, interval: 60_000 } })
    point.verifying(alice.peerId.publicKey as PublicKey, from())
    await expect(point.list({}, from())).rejects.toMatchObject({ name: 'UnavailableError' })

    expect(() => {
      for (let i = 0; i < 2_001; i++) {
        point.verifying(alice.peerId.publicKey as PublicKey, from('198.51.100.7'))
      }
    }).toThrow(expect.objectContaining({ name: 'UnavailableError', statusText: 'this point is sent more than it can verify' }))
  })

  it('has nobody verify what takes for ever', async () => {
    const point = await start()
    const key = { type: 'RSA', jwk: { n: 'x'.repeat(342), e: 'x'.repeat(300) } } as unknown as PublicKey

    expect(() => { point.verifying(key, from()) }).toThrow(expect.objectContaining({ name: 'NotAuthorizedError' }))
  })
})

describe('authorize', () => {
  it('is told that nothing proves who asks, and that there is no connection', async () => {
    const requests: AuthorizeRequest[] = []
    const point = await start({ authorize: request => { requests.push(request); return true } })
    const asker = from()
    await point.list({ namespace: 'my-app' }, { ...asker, token: 'a token' })
    await point.register(await registration(alice), as(alice))
    await point.find(bob.peerId.toString(), undefined, asker)

    expect(requests).toMatchObject([
      { peer: undefined, action: 'discover', namespace: 'my-app', token: 'a token', remoteAddr: asker.origin.remoteAddr, connection: undefined },
      { peer: alice.peerId, action: 'register', namespace: 'my-app', token: undefined },
      { peer: undefined, action: 'discover', namespace: undefined }
    ])
  })

  it('takes whoever has a token for the peer that it is for, where nothing proves who asks', async () => {
    const { id, privateKey } = await createNetwork()
    const token = await issueToken({ privateKey, peer: alice.peerId, namespaces: ['my-app'] })
    const point = await start({ authorize: byToken({ issuers: [id] }) })

    expect((await point.list({ namespace: 'my-app' }, { ...from(), token })).registrations).toEqual([])
    await expect(point.list({ namespace: 'my-app' }, from())).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    await expect(point.list({ namespace: 'my-app' }, { ...from(), token: 'x' })).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    await expect(point.list({}, { ...from(), token })).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    await expect(point.register(await registration(bob), { ...as(bob), token })).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    await expect(point.register(await registration(alice), { ...as(alice), token })).resolves.toMatchObject({ namespace: 'my-app' })
    // what is one's own needs none
    await expect(point.find(alice.peerId.toString(), undefined, as(alice))).resolves.toHaveLength(1)
    await expect(point.find(alice.peerId.toString(), undefined, as(bob))).rejects.toMatchObject({ name: 'NotAuthorizedError' })
  })
})

it('a store that does not answer is not waited for any longer than a request may take', async () => {
  const store: RegistrationStore = new MemoryStore()
  store.list = async () => new Promise(() => {})
  const point = await start({ store, requestTimeout: 20 })

  await expect(point.list({}, from())).rejects.toMatchObject({ name: 'UnavailableError', statusText: 'the store of this point cannot be reached' })
})

describe('watching without a connection', () => {
  const peers = (news: DirectNews | void): string[] => (news as DirectNews).registrations.map(({ peer }) => peer)

  it('is told what there is, and then what happens', async () => {
    const point = await start()
    await point.register(await registration(alice), as(alice))
    const news = point.watch('my-app', undefined, from())
    const first = (await news.next()).value as DirectNews

    expect(peers(first)).toEqual([String(alice.peerId)])
    expect(first).toMatchObject({ gone: [], resync: false, more: false })
    const second = news.next()
    await point.register(await registration(bob), as(bob))
    expect(peers((await second).value)).toEqual([String(bob.peerId)])
    await point.unregister('my-app', as(alice))
    expect((await news.next()).value).toMatchObject({ gone: [String(alice.peerId)], registrations: [], resync: false })
    await news.return()
  })

  it('is told the sum where it asks seldom', async () => {
    const point = await start()
    const news = point.watch('my-app', undefined, from())
    await news.next()

    for (let i = 2n; i < 20n; i++) {
      await point.register(await registration(alice, 'my-app', i), as(alice))
    }

    await point.register(await registration(bob), as(bob))
    await point.unregister('my-app', as(bob))
    expect((await news.next()).value).toMatchObject({ registrations: [{ peer: String(alice.peerId) }], gone: [String(bob.peerId)] })
    await news.return()
  })

  it('goes on behind a cookie, and is told that more may be gone than it knows', async () => {
    const point = await start()
    await point.register(await registration(alice), as(alice))
    const news = point.watch('my-app', undefined, from())
    const { cookie } = (await news.next()).value as DirectNews
    await news.return()
    await point.register(await registration(bob), as(bob))
    const later = point.watch('my-app', cookie, from())
    const next = (await later.next()).value as DirectNews

    expect(peers(next)).toEqual([String(bob.peerId)])
    expect(next.resync).toBe(true)
    await later.return()
    await expect(point.watch('other', cookie, from()).next()).rejects.toMatchObject({ name: 'InvalidCookieError' })
  })

  it('is one of those that share maxSubscriptions: the youngest of who has most makes room', async () => {
    const point = await start({ maxSubscriptions: 2 })
    const [first, second, third] = [from(), from(), from('198.51.100.7')].map(asker => point.watch('my-app', undefined, asker)) as [AsyncGenerator<DirectNews>, AsyncGenerator<DirectNews>, AsyncGenerator<DirectNews>]
    await first.next()
    await second.next()
    const displaced = second.next()
    await third.next()

    await expect(displaced).rejects.toMatchObject({ name: 'UnavailableError', statusText: 'maxSubscriptions (2) is reached' })
    await expect(point.watch('my-app', undefined, from()).next()).rejects.toMatchObject({ name: 'UnavailableError' })
    await first.return(undefined)
    const fourth = point.watch('my-app', undefined, from())
    await expect(fourth.next()).resolves.toMatchObject({ done: false })
    await Promise.all([third.return(undefined), fourth.return(undefined)])
  })

  it('gives its place back when nobody waits for it any more, also where nobody says so', async () => {
    const point = await start({ maxSubscriptions: 1 })
    const controller = new AbortController()
    await point.watch('my-app', undefined, { ...from(), signal: controller.signal }).next()
    await expect(point.watch('my-app', undefined, from()).next()).rejects.toMatchObject({ name: 'UnavailableError' })
    controller.abort()
    const news = point.watch('my-app', undefined, from())

    await expect(news.next()).resolves.toMatchObject({ done: false })
    await news.return()
  })

  it('ends when it is not allowed any more', async () => {
    vi.useFakeTimers({ now: Date.now(), toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
    let isAllowed = true
    const point = await start({ authorize: () => ({ isAllowed, reason: 'not any more', until: Date.now() + 5_000 }) })
    const news = point.watch('my-app', undefined, from())
    await news.next()
    const next = news.next()
    isAllowed = false
    const refused = expect(next).rejects.toMatchObject({ name: 'NotAuthorizedError', statusText: 'not any more' })
    await vi.advanceTimersByTimeAsync(6_000)
    await refused
  })

  it('ends when nobody waits for it, and when the point stops, and leaves nothing behind', async () => {
    const store = new MemoryStore()
    const watching = new Set<object>()
    const subscribe = store.subscribe.bind(store)
    store.subscribe = (namespace, onChange) => {
      const end = subscribe(namespace, onChange)
      watching.add(onChange)

      return () => { watching.delete(onChange); end() }
    }
    const point = await start({ store })
    const controller = new AbortController()
    const one = point.watch('my-app', undefined, { ...from(), signal: controller.signal })
    const two = point.watch('my-app', undefined, from())
    await Promise.all([one.next(), two.next()])
    const [ended, stopped] = [one.next(), two.next()]
    expect(watching.size).toBe(2)
    controller.abort()

    expect(await ended).toEqual({ done: true, value: undefined })
    await point.stop()
    expect(await stopped).toEqual({ done: true, value: undefined })
    expect(watching.size).toBe(0)
  })
})
