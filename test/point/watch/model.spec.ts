import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaultLogger } from '@libp2p/logger'
import { multiaddr } from '@multiformats/multiaddr'
import { Pace } from '../../../src/point/pace.ts'
import { pointSettings } from '../../../src/point/settings.ts'
import { Unsent } from '../../../src/point/unsent.ts'
import { RecordBudget } from '../../../src/point/verification.ts'
import { Watch } from '../../../src/point/watch/watch.ts'
import { WatchEvent, WatchRequest } from '../../../src/protocol/watch.ts'
import { MemoryStore } from '../../../src/store/memory.ts'
import { FakeStream } from '../../fixtures/fake-stream.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { OnChange, RegistrationStore } from '../../../src/store/types.ts'
import type { Connection } from '@libp2p/interface'

const PEERS = 5
const NAMESPACES = ['a', 'b']
const TTL = 10_000

let peers: string[]
let ids: Map<string, string>

beforeAll(async () => {
  const made = await makePeers(PEERS)
  peers = made.map(({ peerId }) => peerId.toString())
  ids = new Map(made.map(({ peerId }) => [Buffer.from(peerId.toMultihash().bytes).toString('hex'), peerId.toString()]))
})

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }) })
afterEach(() => { vi.useRealTimers() })

/** A store whose wake-ups can be lost, as those of one that is shared may be. */
class Forgetful {
  readonly inner = new MemoryStore()
  readonly #subscribers = new Set<OnChange>()
  #isDeaf = false
  readonly store: RegistrationStore

  constructor () {
    this.store = new Proxy(this.inner as RegistrationStore, {
      get: (target, key) => {
        if (key === 'subscribe') {
          return (namespace: string, onChange: OnChange) => {
            this.#subscribers.add(onChange)
            const end = this.inner.subscribe(namespace, (...args) => {
              if (!this.#isDeaf) {
                onChange(...args)
              }
            })

            return () => {
              this.#subscribers.delete(onChange)
              end()
            }
          }
        }

        const value = target[key as keyof RegistrationStore]

        return typeof value === 'function' ? value.bind(target) : value
      }
    })
  }

  deaf (isDeaf: boolean): void {
    if (this.#isDeaf && !isDeaf) {
      this.#subscribers.forEach(onChange => { onChange(undefined, true) })
    }

    this.#isDeaf = isDeaf
  }
}

/** Someone who watches a namespace as the specification tells clients to. */
class Client {
  readonly #watch: Watch
  readonly #namespace: string
  readonly known = new Map<string, string>()
  #stream = new FakeStream()
  #cookie: Uint8Array | undefined
  #id = 0
  /** Those that a listing from the beginning has named so far. */
  #listed: Set<string> | undefined = new Set()
  /** What the present subscription has listed. */
  #told = new Set<string>()

  constructor (watch: Watch, namespace: string) {
    this.#watch = watch
    this.#namespace = namespace
    this.connect(false)
  }

  /** Opens a stream, as after a connection that was lost. */
  connect (hasCookie: boolean): void {
    this.read()
    this.#stream.abort()
    this.#stream = new FakeStream()
    this.#watch.serve(this.#stream.asStream, CONNECTION, new Unsent().outbox(this.#stream, 'a', () => {})).catch(() => {})
    this.#subscribe(hasCookie ? this.#cookie : undefined)
  }

  #subscribe (cookie: Uint8Array | undefined): void {
    this.#told = new Set()
    this.#listed = cookie == null ? new Set() : undefined
    this.#stream.receive(WatchRequest.encode({ unsubscribe: { id: this.#id } }))
    this.#stream.receive(WatchRequest.encode({ subscribe: { id: ++this.#id, ns: this.#namespace, ...(cookie == null ? {} : { cookie: cookie as Uint8Array<ArrayBuffer> }) } }))
  }

  stall (): void { this.#stream.stall() }
  flow (): void { this.#stream.flow() }

  read (): void {
    for (const bytes of this.#stream.read()) {
      this.#apply(WatchEvent.decode(bytes).update as WatchEvent.Update)
    }
  }

  #apply ({ id, status, gone, registrations, cookie, resync, more }: WatchEvent.Update): void {
    if (id !== this.#id) {
      return
    }

    expect(status ?? 'OK').toBe('OK')
    gone.forEach(bytes => this.known.delete(ids.get(Buffer.from(bytes).toString('hex')) as string))

    for (const { signedPeerRecord } of registrations) {
      const record = Buffer.from(signedPeerRecord as Uint8Array).toString()
      const [peer] = record.split(' ') as [string]
      expect(this.#told).not.toContain(record)
      this.#told.add(record)
      this.known.set(peer, record)
      this.#listed?.add(peer)
    }

    this.#cookie = cookie

    if (this.#listed != null && more !== true) {
      [...this.known.keys()].filter(peer => !this.#listed?.has(peer)).forEach(peer => this.known.delete(peer))
      this.#listed = undefined
    }

    if (resync === true) {
      this.#subscribe(undefined)
    }
  }
}

const CONNECTION = { remotePeer: { toString: () => 'watcher' }, remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/4001') } as unknown as Connection

type Step =
  | { type: 'register', peer: number, namespace: string, ttl: number, isCrowded: boolean }
  | { type: 'unregister', peer: number, namespace: string }
  | { type: 'wait', ms: number }
  | { type: 'expire' | 'deaf' | 'hearing' }
  | { type: 'stall' | 'flow' | 'read', client: number }
  | { type: 'connect', client: number, hasCookie: boolean }

const peer = fc.nat(PEERS - 1)
const namespace = fc.constantFrom(...NAMESPACES)
const client = fc.nat(3)
const lossless: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('register' as const), peer, namespace, ttl: fc.constantFrom(50, TTL), isCrowded: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('unregister' as const), peer, namespace }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, 12, 60) }) },
  fc.record({ type: fc.constant('expire' as const) }),
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('stall' as const, 'flow' as const, 'read' as const), client }) },
  fc.record({ type: fc.constant('connect' as const), client, hasCookie: fc.boolean() })
)
const lossy: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: lossless },
  fc.record({ type: fc.constantFrom('deaf' as const, 'hearing' as const) })
)

const LIMITS = { maxRegistrationsPerPeer: 9, maxRegistrationsPerNamespace: 9, maxNamespaces: 9, maxRegistrations: 9, maxBytes: 1e9 }

describe('those who watch', () => {
  it.each([
    ['whatever happens', lossless],
    ['also where wake-ups are lost', lossy]
  ])('know who is there, and are listed nothing twice, %s', async (_, step) => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), async steps => {
      const forgetful = new Forgetful()
      const { store, inner } = forgetful
      const watch = new Watch({
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
        account: () => new RecordBudget().open('', 0)
      })
      const clients = [0, 1, 2, 3].map(i => new Client(watch, NAMESPACES[i % 2] as string))
      let made = 0

      const take = async (step: Step): Promise<void> => {
        switch (step.type) {
          case 'register': {
            const peer = peers[step.peer] as string
            const limits = step.isCrowded ? { ...LIMITS, maxRegistrations: 3 } : LIMITS
            inner.register({
              namespace: step.namespace,
              peer,
              signedPeerRecord: Buffer.from(`${peer} ${++made}`),
              domain: 'libp2p-peer-record',
              network: step.isCrowded ? `10.${made}/0/1` : '192.0/2/1',
              ttl: step.ttl
            }, limits, Date.now())
            break
          }
          case 'unregister': inner.unregister(step.namespace, peers[step.peer] as string, Date.now()); break
          case 'wait': await vi.advanceTimersByTimeAsync(step.ms); break
          case 'expire': inner.expire(Date.now(), 100); break
          case 'deaf': forgetful.deaf(true); break
          case 'hearing': forgetful.deaf(false); break
          case 'connect': clients[step.client]?.connect(step.hasCookie); break
          default: clients[step.client]?.[step.type]()
        }
      }

      for (const step of steps) {
        await take(step)
      }

      // in the end everybody reads, and hears of everything
      forgetful.deaf(false)
      clients.forEach(each => { each.flow() })

      for (let round = 0; round < 4; round++) {
        inner.expire(Date.now() + 1_000, 100)
        await vi.advanceTimersByTimeAsync(6_000)
        clients.forEach(each => { each.read() })
        inner.expire(Date.now(), 100)
      }

      for (const [i, { known }] of clients.entries()) {
        const { registrations } = inner.list({ namespace: NAMESPACES[i % 2], limit: 100 }, Date.now()) as any
        expect([...known.values()].sort()).toEqual(registrations.map(({ signedPeerRecord }: any) => signedPeerRecord.toString()).sort())
      }

      watch.stop()
    }), { numRuns: 200 })
  })
})
