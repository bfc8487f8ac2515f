import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ValkeyStore } from '../src/valkey-store.ts'
import { describeServers, startServer } from './servers.ts'
import type { NewRegistration, StoreLimits } from 'libp2p-rendezvous'
import type { Server } from './servers.ts'

const HOUR = 3_600_000

const LIMITS: StoreLimits = { maxRegistrationsPerPeer: 10, maxRegistrationsPerNamespace: 10, maxNamespaces: 10, maxRegistrations: 10, maxBytes: 1e9 }

const registration = (peer: string, ttl: number, namespace = 'space'): NewRegistration =>
  ({ namespace, peer, signedPeerRecord: new Uint8Array(1), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl })

describe('a store that goes by the clock of its server', () => {
  describeServers(kind => describe.each([1, 4])('in %d partitions', partitions => {
    let server: Server
    let store: ValkeyStore
    let stores = 0
    /** Of points whose clocks are wrong. */
    const ahead = (): number => Date.now() + 10 * HOUR
    const behind = (): number => Date.now() - 10 * HOUR

    beforeAll(async () => { server = await startServer(kind) })
    afterAll(async () => { await server?.destroy() })

    beforeEach(async () => {
      store = new ValkeyStore({ client: server.client(), prefix: `store-${++stores}`, partitions })
      await store.start()

      return async () => { await store.stop() }
    })

    /** Has expired when it is made, so that no time has to pass. */
    const registerExpired = async (peer: string, namespace?: string): Promise<void> => {
      const result = await store.register(registration(peer, -2_000, namespace), LIMITS, ahead())
      expect(result).toMatchObject({ displaced: [] })
    }

    it('says when something ends in the time of who asks', async () => {
      const now = ahead()
      expect(await store.register(registration('peer', HOUR), LIMITS, now)).toMatchObject({ registration: { expires: now + HOUR } })
      expect(store.nextExpiry()).toBe(now + HOUR)

      for (const clock of [ahead, behind]) {
        for (const found of [(await store.list({ limit: 1 }, clock()))?.registrations, await store.registrationsOf('peer', clock())]) {
          const left = (found?.[0]?.expires ?? NaN) - clock()
          expect(left).toBeGreaterThan(HOUR - 60_000)
          expect(left).toBeLessThanOrEqual(HOUR)
        }
      }

      expect((store.nextExpiry() ?? NaN) - behind()).toBeLessThanOrEqual(HOUR)
      expect(await store.expire(ahead() + 100 * HOUR, 10)).toEqual([])
      expect(await store.unregister('space', 'peer', behind())).toMatchObject({ peer: 'peer' })
    })

    it('lists, samples, finds and unregisters nothing that has expired, and returns it once', async () => {
      await registerExpired('expired')
      await store.register(registration('alive', HOUR), LIMITS, behind())

      for (const query of [{ limit: 10 }, { limit: 10, namespace: 'space' }, { limit: 10, sample: Math.random }]) {
        expect((await store.list(query, behind()))?.registrations).toMatchObject([{ peer: 'alive' }])
      }

      expect(await store.registrationsOf('expired', behind())).toEqual([])
      expect(await store.unregister('space', 'expired', behind())).toBe(undefined)
      expect(store.nextExpiry()).toBeLessThan(behind())
      expect(await store.expire(behind(), 10)).toMatchObject([{ peer: 'expired' }])
      expect(await store.expire(ahead(), 10)).toEqual([])
    })

    it('counts what has expired against no limit, and takes nothing in its place for a refresh', async () => {
      for (let i = 0; i < 10; i++) {
        await registerExpired(`peer-${i}`)
      }

      expect(await store.register(registration('peer-1', HOUR), LIMITS, behind())).toMatchObject({ refreshed: false })
      expect(await store.register(registration('peer-1', HOUR), LIMITS, ahead())).toMatchObject({ refreshed: true })

      // those of all of a store are exact in one that is undivided
      for (const limit of ['maxRegistrationsPerNamespace', 'maxRegistrations', 'maxNamespaces', 'maxBytes'] as const) {
        await registerExpired(`in the way of ${limit}`, 'other space')
        const limits = { ...LIMITS, [limit]: limit === 'maxBytes' ? 2_000 : 1 }
        await store.unregister('space', 'peer-1', ahead())
        expect(await store.register(registration('peer-1', HOUR), limits, behind())).toMatchObject({ displaced: [] })
      }

      expect(await store.expire(behind(), 100)).toHaveLength(14)
    })
  }))
})
