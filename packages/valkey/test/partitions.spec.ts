import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { valkeyStore } from '../src/index.ts'
import { describeServers, startServer } from './servers.ts'
import type { Server } from './servers.ts'
import type { NewRegistration, RegistrationStore, StoreLimits } from 'libp2p-rendezvous'

const HOUR = 3_600_000

const LIMITS: StoreLimits = { maxRegistrationsPerPeer: 2, maxRegistrationsPerNamespace: 1e6, maxNamespaces: 1e6, maxRegistrations: 1e6, maxBytes: 1e12 }

const registration = (namespace: string, peer = 'peer', init: Partial<NewRegistration> = {}): NewRegistration =>
  ({ namespace, peer, signedPeerRecord: new Uint8Array(10), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl: HOUR, ...init })

it('there are as many partitions as can be', () => {
  for (const partitions of [0, -1, 1.5, 65, NaN]) {
    expect(() => valkeyStore({ client: { duplicate: () => {} }, partitions })).toThrow(`partitions has to be a number from 1 to 64, not ${partitions}`)
  }
})

describe('a store in partitions', () => {
  describeServers(kind => {
    let server: Server
    let prefix: string
    let prefixes = 0
    let store: RegistrationStore

    beforeAll(async () => { server = await startServer(kind) })
    afterAll(async () => { await server?.destroy() })

    beforeEach(async () => {
      prefix = `store-${++prefixes}`
      store = valkeyStore({ client: server.client(), prefix, partitions: 4 })
      await store.start?.()

      return async () => { await store.stop?.() }
    })

    const register = async (...args: Parameters<typeof registration>): Promise<string> => {
      const result = await store.register(registration(...args), LIMITS, Date.now())

      return 'limit' in result ? result.limit : result.refreshed ? 'refreshed' : 'registered'
    }

    const keys = async (pattern: string): Promise<string[]> => (await server.ask('KEYS', `{${prefix}*}${pattern}`)).sort()

    const peersOf = (registrations: Array<{ peer: string }> = []): string[] => registrations.map(({ peer }) => peer)

    /** The key of the partition that a namespace is in. */
    async function partitionOf (namespace: string): Promise<string> {
      await register(namespace, `in ${namespace}`)
      const [key] = await keys(`:in:1:${namespace}`)

      return key?.slice(0, key.indexOf('}') + 1) as string
    }

    it('is divided by namespace', async () => {
      for (let i = 0; i < 40; i++) {
        await register(`space-${i}`, `peer-${i}`)
        await register(`space-${i}`, `other-${i}`)
      }

      expect(await keys('')).toEqual([`{${prefix}:1}`, `{${prefix}:2}`, `{${prefix}:3}`, `{${prefix}}`])
      expect(await keys(':in:*')).toHaveLength(40)
      expect(await keys(':registrations')).toHaveLength(4)
      expect(store.size).toMatchObject({ registrations: 80, namespaces: 40 })
    })

    it.each([[4, 1], [4, 8], [1, 4]])('is not begun in %d partitions and gone on with in %d', async (before, after) => {
      const changed = `changed-${prefix}`
      const first = valkeyStore({ client: server.client(), prefix: changed, partitions: before })
      await first.start?.()
      await first.stop?.()
      const second = valkeyStore({ client: server.client(), prefix: changed, partitions: after })

      await expect(second.start?.()).rejects.toThrow(`what is stored under "{${changed}}" was begun with another number of partitions (${before}, not ${after}), which cannot be changed`)
      expect(await server.ask('KEYS', `{${changed}:4}*`)).toEqual([])
    })

    it('counts for a peer what it has in all partitions, and no longer what it has given back', async () => {
      expect([await register('a'), await register('b'), await register('c'), await register('a')]).toEqual(['registered', 'registered', 'maxRegistrationsPerPeer', 'refreshed'])
      await store.unregister('a', 'peer', Date.now())
      expect([await register('c'), await register('d')]).toEqual(['registered', 'maxRegistrationsPerPeer'])
      await store.enter?.('peer', 'point', Date.now())
      expect(await store.leave?.('peer', 'point', true, Date.now())).toHaveLength(2)
      expect([await register('d'), await register('e'), await register('f')]).toEqual(['registered', 'registered', 'maxRegistrationsPerPeer'])
    })

    it('does not count for a peer what has expired, made room or was refused', async () => {
      expect(await register('a', 'peer', { ttl: -2_000 })).toBe('registered')
      expect(await register('b', 'peer', { network: '203.0/113/1' })).toBe('registered')
      expect(await register('b', 'other', { network: '203.0/113/2' })).toBe('registered')
      const limits = { ...LIMITS, maxRegistrationsPerNamespace: 2 }
      expect(await store.register(registration('b', 'third', { network: '203.0/113/3' }), limits, Date.now())).toEqual({ limit: 'maxRegistrationsPerNamespace' })
      expect(await store.register(registration('b', 'newcomer'), limits, Date.now())).toMatchObject({ displaced: [{ peer: 'other' }] })

      for (const peer of ['peer', 'other', 'third']) {
        expect(await register('c', peer)).toBe('registered')
      }

      expect([await register('d', 'peer'), await register('d', 'other'), await register('d', 'third')]).toEqual(['maxRegistrationsPerPeer', 'registered', 'registered'])
    })

    it('has a reservation end by itself that nobody confirms', async () => {
      await register('a')
      // as if whoever made it had died before it could say more
      const [key] = await keys(':claims:peer')
      const soon = Buffer.alloc(8)
      soon.writeDoubleBE(Date.now() + 300)
      await server.ask('HSET', key as string, 'b', soon as any)
      expect(await register('c')).toBe('maxRegistrationsPerPeer')
      await expect.poll(async () => register('c')).toBe('registered')
    })

    it('forgets what a peer takes when all of it has ended', async () => {
      await register('a', 'peer', { ttl: 100 })
      await register('b', 'peer', { ttl: 200 })
      // a reservation lives for a minute, so that is when
      const [key] = await keys(':claims:peer')
      const left = await server.ask('PTTL', key as string)
      expect(left).toBeGreaterThan(0)
      expect(left).toBeLessThanOrEqual(60_000)
      await register('b', 'peer')
      expect(await server.ask('PTTL', key as string)).toBeGreaterThan(HOUR - 60_000)
    })

    it('renews what a peer has, though it has more than it may', async () => {
      await register('a')
      await register('b')
      const [key] = await keys(':claims:peer')
      await server.ask('DEL', key as string)
      expect([await register('c'), await register('d')]).toEqual(['registered', 'registered'])
      expect([await register('a'), await register('b'), await register('e')]).toEqual(['refreshed', 'refreshed', 'maxRegistrationsPerPeer'])
    })

    it('leaves each partition its part of all, whatever the others hold', async () => {
      const limits = { ...LIMITS, maxRegistrations: 40 }
      const inTheWay = await partitionOf('a')
      const elsewhere = await Promise.all(Array.from({ length: 8 }, async (_, i) => partitionOf(`space-${i}`)))
      const free = `space-${elsewhere.findIndex(key => key !== inTheWay)}`

      for (let i = 0; i < 60; i++) {
        await store.register(registration('a', `attacker-${i}`, { network: `203.0/${i}/1` }), limits, Date.now())
      }

      expect(store.size.registrations).toBe(40)

      for (let i = 0; i < 8; i++) {
        expect(await store.register(registration(free, `honest-${i}`, { network: `${10 + i}.0/0/1` }), limits, Date.now())).toMatchObject({ displaced: [] })
      }

      expect(await store.register(registration('a', 'honest', { network: '10.0/0/1' }), limits, Date.now())).toMatchObject({ displaced: [{ network: expect.stringMatching('203.0') }] })
    })

    it('lists all in one order, and goes on where a partition has lost what it had', async () => {
      const names = Array.from({ length: 100 }, (_, i) => `peer-${i}`)

      for (const [i, peer] of names.entries()) {
        await register(`space-${i % 10}`, peer)
      }

      const pages: string[] = []
      let after: number | undefined

      for (let page; pages.length < 50; after = page?.cursor) {
        page = await store.list({ limit: 10, after }, Date.now())
        pages.push(...peersOf(page?.registrations))
      }

      expect(pages).toEqual(names.slice(0, 50))
      const lost = await partitionOf('space-7')
      await server.ask('DEL', ...await server.ask('KEYS', `${lost}*`))
      expect(await store.list({ namespace: 'space-7', limit: 10, after }, Date.now())).toBe(undefined)
      await register('space-7', 'late')
      const rest = peersOf((await store.list({ limit: 100, after }, Date.now()))?.registrations)
      expect(rest.at(-1)).toBe('late')
      expect(rest.length).toBeLessThan(52)
      expect(names.slice(50).filter(peer => rest.includes(peer))).toEqual(rest.filter(peer => names.includes(peer)))

      await server.ask('FLUSHALL')
      expect(await store.list({ limit: 10, after }, Date.now())).toBe(undefined)
      await register('space', 'after')
      expect(await store.list({ limit: 10, after }, Date.now())).toBe(undefined)
      expect(peersOf((await store.list({ limit: 10 }, Date.now()))?.registrations)).toEqual(['after'])
    })

    it('lists nothing before a cursor later on, while many register', async () => {
      const other = valkeyStore({ client: server.client(), prefix, partitions: 4 })
      await other.start?.()
      let isDone = false
      const registering = Promise.all(Array.from({ length: 8 }, async (_, i) => {
        for (let j = 0; j < 50; j++) {
          await store.register(registration(`space-${(i + j) % 12}`, `peer-${i}-${j}`), LIMITS, Date.now())
        }
      })).finally(() => { isDone = true })
      const listed: string[] = []
      let after: number | undefined

      for (let isLast = false; !isLast;) {
        isLast = isDone
        const page = await other.list({ limit: 7, after }, Date.now())
        listed.push(...peersOf(page?.registrations))
        after = page?.cursor
        isLast &&= page?.registrations.length === 0
      }

      await registering
      expect(listed).toHaveLength(400)
      expect(new Set(listed).size).toBe(400)
      await other.stop?.()
    })
  })
})
