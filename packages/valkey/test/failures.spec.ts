import { createClient } from '@redis/client'
import { afterEach, describe, expect, it } from 'vitest'
import { allEvents, nextEvent } from '../../../test/fixtures/events.ts'
import { addressOf, clientNode, pointNode, stopNodes } from '../../../test/fixtures/nodes.ts'
import { valkeyStore } from '../src/index.ts'
import { forward } from './forward.ts'
import { describeServers, startServer } from './servers.ts'
import type { Forward } from './forward.ts'
import type { Server } from './servers.ts'
import type { ValkeyStoreInit } from '../src/index.ts'
import type { NewRegistration, RegistrationStore, StoreLimits } from 'libp2p-rendezvous'

const MINUTE = 60_000

const LIMITS: StoreLimits = { maxRegistrationsPerPeer: 1e6, maxRegistrationsPerNamespace: 1e6, maxNamespaces: 1e6, maxRegistrations: 1e6, maxBytes: 1e12 }

const registration = (peer: string, size = 10): NewRegistration =>
  ({ namespace: 'space', peer, signedPeerRecord: new Uint8Array(size), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl: 60 * MINUTE })

const soon: typeof expect.poll = condition => expect.poll(condition, { timeout: 20_000 })

describeServers(kind => {
  const servers: Server[] = []
  const stores: RegistrationStore[] = []
  const forwards: Forward[] = []

  afterEach(async () => {
    await stopNodes()
    await Promise.all(stores.splice(0).map(async store => store.stop?.()))
    await Promise.all(forwards.splice(0).map(async forward => forward.close()))
    await Promise.all(servers.splice(0).map(async server => server.destroy()))
  })

  async function start (...options: string[]): Promise<Server> {
    const server = await startServer(kind, ...options)
    servers.push(server)

    return server
  }

  async function startForward ({ port }: Server): Promise<Forward> {
    const address = await forward(port)
    forwards.push(address)

    return address
  }

  /** A primary, and a replica that has all of it. */
  async function startPair (): Promise<[primary: Server, replica: Server]> {
    const primary = await start('--repl-diskless-sync-delay', '0')
    const replica = await start('--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', `${primary.port}`)
    await soon(async () => String(await replica.ask('INFO', 'replication'))).toContain('master_link_status:up')

    return [primary, replica]
  }

  /** How a replica is made the primary, and the primary its replica. */
  const takeovers = {
    FAILOVER: async (primary: Server, replica: Server) => {
      await soon(async () => primary.ask('FAILOVER').catch(String)).toBe('OK')
      await soon(async () => String(await primary.ask('INFO', 'replication'))).toContain('role:slave')
      await soon(async () => String(await replica.ask('INFO', 'replication'))).toContain('role:master')
    },
    REPLICAOF: async (primary: Server, replica: Server) => {
      await replica.ask('REPLICAOF', 'NO', 'ONE')
      await primary.ask('REPLICAOF', '127.0.0.1', `${replica.port}`)
    }
  }

  async function started (server: Pick<Server, 'client'>, init: Partial<ValkeyStoreInit> = {}): Promise<RegistrationStore> {
    const store = valkeyStore({ client: server.client(), ...init })
    await store.start?.()
    stores.push(store)

    return store
  }

  const register = async (store: RegistrationStore, peer: string, size?: number): Promise<boolean> =>
    !('limit' in await store.register(registration(peer, size), LIMITS, Date.now()))

  const listed = async (store: RegistrationStore): Promise<string[] | undefined> =>
    (await store.list({ namespace: 'space', limit: 1_000 }, Date.now()))?.registrations.map(({ peer }) => peer)

  describe('a start says in one line what is wrong', () => {
    it.each([
      ['there is no server', async () => ({ url: 'redis://127.0.0.1:1' }), /^connect ECONNREFUSED 127.0.0.1:1$/],
      ['the password is wrong', async () => ({ url: (await start('--requirepass', 'right')).url.replace('//', '//:wrong@') }), /^WRONGPASS/],
      ['a password is missing', async () => ({ url: (await start('--requirepass', 'right')).url }), /^NOAUTH/],
      ['keys may be evicted', async () => ({ url: (await start('--maxmemory-policy', 'allkeys-lru')).url }), /^the server removes keys by itself when it is full \(maxmemory-policy allkeys-lru\), and noeviction is needed$/],
      ['another version uses the prefix', async () => {
        const server = await start()
        await server.ask('HSET', '{rendezvous}', 'form', '99')

        return { url: server.url }
      }, /^what is stored under "{rendezvous}" is of another version of this package$/],
      ['nobody answers', async () => {
        const server = await start()
        process.kill(server.pid, 'SIGSTOP')

        return { url: server.url, timeout: 100 }
      }, /^the server has not answered within 200 ms$/],
      ['it is a replica', async () => ({ url: (await start('--replicaof', '127.0.0.1', '1')).url }), /^the server is a replica, and the primary is needed$/],
      ['it is a node of a cluster', async () => ({ url: (await start('--cluster-enabled', 'yes')).url }), /^the server is a node of a cluster, which takes a client that is made by createCluster$/]
    ])('%s', async (_, prepare: () => Promise<{ url: string, timeout?: number }>, message) => {
      const { url, ...init } = await prepare()
      const store = valkeyStore({ client: createClient({ url }), ...init })

      await expect(store.start?.()).rejects.toThrow(message)
      // and again, for what has failed is over
      await expect(store.start?.()).rejects.toThrow(message)
    })
  })

  it('a server that stops and starts again: requests fail at once meanwhile, and then all goes on by itself', async () => {
    const server = await start('--appendonly', 'yes', '--appendfsync', 'always')
    const errors: Error[] = []
    const store = await started(server, { onError: err => { errors.push(err) } })
    const missing: boolean[] = []
    const gone: string[] = []
    store.subscribe?.('space', (peers = [], isMissing = false) => {
      missing.push(isMissing)
      gone.push(...peers)
    })
    await register(store, 'before')
    const cursor = (await store.list({ limit: 10 }, Date.now()))?.cursor
    await server.stop('SIGKILL')
    await soon(() => store.isBehind).toBe(true)

    await expect(register(store, 'meanwhile')).rejects.toThrow()
    await expect(store.list({ limit: 1 }, Date.now())).rejects.toThrow()
    expect(missing.filter(isMissing => isMissing)).toEqual([])
    await server.start()
    await soon(() => store.isBehind).toBe(false)
    await soon(() => missing.filter(isMissing => isMissing).length).toBe(1)

    expect(await listed(store)).toEqual(['before'])
    await register(store, 'after')
    expect((await store.list({ limit: 10, after: cursor }, Date.now()))?.registrations.map(({ peer }) => peer)).toEqual(['after'])
    expect(gone).toEqual([])
    expect(errors.length).toBeGreaterThan(0)

    const other = await started(server)
    const count = missing.length
    await register(other, 'told')
    await soon(() => missing.length).toBe(count + 1)
  })

  it('a connection that is cut while scripts run: who waits is refused, and what was done is whole', async () => {
    const server = await start()
    const store = await started(server)
    const writes = Array.from({ length: 2_000 }, async (_, i) => register(store, `peer-${i}`))
    const outcomes = Promise.allSettled(writes)
    await writes[0]
    await server.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await server.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const granted = (await outcomes).flatMap(({ status }, i) => status === 'fulfilled' ? [`peer-${i}`] : [])
    expect(granted.length).toBeLessThan(2_000)
    await soon(() => store.isBehind).toBe(false)

    const peers: string[] = []

    for (let after: number | undefined, page; (page = await store.list({ namespace: 'space', after, limit: 500 }, Date.now()))?.registrations.length !== 0; after = page?.cursor) {
      peers.push(...page?.registrations.map(({ peer }) => peer) ?? [])
    }

    expect(granted.filter(peer => !peers.includes(peer))).toEqual([])
    expect(store.size.registrations).toBe(peers.length)

    for (const peer of peers) {
      await store.unregister('space', peer, Date.now())
    }

    expect(store.size).toEqual({ registrations: 0, namespaces: 0, peers: 0, bytes: 0 })
  })

  it('a server that stalls: requests are refused in time, and go on when it does', async () => {
    const server = await start()
    const store = await started(server, { timeout: 100 })
    await register(store, 'before')
    process.kill(server.pid, 'SIGSTOP')
    await expect(register(store, 'meanwhile')).rejects.toThrow('the server has not answered within 100 ms')
    await expect(listed(store)).rejects.toThrow()
    process.kill(server.pid, 'SIGCONT')
    await soon(async () => listed(store).catch(() => [])).toContain('before')
    expect(await register(store, 'after')).toBe(true)
  })

  it.each(['FAILOVER', 'REPLICAOF'] as const)('a replica that takes over by %s: who is still at the old primary is refused, and then goes on at the new one, which is found among those that are known', async how => {
    const [primary, replica] = await startPair()
    const errors: string[] = []
    const store = await started(primary, { client: [primary.client(), replica.client()], onError: err => { errors.push(err.message) } })
    let misses = 0
    store.subscribe?.('space', (_, isMissing) => { misses += isMissing === true ? 1 : 0 })
    await register(store, 'before')
    await soon(async () => String(await replica.ask('EXISTS', '{rendezvous}'))).toBe('1')
    await takeovers[how](primary, replica)

    await expect(register(store, 'refused')).rejects.toThrow(/^READONLY/)
    expect(store.isBehind).toBe(true)
    await expect(listed(store)).rejects.toThrow()
    await soon(() => store.isBehind).toBe(false)
    expect(errors[0]).toBe('the server is a replica, and the primary is needed')
    expect(misses).toBe(1)
    expect(await register(store, 'after')).toBe(true)
    expect(await listed(await started(replica))).toEqual(['before', 'after'])

    // and back, when the new one is lost
    await soon(async () => String(await primary.ask('INFO', 'replication'))).toContain('master_link_status:up')
    await replica.stop('SIGKILL')
    await primary.ask('REPLICAOF', 'NO', 'ONE')
    await soon(() => store.isBehind).toBe(true)
    await soon(() => store.isBehind).toBe(false)
    expect(await listed(store)).toEqual(['before', 'after'])
  }, 60_000)

  it('a replica that takes over is found by who writes nothing, too', async () => {
    const [primary, replica] = await startPair()
    const errors: string[] = []
    const store = await started(primary, { client: [primary.client(), replica.client()], timeout: 300, onError: err => { errors.push(err.message) } })
    let misses = 0
    store.subscribe?.('space', (_, isMissing) => { misses += isMissing === true ? 1 : 0 })
    await takeovers.FAILOVER(primary, replica)
    await soon(() => misses).toBe(1)
    expect(errors).toContain('the server is a replica, and the primary is needed')
    expect(await register(store, 'after')).toBe(true)

    // and one that says nothing more is noticed
    process.kill(replica.pid, 'SIGSTOP')
    await soon(() => store.isBehind).toBe(true)
    process.kill(replica.pid, 'SIGCONT')
    await soon(() => store.isBehind).toBe(false)
  })

  it('a name that is led to the new primary: nothing is served until it is, and then all goes on', async () => {
    const [primary, replica] = await startPair()
    const name = await startForward(primary)
    const errors: string[] = []
    const store = await started({ client: () => createClient({ url: `redis://127.0.0.1:${name.port}` }) as any }, { onError: err => { errors.push(err.message) } })
    await register(store, 'before')
    await takeovers.FAILOVER(primary, replica)
    await expect(register(store, 'refused')).rejects.toThrow(/^READONLY/)
    // it is tried again and again, and is what it was
    await soon(() => errors.length).toBeGreaterThan(3)
    expect(new Set(errors)).toEqual(new Set(['the server is a replica, and the primary is needed']))
    expect(store.isBehind).toBe(true)
    name.to(replica.port)
    await soon(() => store.isBehind).toBe(false)
    expect(await register(store, 'after')).toBe(true)
    expect(await listed(store)).toEqual(['before', 'after'])
  })

  it('a server that refuses to tell of changes, or goes away while it is asked to: it is asked until it does', async () => {
    const server = await start()
    const address = await startForward(server)
    const errors: string[] = []
    const store = await started({ client: () => createClient({ url: `redis://127.0.0.1:${address.port}` }) as any }, { onError: err => { errors.push(err.message) } })
    const other = await started(server)
    let hints = 0
    store.subscribe?.('space', () => { hints++ })

    // who may no longer hear of a channel loses the connection
    await server.ask('ACL', 'SETUSER', 'default', 'resetchannels')
    await soon(() => errors.filter(text => text.startsWith('NOPERM')).length).toBeGreaterThan(2)
    expect(store.isBehind).toBe(true)
    address.cutAt(/ssubscribe/i)
    await server.ask('ACL', 'SETUSER', 'default', 'allchannels')
    await soon(() => address.cuts).toBeGreaterThan(3)
    expect(store.isBehind).toBe(true)
    address.cutAt(undefined)
    await soon(() => store.isBehind).toBe(false)
    await soon(() => other.isBehind).toBe(false)
    const before = hints
    await register(other, 'told')
    await soon(() => hints).toBeGreaterThan(before)
  })

  it('a full server: what is new is refused, what is there is listed, unregistered and expires, and all goes on', async () => {
    const server = await start()
    const store = await started(server)

    for (let i = 0; i < 200; i++) {
      await register(store, `peer-${i}`, 4_000)
    }

    await store.register({ ...registration('expired'), ttl: -2_000 }, LIMITS, Date.now())
    await store.enter?.('peer-1', 'point', Date.now())
    await server.ask('CONFIG', 'SET', 'maxmemory', '1mb')
    await expect(register(store, 'new', 4_000)).rejects.toThrow(/OOM/)
    expect(await store.expire(Date.now(), 10)).toMatchObject([{ peer: 'expired' }])
    expect(await store.expire(Date.now(), 10)).toEqual([])
    expect(store.size.registrations).toBe(200)
    expect(await listed(store)).toHaveLength(200)
    expect(await store.leave?.('peer-0', 'point', true, Date.now())).toMatchObject([{ peer: 'peer-0' }])
    expect(await store.registrationsOf('peer-1', Date.now())).toHaveLength(1)

    for (let i = 1; i < 200; i++) {
      expect(await store.unregister('space', `peer-${i}`, Date.now())).toMatchObject({ peer: `peer-${i}` })
    }

    expect(store.size).toEqual({ registrations: 0, namespaces: 0, peers: 0, bytes: 0 })
    expect(await store.expire(Date.now(), 10)).toEqual([])
    await server.ask('CONFIG', 'SET', 'maxmemory', '0')
    expect(await register(store, 'new', 4_000)).toBe(true)
  })

  it('a point that is not heard of any more counts for nobody who was live there', async () => {
    const server = await start()
    const [dead, alive] = [await started(server), await started(server)]
    await register(alive, 'peer')
    await dead.enter?.('peer', 'dead', Date.now())
    await alive.enter?.('peer', 'alive', Date.now())
    // as if minutes had passed, in which only one of them has looked for what has expired
    await server.ask('PEXPIRE', '{rendezvous}:live:alive', '60000')
    await server.ask('PEXPIRE', '{rendezvous}:live:dead', '1')
    await alive.expire(Date.now(), 1)
    await soon(async () => server.pointsOf('rendezvous', 'peer')).toBe(1)
    expect(await server.ask('PTTL', '{rendezvous}:live:alive')).toBeGreaterThan(60_000)

    expect(await alive.leave?.('peer', 'alive', true, Date.now())).toMatchObject([{ peer: 'peer' }])
  })

  it('FLUSHALL begins a new life, in which the cursors of the old are refused', async () => {
    const server = await start()
    const [one, two] = [await started(server), await started(server)]
    await register(one, 'before')
    const { cursor } = await one.list({ limit: 10 }, Date.now()) ?? {}
    await server.ask('FLUSHALL')

    expect(await two.list({ limit: 10, after: cursor }, Date.now())).toBe(undefined)
    expect(await register(two, 'after')).toBe(true)
    expect(await one.list({ limit: 10, after: cursor }, Date.now())).toBe(undefined)
    expect(await listed(one)).toEqual(['after'])
    expect(one.size.registrations).toBe(1)
  })

  it('clients of a point ride over a server that stops: they stay registered, and nobody is told that they are gone', async () => {
    const server = await start('--appendonly', 'yes', '--appendfsync', 'always')
    const point = await pointNode({ store: valkeyStore({ client: server.client() }) })
    const [one, two] = await Promise.all([1, 2].map(async () => clientNode({ points: [addressOf(point)], namespaces: ['chat'], discoverInterval: 60 * MINUTE })))
    const ids = (): string[][] => [one, two].map(node => node?.services.rendezvous.discovered.map(({ id }) => id.toString()) ?? [])
    await soon(ids).toEqual([[two?.peerId.toString()], [one?.peerId.toString()]])
    const gone = [one, two].map(node => allEvents(node?.services.rendezvous, 'peer:expired'))

    await server.stop('SIGKILL')
    await soon(() => point.services.point.isBehind).toBe(true)
    const late = await clientNode({ points: [addressOf(point)], discoverInterval: 60 * MINUTE })
    await expect(late.services.rendezvous.register('chat')).rejects.toMatchObject({ name: 'UnavailableError' })
    const found = nextEvent(one?.services.rendezvous, 'peer', ({ id }) => id.equals(late.peerId))
    await server.start()

    // it tries again by itself
    await found
    expect(gone).toEqual([[], []])
    expect(point.services.point.size.registrations).toBe(3)
  }, 60_000)
})
