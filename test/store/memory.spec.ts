import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/store/memory.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { RegisterResult } from '../../src/store/types.ts'

const NOW = 1_750_000_000_000
const NO_LIMITS = { maxRegistrationsPerPeer: 1e9, maxRegistrationsPerNamespace: 1e9, maxNamespaces: 1e9, maxRegistrations: 1e9, maxBytes: 1e12 }
const RECORD = new Uint8Array(1)

function register (store: MemoryStore, namespace: string, peer: string, { ttl = 10_000, now = NOW, limits = NO_LIMITS } = {}): RegisterResult {
  return store.register({ ...ORIGIN, namespace, peer, signedPeerRecord: RECORD, ttl }, limits, now)
}

function filled (count: number): MemoryStore {
  const store = new MemoryStore()

  for (let i = 0; i < count; i++) {
    register(store, 'space', `peer-${i}`)
  }

  return store
}

describe('memoryStore', () => {
  it('begins its life at a random number that leaves room for as many registrations as will ever be made', () => {
    const origins = Array.from({ length: 100 }, () => new MemoryStore().range.origin)

    expect(new Set(origins).size).to.equal(100)
    expect(Math.max(...origins)).to.be.lessThan(2 ** 52)
    expect(Math.max(...origins)).to.be.greaterThan(2 ** 51)
    expect(Math.min(...origins)).to.be.lessThan(2 ** 51)
  })

  it('takes a namespace that only expired registrations hold for a new one, when there are too many', () => {
    const store = new MemoryStore()
    register(store, 'expired', 'peer-1', { ttl: 1_000 })
    register(store, 'alive', 'peer-1')

    expect(register(store, 'expired', 'peer-2', { now: NOW + 1_000, limits: { ...NO_LIMITS, maxNamespaces: 1 } }))
      .to.deep.equal({ limit: 'maxNamespaces' })
    expect(store.expire(NOW + 1_000, 10)).to.have.lengthOf(1)
  })

  it('lets a peer register again at once where it had expired, also when a limit is filled', () => {
    const store = new MemoryStore()
    const limits = { maxRegistrationsPerPeer: 1, maxRegistrationsPerNamespace: 1, maxNamespaces: 1, maxRegistrations: 1, maxBytes: 1_000 }
    register(store, 'space', 'peer', { ttl: 1_001 })

    // expired, but not yet due to be removed
    expect(store.expire(NOW + 1_001, 10)).to.deep.equal([])
    expect(register(store, 'space', 'peer', { now: NOW + 1_001, limits })).to.have.property('refreshed', false)
    expect(store.expire(NOW + 2_000, 10)).to.have.lengthOf(1)
  })

  it('removes no more than a thousand expired registrations for a new one', () => {
    const store = filled(5_000)
    const limits = { ...NO_LIMITS, maxRegistrations: 5_000 }
    const now = NOW + 10_000

    expect(register(store, 'space', 'another', { now, limits })).to.have.property('refreshed', false)
    expect(store.size.registrations).to.equal(4_001)
    expect(store.expire(now, 600)).to.have.lengthOf(600)
    expect(store.expire(now, 10_000)).to.have.lengthOf(4_400)
    expect(store.expire(now, 10_000)).to.have.lengthOf(0)
  })

  it('lists a page of 100 among 100,000 about as fast as among 1,000, wherever it begins', () => {
    const [small, large] = [filled(1_000), filled(100_000)]

    for (const place of [0, 0.25, 0.5, 0.8]) {
      const [smallTime, largeTime] = [small, large].map(store => {
        const { origin, last } = store.range
        const query = { namespace: 'space', after: Math.floor(origin + (last - origin) * place), limit: 100 }
        expect(store.list(query, NOW)?.registrations).to.have.lengthOf(100)

        return medianTime(() => { store.list(query, NOW) })
      }) as [number, number]

      // to look at each of them would take a hundred times as long
      expect(largeTime / smallTime, `at ${place}`).to.be.lessThan(5)
    }
  })
})

function medianTime (run: () => void): number {
  const times = Array.from({ length: 301 }, () => {
    const start = performance.now()

    for (let i = 0; i < 20; i++) {
      run()
    }

    return performance.now() - start
  })

  return times.sort((a, b) => a - b)[150] as number
}
