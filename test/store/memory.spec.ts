import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/store/memory.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { RegisterResult } from '../../src/store/types.ts'

const NOW = 1_750_000_000_000
const NO_LIMITS = { maxRegistrationsPerPeer: 1e9, maxRegistrationsPerNamespace: 1e9, maxNamespaces: 1e9, maxRegistrations: 1e9, maxBytes: 1e12 }

function register (store: MemoryStore, namespace: string, peer: string, { ttl = 10_000, now = NOW, limits = NO_LIMITS, network = 'memory', bytes = 1 } = {}): RegisterResult {
  return store.register({ ...ORIGIN, namespace, peer, network, signedPeerRecord: new Uint8Array(bytes), ttl }, limits, now)
}

/** Who had to make room, as `peer in namespace`. */
function displaced (result: RegisterResult): string[] {
  return 'limit' in result ? [result.limit] : result.displaced.map(({ peer, namespace }) => `${peer} in ${namespace}`)
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

  it('counts 640 bytes and the records for a registration', () => {
    const store = new MemoryStore()
    store.register({ ...ORIGIN, namespace: 'space', peer: 'peer', signedPeerRecord: new Uint8Array(100), otherRecord: new Uint8Array(20), ttl: 1 }, NO_LIMITS, NOW)

    expect(store.size.bytes).to.equal(760)
  })

  it('has as many make room for a large record as it takes, of the network that holds most', () => {
    const store = new MemoryStore()

    for (let i = 0; i < 10; i++) {
      register(store, 'space', `many-${i}`, { network: '203.0/113/1', bytes: 360 })
      register(store, 'space', `few-${i}`, { network: `${i}.0/0/1`, bytes: 360 })
    }

    const limits = { ...NO_LIMITS, maxBytes: 20_500 }
    expect(displaced(register(store, 'space', 'large', { network: '192.0/2/1', bytes: 2_360, limits }))).to.deep.equal(['many-9 in space', 'many-8 in space', 'many-7 in space'])
    expect(store.size.bytes).to.equal(20_000)
    expect(displaced(register(store, 'space', 'too large', { network: '192.0/2/1', bytes: 3_360, limits }))).to.deep.equal(['maxBytes'])
    expect(store.size.bytes).to.equal(20_000)
  })

  it('takes no more than is added where a limit was lowered', () => {
    const store = filled(10)
    const limits = { ...NO_LIMITS, maxBytes: 1 }

    expect(displaced(register(store, 'space', 'another', { network: '192.0/2/1', limits }))).to.deep.equal(['peer-9 in space'])
    expect(displaced(register(store, 'space', 'peer-0', { bytes: 2, limits }))).to.deep.equal(['peer-8 in space'])
    expect(displaced(register(store, 'space', 'peer-0', { bytes: 2, limits }))).to.deep.equal([])
    expect(displaced(register(store, 'space', 'peer-0', { bytes: 1, limits }))).to.deep.equal([])
    expect(store.size.registrations).to.equal(9)
    expect(displaced(register(store, 'space', 'one more', { network: '192.0/2/2', limits: { ...NO_LIMITS, maxRegistrations: 2 } }))).to.deep.equal(['peer-7 in space'])
  })

  it('counts the bytes of who makes room in a namespace as free', () => {
    const store = new MemoryStore()
    register(store, 'space', 'many-1', { network: '203.0/113/1' })
    register(store, 'space', 'many-2', { network: '203.0/113/1', bytes: 500 })
    register(store, 'other', 'few', { network: '10.0/0/1', bytes: 1_500 })
    const limits = { ...NO_LIMITS, maxRegistrationsPerNamespace: 2, maxBytes: store.size.bytes }

    expect(displaced(register(store, 'space', 'newcomer', { network: '192.0/2/1', bytes: 500, limits }))).to.deep.equal(['many-2 in space'])
    expect(store.size.bytes).to.equal(limits.maxBytes)
  })

  it('lets a refresh grow beyond the limit when it is the one that would have to make room', () => {
    const store = filled(1)

    expect(register(store, 'space', 'peer-0', { bytes: 1_000, limits: { ...NO_LIMITS, maxBytes: 700 } })).to.deep.include({ refreshed: true, displaced: [] })
    expect(store.size.bytes).to.equal(1_640)
  })

  it('removes with a namespace all that is in it', () => {
    const store = new MemoryStore()
    register(store, 'first', 'peer-1', { network: '203.0/113/1' })
    register(store, 'second', 'peer-1', { network: '203.0/113/1' })
    register(store, 'second', 'peer-2', { network: '203.0/113/1' })
    const limits = { ...NO_LIMITS, maxNamespaces: 2, maxRegistrations: 3, maxBytes: 3 * 641 }

    expect(displaced(register(store, 'third', 'peer-3', { network: '192.0/2/1', limits }))).to.deep.equal(['peer-1 in second', 'peer-2 in second'])
    expect(store.size).to.deep.equal({ registrations: 2, namespaces: 2, peers: 2, bytes: 2 * 641 })
    expect(displaced(register(store, 'third', 'peer-4', { network: '192.0/2/1', limits }))).to.deep.equal([])
  })

  it('leaves it to expire to report what expired, also when it would have had to make room', () => {
    const store = new MemoryStore()
    register(store, 'space', 'peer-1', { ttl: 10_000 })
    register(store, 'space', 'peer-2', { ttl: 999 })

    // expired, but not yet due
    expect(displaced(register(store, 'space', 'another', { network: '192.0/2/1', now: NOW + 999, limits: { ...NO_LIMITS, maxRegistrations: 2 } }))).to.deep.equal([])
    expect(store.expire(NOW + 999, 10).map(({ peer }) => peer)).to.deep.equal(['peer-2'])
  })

  it('has nobody make room while who holds what is being counted, and then who should; a refresh is granted all the same', () => {
    const store = new MemoryStore()
    const limits = { ...NO_LIMITS, maxRegistrations: 3, maxNamespaces: 1, maxBytes: 3 * 641 }
    register(store, 'space', 'peer-1', { network: '203.0/113/1' })
    register(store, 'space', 'peer-2', { network: '203.0/113/1' })
    register(store, 'space', 'peer-3', { network: '203.0/113/1' })
    const newcomer = (): RegisterResult => register(store, 'space', 'newcomer', { network: '192.0/2/1', limits })

    expect(store.count(1)).to.equal(false)
    expect(newcomer()).to.deep.equal({ limit: 'maxRegistrations' })
    expect(register(store, 'another', 'newcomer', { network: '192.0/2/1', limits })).to.deep.equal({ limit: 'maxNamespaces' })
    expect(displaced(store.register({ ...ORIGIN, namespace: 'space', peer: 'peer-1', signedPeerRecord: new Uint8Array(2), ttl: 1_000 }, limits, NOW))).to.deep.equal([])
    expect(store.count(10)).to.equal(true)
    expect(displaced(register(store, 'space', 'newcomer', { network: '192.0/2/1', limits: { ...limits, maxBytes: Infinity } }))).to.deep.equal(['peer-3 in space'])
  })

  // who holds what is known as it changes, or found out when it has to be
  describe.each([['known from the start', true], ['counted when there is no room', false]])('a namespace, %s,', (_, isCounted) => {
    const limits = { ...NO_LIMITS, maxNamespaces: 4 }

    /** Three namespaces of one network, and one that is in doubt. */
    function crowded (): MemoryStore {
      const store = new MemoryStore()

      if (isCounted) {
        store.count(1)
      }

      register(store, 'attacked-1', 'attacker', { network: '203.0/113/1' })
      register(store, 'attacked-2', 'attacker', { network: '203.0/113/1' })
      register(store, 'attacked-3', 'attacker', { network: '203.0/113/1' })
      register(store, 'honest', 'attacker', { network: '203.0/113/1' })

      return store
    }

    function makesRoom (store: MemoryStore): string | undefined {
      return displaced(register(store, 'new', 'newcomer', { network: '192.0/2/1', limits }))[0]?.split(' in ')[1]
    }

    it('counts for who is alone in it', () => {
      expect(makesRoom(crowded())).to.equal('honest')
    })

    it('counts for the one in it who has least', () => {
      const store = crowded()
      register(store, 'honest', 'honest', { network: '10.0/0/1' })

      expect(makesRoom(store)).to.equal('attacked-3')
    })

    it('counts for who is left when that one leaves', () => {
      const store = crowded()
      register(store, 'honest', 'honest', { network: '10.0/0/1' })
      store.unregister('honest', 'honest', NOW)

      expect(makesRoom(store)).to.equal('honest')
    })

    it('counts for the lightest of who is left, whoever is there longest', () => {
      const store = crowded()
      register(store, 'honest', 'honest', { network: '10.0/0/1' })
      register(store, 'honest', 'other', { network: '10.1/0/1' })
      store.unregister('honest', 'honest', NOW)

      expect(makesRoom(store)).to.equal('attacked-3')
    })

    it('counts for the lightest of all who are left before it makes room, however many are there longer', () => {
      const store = crowded()
      Array.from({ length: 20 }, (_, i) => register(store, 'honest', `attacker-${i}`, { network: '203.0/113/1' }))
      register(store, 'honest', 'first to leave', { network: '10.0/0/1' })
      register(store, 'honest', 'honest', { network: '10.1/0/1' })
      store.unregister('honest', 'first to leave', NOW)

      expect(makesRoom(store)).to.equal('attacked-3')
    })

    it('counts for another when that one comes from another network, and has least no more', () => {
      const store = crowded()
      register(store, 'honest', 'honest', { network: '10.0/0/1' })
      register(store, 'honest', 'honest', { network: '203.0/113/1' })

      expect(makesRoom(store)).to.equal('honest')
    })

    it('counts for the one who has least in any number of them, as soon as that one is there', () => {
      const store = crowded()

      for (let i = 0; i < 20; i++) {
        register(store, `honest-${i}`, 'attacker', { network: '203.0/113/1' })
        register(store, `honest-${i}`, 'honest', { network: `10.${i}/0/1` })
      }

      expect(displaced(register(store, 'new', 'newcomer', { network: '192.0/2/1', limits: { ...limits, maxNamespaces: 24 } }))).to.deep.equal(['attacker in honest'])
    })

    it('goes on counting for the same while one of its peers is there', () => {
      const store = crowded()
      register(store, 'honest', 'honest', { network: '10.0/0/1' })
      register(store, 'honest', 'second', { network: '10.0/0/1' })
      store.unregister('honest', 'honest', NOW)

      expect(makesRoom(store)).to.equal('attacked-3')
    })
  })

  it('looks at all who are in a namespace for eight of them at the most, before a newcomer is refused', () => {
    for (const [count, first] of [[7, ['attacker in attacked-3']], [8, ['maxNamespaces']]] as const) {
      const store = new MemoryStore()
      const limits = { ...NO_LIMITS, maxNamespaces: count + 3 }
      const names = Array.from({ length: count }, (_, i) => `honest-${i}`)
      ;['attacked-1', 'attacked-2', 'attacked-3'].forEach(name => register(store, name, 'attacker', { network: '203.0/113/1' }))

      for (const [i, name] of names.entries()) {
        Array.from({ length: 9 }, (_, j) => register(store, name, `attacker-${j}`, { network: '203.0/113/1' }))
        register(store, name, 'honest', { network: `10.${i}/0/1` })
      }

      expect(displaced(register(store, 'new', 'newcomer', { network: '192.0/2/1', limits }))).to.deep.equal(first)
      expect(displaced(register(store, 'newer', 'newcomer', { network: '198.51/100/1', limits }))[0]).to.match(/^attacker in attacked/)
    }
  })

  it('draws a sample from among what is alive, and removes what is not', () => {
    const store = new MemoryStore()
    Array.from({ length: 50 }, (_, i) => register(store, 'space', `peer-${i}`, { ttl: i < 40 ? 1_000 : 10_000 }))
    const page = store.list({ namespace: 'space', limit: 10, sample: () => 0 }, NOW + 1_000)

    expect(page?.registrations.map(({ peer }) => peer).sort()).to.deep.equal(Array.from({ length: 10 }, (_, i) => `peer-${40 + i}`))
    expect(store.size.registrations).to.equal(10)
    expect(store.expire(NOW + 1_000, 100)).to.have.lengthOf(40)
  })

  it('shares a namespace of more than a thousand peers as it does a small one', () => {
    const store = new MemoryStore()
    Array.from({ length: 1_500 }, (_, i) => register(store, 'space', `peer-${i}`, { network: `203.0/${i % 250}/${i}` }))
    register(store, 'space', 'peer-1499', { network: '203.0/249/1499' })
    store.unregister('space', 'peer-1498', NOW)
    const limits = { ...NO_LIMITS, maxRegistrationsPerNamespace: 1_499 }

    expect(displaced(register(store, 'space', 'newcomer', { network: '192.0/2/1', limits }))).to.deep.equal(['peer-1499 in space'])
    expect(displaced(register(store, 'space', 'newcomer-2', { network: '192.0/2/1', limits }))).to.deep.equal(['peer-1497 in space'])
  })

  it.each([
    ['maxRegistrationsPerNamespace', 1, 'space'],
    ['maxRegistrations', 1, undefined],
    ['maxBytes', 641, undefined]
  ] as const)('knows who holds what of %s from half of it on, by which a sample of many is spread', (limit, weight, namespace) => {
    for (const [half, isKnown] of [[1_200, true], [1_401, false]] as const) {
      const store = new MemoryStore()
      const limits = { ...NO_LIMITS, [limit]: 2 * half * weight }
      register(store, 'space', 'rare', { network: '192.0/2/1' })
      Array.from({ length: 1_199 }, (_, i) => register(store, 'space', `peer-${i}`))
      // eight are counted with each
      Array.from({ length: 200 }, (_, i) => register(store, 'space', `later-${i}`, { limits }))
      let calls = 0
      const drawn = store.list({ namespace, limit: 2, sample: () => ++calls % 2 === 0 ? 0.8 : 0.9 }, NOW)?.registrations.map(({ peer }) => peer)

      expect(drawn).to.have.lengthOf(2)
      expect(drawn?.includes('rare')).to.equal(isKnown)
    }
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
