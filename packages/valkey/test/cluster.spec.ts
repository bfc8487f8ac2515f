import { storeSuite } from 'libp2p-rendezvous/store-suite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { valkeyStore } from '../src/index.ts'
import { ValkeyStore } from '../src/valkey-store.ts'
import { describeServers, startCluster } from './servers.ts'
import type { Cluster, Server } from './servers.ts'
import type { NewRegistration, RegistrationStore, StoreLimits } from 'libp2p-rendezvous'

const LIMITS: StoreLimits = { maxRegistrationsPerPeer: 1e6, maxRegistrationsPerNamespace: 1e6, maxNamespaces: 1e6, maxRegistrations: 1e6, maxBytes: 1e12 }

const NAMESPACES = Array.from({ length: 12 }, (_, i) => `space-${i}`)

const registration = (peer: string, namespace: string): NewRegistration =>
  ({ namespace, peer, signedPeerRecord: new Uint8Array(10), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl: 3_600_000 })

const namespaceOf = (i: number): string => NAMESPACES[i % NAMESPACES.length] as string

const register = async (store: RegistrationStore, peer: string, namespace: string): Promise<number> => {
  const result = await store.register(registration(peer, namespace), LIMITS, Date.now())

  return 'limit' in result ? NaN : result.registration.sequence
}

const listed = async (store: RegistrationStore): Promise<string[]> =>
  (await store.list({ limit: 1_000 }, Date.now()))?.registrations.map(({ peer }) => peer).filter(peer => peer.startsWith('before')) ?? []

describe('a store in a cluster of three primaries and three replicas', () => {
  describeServers(kind => describe.each([1, 4])('in %d partitions', partitions => {
    let cluster: Cluster
    let stores = 0

    beforeAll(async () => { cluster = await startCluster(kind) }, 120_000)
    afterAll(async () => { await cluster?.destroy() })

    const used = new Set<Server>()

    /** One whose primary, or that of its first partition, is still there. */
    async function unusedPrefix (): Promise<string> {
      for (let i = 0; ; i++) {
        const [primary] = await cluster.nodesOf(`failover-${i}`)

        if (!used.has(primary)) {
          used.add(primary)

          return `failover-${i}`
        }
      }
    }

    for (const { name, run } of storeSuite(() => new ValkeyStore({ client: cluster.client(), prefix: `store-${++stores}`, partitions }, String), undefined, { exactTotals: partitions === 1 })) {
      it(name, run)
    }

    it.each(['healthy', 'stalled'] as const)('goes on at a %s replica when its primary is killed under load: no sequence goes back, what was lost comes back, and watchers are told that they may have missed something', async state => {
      const prefix = await unusedPrefix()
      const [primary, replica] = await cluster.nodesOf(prefix)
      const [one, two] = [1, 2].map(() => valkeyStore({ client: cluster.client(), prefix, partitions, timeout: 2_000 })) as [RegistrationStore, RegistrationStore]
      await Promise.all([one.start?.(), two.start?.()])
      const missing = new Set<string>()
      const called = new Set<string>()

      for (const namespace of NAMESPACES) {
        two.subscribe?.(namespace, (_, isMissing) => {
          called.add(namespace)

          if (isMissing === true) {
            missing.add(namespace)
          }
        })
      }

      /** The highest number of each namespace. */
      const given = new Map<string, number>()
      const registerAt = async (i: number, when: string): Promise<void> => {
        const namespace = namespaceOf(i)
        const sequence = await register(one, `${when}-${i}`, namespace)
        given.set(namespace, Math.max(given.get(namespace) ?? 0, sequence))
      }

      for (let i = 0; i < 200; i++) {
        if (state === 'stalled' && i === 100) {
          // what comes now does not reach it, not even by what the network has in its buffers
          process.kill(replica.pid, 'SIGSTOP')
          await primary.ask('CLIENT', 'KILL', 'TYPE', 'replica')
        }

        await registerAt(i, 'before')
      }

      const before = await two.list({ limit: 1_000 }, Date.now())
      const writing = Promise.allSettled(Array.from({ length: 200 }, async (_, i) => registerAt(i, 'while')))
      await primary.stop('SIGKILL')
      const outcomes = await writing
      process.kill(replica.pid, 'SIGCONT')

      if (partitions > 1) {
        // what is at other primaries has not waited for it
        expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
        expect((await Promise.allSettled(NAMESPACES.map(async namespace => two.list({ namespace, limit: 1 }, Date.now())))).some(({ status }) => status === 'fulfilled')).toBe(true)
      }

      for (const namespace of NAMESPACES) {
        await expect.poll(async () => register(one, 'after', namespace).catch(() => NaN), { timeout: 30_000 }).toBeGreaterThan(given.get(namespace) as number)
      }

      await expect.poll(() => missing.size, { timeout: 30_000 }).toBe(NAMESPACES.length)
      const left = await listed(two)
      expect(left.length).toBeGreaterThanOrEqual(100)

      if (state === 'stalled') {
        expect(left.length).toBeLessThan(200)
      }

      // who goes on where a listing was before misses nothing that has come since
      const news = await two.list({ limit: 1_000, after: before?.cursor }, Date.now())
      expect(news == null || news.registrations.filter(({ peer }) => peer === 'after').length === NAMESPACES.length).toBe(true)

      for (let i = 0; i < 200; i++) {
        await registerAt(i, 'before')
      }

      expect(await listed(two)).toHaveLength(200)
      expect([one.isBehind, two.isBehind]).toEqual([false, false])

      // and hints go through again
      called.clear()

      for (const namespace of NAMESPACES) {
        await register(one, 'told', namespace)
      }

      await expect.poll(() => called.size, { timeout: 10_000 }).toBe(NAMESPACES.length)
      await Promise.all([one.stop?.(), two.stop?.()])
    }, 120_000)

    it('goes on when it could not subscribe where its channels are now', async () => {
      const prefix = await unusedPrefix()
      const [, replica] = await cluster.nodesOf(prefix)
      const errors: string[] = []
      const unhandled: unknown[] = []
      const onUnhandled = (err: unknown): void => { unhandled.push(err) }
      process.on('unhandledRejection', onUnhandled)
      const [one, two] = [1, 2].map(() => valkeyStore({ client: cluster.client(), prefix, partitions, timeout: 500, onError: err => { errors.push(err.message) } })) as [RegistrationStore, RegistrationStore]
      await Promise.all([one.start?.(), two.start?.()])
      const called = new Set<string>()
      NAMESPACES.forEach(namespace => two.subscribe?.(namespace, () => { called.add(namespace) }))
      const running = cluster.servers.filter(({ isRunning }) => isRunning)
      const permit = async (rule: string): Promise<unknown> => Promise.all(running.map(async server => server.ask('ACL', 'SETUSER', 'default', rule)))

      await permit('resetchannels')
      await replica.ask('CLUSTER', 'FAILOVER')
      await expect.poll(async () => String(await replica.ask('INFO', 'replication')), { timeout: 20_000 }).toContain('role:master')
      errors.length = 0
      // what it is asked for finds out who has the keys now
      await expect.poll(async () => {
        await Promise.allSettled(NAMESPACES.map(async namespace => two.list({ namespace, limit: 1 }, Date.now())))

        return errors.filter(text => text.startsWith('NOPERM')).length
      }, { timeout: 20_000 }).toBeGreaterThan(2)
      await permit('allchannels')

      await expect.poll(async () => {
        await Promise.allSettled(NAMESPACES.map(async namespace => register(one, 'told', namespace)))

        return called.size
      }, { timeout: 30_000 }).toBe(NAMESPACES.length)
      expect(unhandled).toEqual([])
      process.off('unhandledRejection', onUnhandled)
      await Promise.all([one.stop?.(), two.stop?.()])
    }, 120_000)

    it.each([['a primary and its replica', 2], ['all nodes', 6]])('goes on by itself when %s were away for a while', async (_, count) => {
      const errors: Error[] = []
      const store = valkeyStore({ client: cluster.client(), prefix: `${count} away`, partitions, timeout: 500, onError: err => { errors.push(err) } })
      await store.start?.()
      const servers = (count === 2 ? await cluster.nodesOf(`${count} away`) : cluster.servers).filter(({ isRunning }) => isRunning)
      await Promise.all(servers.map(async server => server.stop('SIGKILL')))
      const all = async (when: string): Promise<number> => (await Promise.allSettled(NAMESPACES.map(async namespace => register(store, when, namespace)))).filter(({ status }) => status === 'fulfilled').length
      expect(await all('meanwhile')).toBeLessThan(NAMESPACES.length)
      expect(store.isBehind).toBe(true)
      // it is given up, and made anew, more than once
      await expect.poll(async () => {
        await all('meanwhile')

        return errors.length
      }, { timeout: 30_000, interval: 500 }).toBeGreaterThan(20)
      await Promise.all(servers.map(async server => server.start()))
      await expect.poll(async () => all('after'), { timeout: 30_000 }).toBe(NAMESPACES.length)

      // and is told again of what others do
      const other = valkeyStore({ client: cluster.client(), prefix: `${count} away`, partitions })
      await other.start?.()
      const called = new Set<string>()

      for (const namespace of NAMESPACES) {
        store.subscribe?.(namespace, (_, isMissing) => {
          if (isMissing !== true) {
            called.add(namespace)
          }
        })
      }

      await expect.poll(async () => {
        await Promise.all(NAMESPACES.map(async namespace => register(other, 'told', namespace)))

        return called.size
      }, { timeout: 30_000 }).toBe(NAMESPACES.length)
      await Promise.all([store.stop?.(), other.stop?.()])
    }, 120_000)
  }))
})
