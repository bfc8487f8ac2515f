import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { rendezvousPoint } from '../../src/point/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { FakeStream } from '../fixtures/fake-stream.ts'
import { identity } from '../fixtures/records.ts'
import { NOW } from '../fixtures/requests.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { RendezvousPoint } from '../../src/point/rendezvous-point.ts'
import type { RendezvousPointInit } from '../../src/point/types.ts'
import type { RegistrationStore } from '../../src/store/types.ts'
import type { Connection, StreamHandler } from '@libp2p/interface'

const HOUR = 60 * 60 * 1000
const NO_LIMITS = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }

let peer: string

beforeAll(async () => {
  peer = (await identity()).peerId.toString()
})

beforeEach(() => { vi.useFakeTimers({ now: NOW }) })
afterEach(() => { vi.useRealTimers() })

interface Fixture {
  point: RendezvousPoint
  store: RegistrationStore
  /** What the point did with the node and the store, in order. */
  calls: string[]
}

/** A point with a node that only takes notes. */
function pointWith (broken: Partial<RegistrationStore> = {}, init: RendezvousPointInit = {}, registrar: object = {}): Fixture {
  const calls: string[] = []
  const memory = new MemoryStore()
  const store: RegistrationStore = {
    get size () { return memory.size },
    register: memory.register.bind(memory),
    unregister: memory.unregister.bind(memory),
    list: memory.list.bind(memory),
    registrationsOf: memory.registrationsOf.bind(memory),
    expire: (now, limit) => {
      calls.push('expire')

      return memory.expire(now, limit)
    },
    nextExpiry: memory.nextExpiry.bind(memory),
    start: () => { calls.push('store.start') },
    stop: () => { calls.push('store.stop') },
    ...broken
  }
  const point = rendezvousPoint({ ...init, store })({
    logger: defaultLogger(),
    events: new TypedEventEmitter(),
    connectionManager: { getConnections: () => [], getMaxConnections: () => 300 },
    connectionGater: {},
    registrar: {
      handle: async (protocol: string) => { calls.push(`handle ${protocol}`) },
      unhandle: async (protocol: string) => { calls.push(`unhandle ${protocol}`) },
      ...registrar
    }
  } as any) as RendezvousPoint

  return { point, store, calls }
}

function fill (store: RegistrationStore, count: number, ttl = HOUR): void {
  for (let i = 0; i < count; i++) {
    store.register({ ...ORIGIN, namespace: `namespace ${i}`, peer, signedPeerRecord: new Uint8Array(1), ttl }, NO_LIMITS, Date.now())
  }
}

describe('starting and stopping', () => {
  it('starts the store before it answers, and stops it after', async () => {
    const { point, calls } = pointWith()
    expect(point.isStarted()).toBe(false)
    await point.start()
    expect(point.isStarted()).toBe(true)
    await point.stop()

    expect(point.isStarted()).toBe(false)
    expect(calls).toEqual(['store.start', 'handle /rendezvous/1.0.0', 'handle /rendezvous/watch/1.0.0', 'unhandle /rendezvous/1.0.0', 'unhandle /rendezvous/watch/1.0.0', 'store.stop'])
  })

  // it would wait for one for as long as the stream is open, and keep what the negotiation has left
  it('gives libp2p no promise for a stream', async () => {
    const handlers: StreamHandler[] = []
    const { point } = pointWith({}, {}, { handle: async (protocol: string, handler: StreamHandler) => { handlers.push(handler) } })
    await point.start()
    const connection = { remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/1'), remotePeer: (await identity()).peerId, streams: [], status: 'open' } as unknown as Connection

    expect(handlers).toHaveLength(2)

    for (const handler of handlers) {
      expect(handler(new FakeStream().asStream, connection)).toBeUndefined()
    }

    await point.stop()
  })

  it('answers another protocol when it is told to', async () => {
    const { point, calls } = pointWith({}, { protocol: '/mine/1.0.0' })
    await point.start()

    expect(point.protocol).toBe('/mine/1.0.0')
    expect(calls).toContain('handle /mine/1.0.0')
  })

  it('does each once, however often it is told to', async () => {
    const { point, calls } = pointWith()
    await point.stop()
    await Promise.all([point.start(), point.start()])
    await Promise.all([point.beforeStop(), point.stop(), point.stop(), point.beforeStop()])
    await point.stop()

    expect(calls).toEqual(['store.start', 'handle /rendezvous/1.0.0', 'handle /rendezvous/watch/1.0.0', 'unhandle /rendezvous/1.0.0', 'unhandle /rendezvous/watch/1.0.0', 'store.stop'])
  })

  it('starts again after it has stopped', async () => {
    const { point, calls, store } = pointWith()
    await point.start()
    await point.stop()
    calls.length = 0
    await point.start()
    const expired = vi.fn()
    point.addEventListener('registration:expired', expired)
    fill(store, 1)
    // learns of it as it would by a request
    await point.stop()
    await point.start()
    await vi.advanceTimersByTimeAsync(HOUR + 1_000)

    expect(calls.slice(0, 2)).toEqual(['store.start', 'handle /rendezvous/1.0.0'])
    expect(expired).toHaveBeenCalledTimes(1)
  })

  it('stops what it has started, and no more', async () => {
    const { point, calls } = pointWith({ start: async () => { throw new Error('the disk is gone') } })
    await expect(point.start()).rejects.toThrow('the disk is gone')
    await point.stop()

    expect(calls).toEqual([])
  })

  it('starts to the end before it stops', async () => {
    const started = Promise.withResolvers<void>()
    const { point, calls } = pointWith({ start: async () => started.promise })
    const starting = point.start()
    const stopping = point.stop()
    started.resolve()
    await Promise.all([starting, stopping])

    expect(point.isStarted()).toBe(false)
    expect(calls).toEqual(['handle /rendezvous/1.0.0', 'handle /rendezvous/watch/1.0.0', 'unhandle /rendezvous/1.0.0', 'unhandle /rendezvous/watch/1.0.0', 'store.stop'])
  })

  it('stops all the same when the node does not take back the protocol', async () => {
    const { point, calls } = pointWith({}, {}, { unhandle: async () => { throw new Error('the peer store is gone') } })
    await point.start()
    await point.stop()

    expect(point.isStarted()).toBe(false)
    expect(calls).toContain('store.stop')
  })

  it('stops all the same when the store does not say what has expired', async () => {
    const { point, calls, store } = pointWith({ expire: async () => new Promise(() => {}) })
    fill(store, 1)
    await point.start()
    await vi.advanceTimersByTimeAsync(HOUR + 1_000)
    const stopping = point.stop()
    await vi.advanceTimersByTimeAsync(10_000)
    await stopping

    expect(calls).toContain('store.stop')
  })

  it('has not started when the store cannot, and may try again', async () => {
    let isAway = true
    const { point, calls } = pointWith({ start: async () => { if (isAway) { throw new Error('the disk is gone') } } })

    await expect(point.start()).rejects.toThrow('the disk is gone')
    expect(point.isStarted()).toBe(false)
    isAway = false
    await point.start()
    expect(point.isStarted()).toBe(true)
    expect(calls.slice(-2)).toEqual(['handle /rendezvous/1.0.0', 'handle /rendezvous/watch/1.0.0'])
  })

  it('stops the store again when the node has another handler', async () => {
    const { point, calls } = pointWith({}, {}, { handle: async () => { throw new Error('Handler already registered') } })

    await expect(point.start()).rejects.toThrow('already registered')
    expect(point.isStarted()).toBe(false)
    expect(calls).toContain('store.stop')
  })

  it('refuses options out of their range, before anything starts', () => {
    expect(() => pointWith({}, { maxNamespaces: 0 })).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })

  it('lets a removal of expired registrations end before it stops the store', async () => {
    const removing = Promise.withResolvers<[]>()
    const { point, store, calls } = pointWith({ expire: async () => removing.promise })
    fill(store, 1)
    await point.start()
    await vi.advanceTimersByTimeAsync(2 * HOUR)
    const stopped = point.stop()
    await vi.advanceTimersByTimeAsync(0)
    expect(calls).not.toContain('store.stop')
    removing.resolve([])
    await stopped
    expect(calls).toContain('store.stop')
  })
})

describe('expiry', () => {
  it('needs one timer, however much is registered', async () => {
    const { point, store } = pointWith()
    await point.start()
    expect(vi.getTimerCount()).toBe(1)
    await point.stop()
    fill(store, 1_000)
    await point.start()
    expect(vi.getTimerCount()).toBe(1)
    await point.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('tells of each registration once, when its time is up', async () => {
    const { point, store } = pointWith()
    const expired: any[] = []
    point.addEventListener('registration:expired', ({ detail }) => { expired.push(detail) })
    fill(store, 1_000)
    await point.start()
    await vi.advanceTimersByTimeAsync(HOUR - 1)
    expect(expired).toEqual([])
    await vi.advanceTimersByTimeAsync(1_100)

    expect(expired).toHaveLength(1_000)
    expect(new Set(expired.map(({ namespace }) => namespace)).size).toBe(1_000)
    expect(expired[0]).toEqual({ peer: expect.anything(), namespace: expect.any(String), expires: NOW + HOUR })
    expect(expired[0].peer.toString()).toBe(peer)
    expect(point.size).toEqual({ registrations: 0, namespaces: 0, peers: 0, bytes: 0 })
    expect(vi.getTimerCount()).toBe(1)
  })

  it('is looked for once in a minute where nothing is known to be registered, for others may use the store', async () => {
    const { point, store, calls } = pointWith({ nextExpiry: () => undefined })
    const expired = vi.fn()
    point.addEventListener('registration:expired', expired)
    await point.start()
    fill(store, 1, 90_000)
    await vi.advanceTimersByTimeAsync(125_000)

    expect(expired).toHaveBeenCalledOnce()
    expect(calls.filter(call => call === 'expire')).toHaveLength(2)
    await point.stop()
  })

  it.each([['forward', 10 * HOUR], ['back', -10 * HOUR]])('comes when a lifetime has passed, however far the clock is set %s', async (_, far) => {
    const { point, store, calls } = pointWith()
    fill(store, 1)
    await point.start()
    vi.setSystemTime(NOW + far)
    await vi.advanceTimersByTimeAsync(HOUR - 1)
    expect(point.size.registrations).toBe(1)
    expect(calls.filter(call => call === 'expire').length).toBeLessThanOrEqual(61)
    await vi.advanceTimersByTimeAsync(1_100)

    expect(point.size.registrations).toBe(0)
  })

  it('goes by the clock as it is at the next start', async () => {
    const { point, store } = pointWith()
    fill(store, 1)
    await point.start()
    await point.stop()
    vi.setSystemTime(NOW + 10 * HOUR)
    await point.start()
    await vi.advanceTimersByTimeAsync(1)

    expect(point.size.registrations).toBe(0)
    await point.stop()
  })

  it('is tried again when the store is away, and not at once', async () => {
    let tries = 0
    const { point, store } = pointWith({
      expire: async () => {
        tries++
        throw new Error('the disk is gone')
      }
    })
    fill(store, 1)
    await point.start()
    await vi.advanceTimersByTimeAsync(HOUR)
    tries = 0
    await vi.advanceTimersByTimeAsync(60_000)

    expect(tries).toBeGreaterThan(5)
    expect(tries).toBeLessThan(20)
    expect(vi.getTimerCount()).toBe(1)
    await point.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not keep the process busy when a store is due and has nothing', async () => {
    let tries = 0
    const { point } = pointWith({ nextExpiry: () => NOW, expire: () => { tries++; return [] } })
    await point.start()
    await vi.advanceTimersByTimeAsync(1_000)

    expect(tries).toBeLessThanOrEqual(21)
    await point.stop()
  })
})

describe('what the operator ends', () => {
  /** What the point has told of. */
  function evictedFrom (point: RendezvousPoint): string[] {
    const namespaces: string[] = []
    point.addEventListener('registration:evicted', ({ detail }) => { namespaces.push(`${detail.peer.toString() === peer} ${detail.namespace}`) })

    return namespaces
  }

  it('is all that a peer has registered, each told of once', async () => {
    const { point, store } = pointWith()
    await point.start()
    fill(store, 3)
    const evicted = evictedFrom(point)
    const { peerId } = await identity()

    expect(await point.evict(peerId)).toBe(0)
    expect(await point.evict(peerIdFromString(peer))).toBe(3)
    expect(evicted).toEqual(['true namespace 0', 'true namespace 1', 'true namespace 2'])
    expect(point.size.registrations).toBe(0)
  })

  it('is all that is in a namespace, however much, and nothing else', async () => {
    const { point, store } = pointWith()
    await point.start()
    fill(store, 2)

    for (let i = 0; i < 250; i++) {
      store.register({ ...ORIGIN, namespace: 'namespace 0', peer: (await identity()).peerId.toString(), signedPeerRecord: new Uint8Array(1), ttl: HOUR }, NO_LIMITS, Date.now())
    }

    const evicted = evictedFrom(point)
    vi.useRealTimers()

    expect(await point.closeNamespace('namespace 0')).toBe(251)
    expect(evicted).toHaveLength(251)
    expect(point.size).toMatchObject({ registrations: 1, namespaces: 1 })
    expect(point.closedNamespaces).toEqual(['namespace 0'])
    expect(point.openNamespace('namespace 0')).toBe(true)
    expect(point.openNamespace('namespace 0')).toBe(false)
    expect(point.closedNamespaces).toEqual([])
  })

  it('can be said before the point starts', async () => {
    const { point, calls } = pointWith({ list: () => { throw new Error('the store has not started') } })

    expect(await point.closeNamespace('my-app')).toBe(0)
    await point.start()
    expect(point.closedNamespaces).toEqual(['my-app'])
    expect(calls).toContain('store.start')
  })

  it('is a namespace that there can be', async () => {
    await expect(pointWith().point.closeNamespace('')).rejects.toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
    await expect(pointWith().point.closeNamespace('x'.repeat(256))).rejects.toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })

  it('is waited for no longer than a request', async () => {
    const { point } = pointWith({ registrationsOf: async () => new Promise(() => {}) })
    await point.start()
    const evicting = expect(point.evict(peerIdFromString(peer))).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }))
    await vi.advanceTimersByTimeAsync(10_000)
    await evicting
  })
})
