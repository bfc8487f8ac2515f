import { storeSuite } from 'libp2p-rendezvous/store-suite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { valkeyStore } from '../src/index.ts'
import { ValkeyStore } from '../src/valkey-store.ts'
import { describeServers, startCluster } from './servers.ts'
import type { Cluster, Server } from './servers.ts'
import type { NewRegistration, RegistrationStore, StoreLimits } from 'libp2p-rendezvous'

const LIMITS: StoreLimits = { maxRegistrationsPerPeer: 1e6, maxRegistrationsPerNamespace: 1e6, maxNamespaces: 1e6, maxRegistrations: 1e6, maxBytes: 1e12 }

const registration = (peer: string): NewRegistration =>
  ({ namespace: 'space', peer, signedPeerRecord: new Uint8Array(10), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl: 3_600_000 })

const register = async (store: RegistrationStore, peer: string): Promise<number> => {
  const result = await store.register(registration(peer), LIMITS, Date.now())

  return 'limit' in result ? NaN : result.registration.sequence
}

describe('a store in a cluster of three primaries and three replicas', () => {
  describeServers(kind => {
    let cluster: Cluster
    let stores = 0

    beforeAll(async () => { cluster = await startCluster(kind) }, 120_000)
    afterAll(async () => { await cluster?.destroy() })

    const used = new Set<Server>()

    /** One whose primary is still there. */
    async function unusedPrefix (): Promise<string> {
      for (let i = 0; ; i++) {
        const [primary] = await cluster.nodesOf(`failover-${i}`)

        if (!used.has(primary)) {
          used.add(primary)

          return `failover-${i}`
        }
      }
    }

    for (const { name, run } of storeSuite(() => new ValkeyStore({ client: cluster.client(), prefix: `store-${++stores}` }, String))) {
      it(name, run)
    }

    it.each(['healthy', 'stalled'] as const)('goes on at a %s replica when its primary is killed under load: no sequence goes back, what was lost comes back, and watchers are told that they may have missed something', async state => {
      const prefix = await unusedPrefix()
      const [primary, replica] = await cluster.nodesOf(prefix)
      const [one, two] = [1, 2].map(() => valkeyStore({ client: cluster.client(), prefix, timeout: 2_000 })) as [RegistrationStore, RegistrationStore]
      await Promise.all([one.start?.(), two.start?.()])
      let missing = 0
      let calls = 0
      two.subscribe?.('space', (_, isMissing) => {
        calls++
        missing += isMissing === true ? 1 : 0
      })
      const given: number[] = []

      for (let i = 0; i < 200; i++) {
        if (state === 'stalled' && i === 100) {
          // what comes now does not reach it, not even by what the network has in its buffers
          process.kill(replica.pid, 'SIGSTOP')
          await primary.ask('CLIENT', 'KILL', 'TYPE', 'replica')
        }

        given.push(await register(one, `before-${i}`))
      }

      const writing = Promise.allSettled(Array.from({ length: 200 }, async (_, i) => { given.push(await register(one, `while-${i}`)) }))
      await primary.stop('SIGKILL')
      await writing
      process.kill(replica.pid, 'SIGCONT')
      await expect.poll(async () => register(one, 'after').catch(() => NaN), { timeout: 30_000 }).toBeGreaterThan(Math.max(...given))
      await expect.poll(() => missing, { timeout: 30_000 }).toBeGreaterThan(0)

      const left = (await two.list({ namespace: 'space', limit: 1_000 }, Date.now()))?.registrations.filter(({ peer }) => peer.startsWith('before')).length
      expect(left).toBeGreaterThanOrEqual(100)

      if (state === 'stalled') {
        expect(left).toBeLessThan(200)
      }

      for (let i = 0; i < 200; i++) {
        await register(one, `before-${i}`)
      }

      const listed = (await two.list({ namespace: 'space', limit: 1_000 }, Date.now()))?.registrations.map(({ peer }) => peer) ?? []
      expect(listed.filter(peer => peer.startsWith('before'))).toHaveLength(200)

      expect([one.isBehind, two.isBehind]).toEqual([false, false])

      // and hints go through again
      const before = calls
      await register(one, 'told')
      await expect.poll(() => calls, { timeout: 10_000 }).toBeGreaterThan(before)
      await Promise.all([one.stop?.(), two.stop?.()])
    }, 120_000)
  })
})
