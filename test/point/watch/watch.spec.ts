import { defaultLogger } from '@libp2p/logger'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { networkRule } from '../../../src/point/network-of.ts'
import { Pace } from '../../../src/point/pace.ts'
import { pointSettings } from '../../../src/point/settings.ts'
import { Unsent } from '../../../src/point/unsent.ts'
import { RecordBudget } from '../../../src/point/verification.ts'
import { Watch } from '../../../src/point/watch/watch.ts'
import { WatchEvent, WatchRequest } from '../../../src/protocol/watch.ts'
import { MemoryStore } from '../../../src/store/memory.ts'
import { FakeStream } from '../../fixtures/fake-stream.ts'
import { ORIGIN } from '../../fixtures/origin.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { WatchInit } from '../../../src/point/watch/watch.ts'
import type { OnChange } from '../../../src/store/types.ts'
import type { MaybePromise } from '../../../src/protocol/maybe-promise.ts'
import type { RecordDomain } from '../../../src/protocol/peer-record.ts'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

const LIMITS = { maxRegistrationsPerPeer: 9, maxRegistrationsPerNamespace: 9, maxNamespaces: 9, maxRegistrations: 9, maxBytes: 1e9 }

let peer: PeerId

beforeAll(async () => {
  const [made] = await makePeers(1)
  peer = (made as { peerId: PeerId }).peerId
})

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }) })
afterEach(() => { vi.useRealTimers() })

function watchOf (store: MemoryStore, init: Partial<WatchInit> = {}): Watch {
  return new Watch({
    store,
    settings: pointSettings({}),
    authorize: undefined,
    now: Date.now,
    pace: new Pace(),
    log: defaultLogger().forComponent('test'),
    metrics: { wokenUp: () => {}, updated: () => {} },
    livePeers: undefined,
    networkOf: () => 'a',
    reads: () => undefined,
    point: 'point',
    * excess () { return undefined },
    answered: () => {},
    account: () => new RecordBudget().open('', 0),
    ...init
  })
}

class Client {
  readonly stream = new FakeStream()
  readonly connection: { id: string, remotePeer: PeerId, remoteAddr: Multiaddr, status: string }
  /** What the stream was served with, when that is over. */
  ended: unknown

  constructor (watch: Watch, unsent: Unsent = new Unsent(), address = '192.0.2.1') {
    this.connection = { id: address, remotePeer: peer, remoteAddr: multiaddr(`/ip4/${address}/tcp/1`), status: 'open' }
    const outbox = unsent.outbox(this.connection, '192.0/2/1', () => { this.stream.abort() })
    watch.serve(this.stream.asStream, this.connection as unknown as Connection, outbox)
      .then(() => { this.ended = 'well' }, err => { this.ended = err })
  }

  ask (request: WatchRequest): void {
    this.stream.receive(WatchRequest.encode(request))
  }

  read (): WatchEvent[] {
    return this.stream.read().map(bytes => WatchEvent.decode(bytes))
  }
}

function registers (store: MemoryStore, namespace: string): void {
  store.register({ namespace, peer: peer.toString(), signedPeerRecord: new Uint8Array(100), ttl: 60_000, ...ORIGIN }, LIMITS, Date.now())
}

describe('a stream on which nothing is read', () => {
  it('is lost when more events than a client can have use for wait on it', async () => {
    const client = new Client(watchOf(new MemoryStore()))
    client.stream.stall()

    for (let id = 0; id < 1_000; id++) {
      client.ask({ subscribe: { id } })
    }

    await vi.advanceTimersByTimeAsync(0)
    expect(client.ended).toBeUndefined()
    client.ask({ subscribe: { id: 1_000 } })
    client.ask({ subscribe: { id: 1_001 } })
    await vi.advanceTimersByTimeAsync(0)
    expect(client.ended).toMatchObject({ reason: 'slow' })
  })
})

describe('many who subscribe at once', () => {
  it('do not keep others from their turn', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance', 'Date'] })
    const store = new MemoryStore()
    registers(store, 'my-app')
    const list = store.list.bind(store)
    store.list = (...query) => {
      vi.advanceTimersByTime(1)

      return list(...query)
    }
    const watch = watchOf(store)
    const clients = Array.from({ length: 60 }, (_, i) => new Client(watch, undefined, `192.0.2.${i}`))
    const seen = clients.map(() => 0)
    const told = (): number => {
      clients.forEach((client, i) => { seen[i] = (seen[i] ?? 0) + client.read().length })

      return seen.filter(count => count > 0).length
    }
    clients.forEach(client => { client.ask({ subscribe: { id: 1, ns: 'my-app' } }) })
    expect(told()).toBeLessThan(30)

    await vi.advanceTimersByTimeAsync(100)
    expect(told()).toBe(60)
  })
})

describe('a stream with many subscriptions of one namespace', () => {
  it('keeps the point from telling again for four times as long as it took to tell all of them', async () => {
    const store = new MemoryStore()
    const client = new Client(watchOf(store))
    const send = client.stream.send.bind(client.stream)
    let told = 0
    // a millisecond for each update, of which many follow each other without a timer having its turn
    client.stream.send = bytes => {
      told++
      vi.advanceTimersByTime(1)

      return send(bytes)
    }
    const settled = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        await new Promise(setImmediate)
      }
    }

    for (let id = 0; id < 50; id++) {
      client.ask({ subscribe: { id, ns: 'chat' } })
    }

    await settled()
    await vi.advanceTimersByTimeAsync(10_000)
    registers(store, 'chat')
    await vi.advanceTimersByTimeAsync(20)
    await settled()
    expect(told).toBe(100)

    registers(store, 'chat')
    await vi.advanceTimersByTimeAsync(150)
    await settled()
    expect(told).toBe(100)
    await vi.advanceTimersByTimeAsync(60)
    await settled()
    expect(told).toBe(150)
  })
})

describe('a point that has as many subscriptions as it may have', () => {
  const full = 'maxSubscriptions (4) is reached'
  const statuses = (client: Client): unknown[] => client.read().map(({ update }) => [update?.id, update?.status ?? 'OK', update?.statusText])
  let watch: Watch

  beforeEach(() => {
    watch = watchOf(new MemoryStore(), { settings: pointSettings({ maxSubscriptions: 4 }), networkOf: networkRule() })
  })

  function clientAt (address: string, ...namespaces: string[]): Client {
    const client = new Client(watch, undefined, address)
    namespaces.forEach((ns, id) => { client.ask({ subscribe: { id, ns } }) })

    return client
  }

  it('ends the youngest of the network that has most in favour of a newcomer, and tells it', async () => {
    const many = clientAt('198.51.100.1', 'a', 'b', 'c')
    const few = clientAt('203.0.113.1', 'a')
    await vi.advanceTimersByTimeAsync(0)
    many.read()
    few.read()

    const newcomer = clientAt('192.0.2.1', 'a')
    await vi.advanceTimersByTimeAsync(0)
    expect(statuses(newcomer)).toEqual([[0, 'OK', undefined]])
    expect(statuses(many)).toEqual([[2, 'E_UNAVAILABLE', full]])
    expect(statuses(few)).toEqual([])
    expect(watch.size).toBe(4)

    // it comes back, to a network that has no less than the others would have then
    many.ask({ subscribe: { id: 3, ns: 'c' } })
    await vi.advanceTimersByTimeAsync(0)
    expect(statuses(many)).toEqual([[3, 'E_UNAVAILABLE', full]])
    expect(watch.size).toBe(4)
  })

  it('tells those that stand of what happens, and no other', async () => {
    const store = new MemoryStore()
    watch = watchOf(store, { settings: pointSettings({ maxSubscriptions: 2 }), networkOf: networkRule() })
    const many = clientAt('198.51.100.1', 'a', 'b')
    const newcomer = clientAt('192.0.2.1', 'b')
    await vi.advanceTimersByTimeAsync(0)
    many.read()
    newcomer.read()
    registers(store, 'a')
    registers(store, 'b')
    await vi.advanceTimersByTimeAsync(100)

    expect(many.read()).toMatchObject([{ update: { id: 0, registrations: [{ ns: 'a' }] } }])
    expect(newcomer.read()).toMatchObject([{ update: { id: 0, registrations: [{ ns: 'b' }] } }])
  })

  it('makes no room for what it refuses for another reason, nor for a network that has as many', async () => {
    const many = clientAt('198.51.100.1', 'a', 'b', 'c', 'd')
    await vi.advanceTimersByTimeAsync(0)
    many.read()
    const newcomer = clientAt('192.0.2.1', '')
    clientAt('198.51.100.1', 'e')
    await vi.advanceTimersByTimeAsync(0)

    expect(statuses(newcomer)).toEqual([[0, 'E_INVALID_NAMESPACE', 'a namespace is required']])
    expect(statuses(many)).toEqual([])
  })

  it('has room again for what has ended', async () => {
    const many = clientAt('198.51.100.1', 'a', 'b', 'c', 'd')
    many.ask({ unsubscribe: { id: 1 } })
    many.ask({ subscribe: { id: 4, ns: 'e' } })
    await vi.advanceTimersByTimeAsync(0)
    expect(statuses(many).at(-1)).toEqual([4, 'OK', undefined])
    many.stream.abort(new Error('The connection has gone'))
    await vi.advanceTimersByTimeAsync(0)

    expect(watch.size).toBe(0)
    const others = clientAt('198.51.100.1', 'a', 'b', 'c', 'd')
    await vi.advanceTimersByTimeAsync(0)
    expect(statuses(others)).toHaveLength(4)
    expect(watch.size).toBe(4)
  })
})

describe('a point that stops', () => {
  it('ends the streams on which it can tell nothing any more, and has nothing to do later', async () => {
    const watch = watchOf(new MemoryStore())
    const client = new Client(watch)
    client.ask({ subscribe: { id: 1, ns: 'chat' } })
    await vi.advanceTimersByTimeAsync(0)
    expect(watch.size).toBe(1)
    watch.stop()
    await vi.advanceTimersByTimeAsync(0)

    expect(client.ended).toBeInstanceOf(Error)
    expect(client.stream.status).toBe('aborted')
    expect(watch.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('tells those who watch when it has started again', async () => {
    const store = new MemoryStore()
    const watch = watchOf(store)
    new Client(watch).ask({ subscribe: { id: 1, ns: 'chat' } })
    watch.stop()
    await vi.advanceTimersByTimeAsync(0)

    const client = new Client(watch)
    client.ask({ subscribe: { id: 1, ns: 'chat' } })
    await vi.advanceTimersByTimeAsync(100)
    client.read()
    registers(store, 'chat')
    await vi.advanceTimersByTimeAsync(100)
    expect(client.read()).toMatchObject([{ update: { id: 1, registrations: [{ ns: 'chat' }] } }])
  })
})

describe('a peer that says it is live', () => {
  it('is not taken for live when its connection has gone before it was heard', async () => {
    const said: boolean[] = []
    const held = Promise.withResolvers<undefined>()
    const client = new Client(watchOf(new MemoryStore(), {
      livePeers: { say: (_, live) => { said.push(live) }, isLive: () => false },
      * excess () { yield held.promise; return undefined }
    }))
    client.ask({ presence: { live: true } })
    client.connection.status = 'closed'
    client.stream.abort(new Error('The connection has gone'))
    held.resolve(undefined)
    await vi.advanceTimersByTimeAsync(0)

    expect(said).toEqual([false])
    expect(client.stream.read()).toEqual([])
  })
})

describe('those who read different forms', () => {
  it('are each told in the form that they read, once that is known, also when all are told at once', async () => {
    const store = new MemoryStore()
    const known = Promise.withResolvers<RecordDomain>()
    const forms: Array<MaybePromise<RecordDomain>> = ['libp2p-peer-record', 'libp2p-routing-state', known.promise]
    const clients: Client[] = []
    const watch = watchOf(store, { reads: connection => forms[clients.findIndex(client => client.connection === connection as unknown)] })
    const register = (): unknown => store.register({ ...ORIGIN, namespace: 'chat', peer: peer.toString(), signedPeerRecord: Uint8Array.of(1), otherRecord: Uint8Array.of(2), ttl: 60_000 }, LIMITS, Date.now())
    const told = (): unknown => clients.map(client => client.read().flatMap(({ update }) => update?.registrations.map(({ signedPeerRecord }) => signedPeerRecord?.[0])))
    register()
    forms.forEach(() => clients.push(new Client(watch)))
    clients.push(new Client(watch))
    clients.forEach((client, i) => { client.ask({ subscribe: { ns: 'chat', bothForms: i === 3 } }) })
    await vi.advanceTimersByTimeAsync(20)
    expect(told()).toEqual([[1], [2], [], [1]])

    known.resolve('libp2p-routing-state')
    await vi.advanceTimersByTimeAsync(0)
    expect(told()).toEqual([[], [], [2], []])

    register()
    await vi.advanceTimersByTimeAsync(20)
    expect(told()).toEqual([[1], [2], [2], [1]])
  })
})

describe('a store that may have missed something', () => {
  it('has those who watch find out within some seconds, and keeps nobody else waiting', async () => {
    const store = new MemoryStore()
    const changes = new Map<string, OnChange>()
    const subscribe = store.subscribe.bind(store)
    store.subscribe = (namespace, onChange) => {
      changes.set(namespace, onChange)

      return subscribe(namespace, onChange)
    }
    const client = new Client(watchOf(store))
    client.ask({ subscribe: { id: 1, ns: 'chat' } })
    client.ask({ subscribe: { id: 2, ns: 'games' } })
    await vi.advanceTimersByTimeAsync(0)
    client.read()

    vi.spyOn(Math, 'random').mockReturnValue(0.9)
    changes.get('chat')?.(undefined, true)
    registers(store, 'games')
    await vi.advanceTimersByTimeAsync(20)
    expect(client.read()).toMatchObject([{ update: { id: 2 } }])

    await vi.advanceTimersByTimeAsync(5_000)
    expect(client.read()).toMatchObject([{ update: { id: 1, resync: true } }])
    vi.restoreAllMocks()
  })
})

describe('a subscription that is authorized until some time', () => {
  const END = 90_000

  it('is ended then with the reason, though nothing happens, and not before', async () => {
    const asked: Array<string | undefined> = []
    let begin = 0
    const client = new Client(watchOf(new MemoryStore(), {
      authorize: async ({ token }) => {
        asked.push(token)

        return Date.now() < begin + END ? { isAllowed: true, until: begin + END } : { isAllowed: false, reason: 'it is over' }
      }
    }))
    begin = Date.now()
    client.ask({ subscribe: { id: 1, ns: 'chat', token: 'a token' } })
    client.ask({ subscribe: { id: 2, ns: 'news', token: 'a token' } })
    await vi.advanceTimersByTimeAsync(0)
    expect(client.read()).toMatchObject([{ update: { id: 1 } }, { update: { id: 2 } }])
    client.ask({ unsubscribe: { id: 2 } })
    await vi.advanceTimersByTimeAsync(END - 1)
    expect(client.read()).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(client.read()).toMatchObject([{ update: { id: 1, status: 'E_NOT_AUTHORIZED', statusText: 'it is over' } }])
    expect(asked).toEqual(['a token', 'a token', 'a token'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('goes on where the answer is another by then', async () => {
    let times = 0
    const client = new Client(watchOf(new MemoryStore(), {
      authorize: () => ({ isAllowed: true, until: Date.now() + (++times < 3 ? END : Infinity) })
    }))
    client.ask({ subscribe: { id: 1, ns: 'chat' } })
    await vi.advanceTimersByTimeAsync(10 * END)
    expect(client.read()).toMatchObject([{ update: { id: 1 } }])
    expect(times).toBe(3)
  })

  it('has what is verified for it counted, once a minute at the most', async () => {
    const spent: number[] = []
    const store = new MemoryStore()
    const client = new Client(watchOf(store, {
      authorize: ({ verifying }) => { verifying(); return true },
      answered: (_, bytes, work = 0) => { spent.push(...(bytes === 0 ? [work] : [])) }
    }))
    client.ask({ subscribe: { id: 1, ns: 'chat' } })
    await vi.advanceTimersByTimeAsync(0)
    registers(store, 'chat')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(spent).toEqual([5])
    await vi.advanceTimersByTimeAsync(31_000)
    registers(store, 'chat')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(spent).toEqual([5, 5])
    expect(client.read()).toHaveLength(3)
  })
})
