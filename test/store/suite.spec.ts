import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/store/memory.ts'
import { storeSuite } from '../../src/store/suite.ts'
import { STORES } from './stores.ts'
import type { ListQuery, NewRegistration, Page, RegisterResult, StoredRegistration, StoreLimits, StoreSize } from '../../src/store/types.ts'

for (const { name, create, destroy } of STORES) {
  describe(name, () => {
    for (const { name, run } of storeSuite(create, destroy)) {
      it(name, run)
    }
  })
}

/** Stores with one fault each. */
const FAULTY: Record<string, new () => MemoryStore> = {
  'every cursor is valid': class extends MemoryStore {
    override list (query: ListQuery, now: number): Page | undefined {
      return super.list(query, now) ?? { registrations: [], cursor: query.after as number }
    }
  },
  'a cursor becomes invalid when its registration is gone': class extends MemoryStore {
    override list (query: ListQuery, now: number): Page | undefined {
      const { registrations } = super.list({ limit: Infinity }, 0) as Page

      return query.after == null || registrations.some(({ sequence }) => sequence === query.after) ? super.list(query, now) : undefined
    }
  },
  'listings are in reverse order': class extends MemoryStore {
    override list (query: ListQuery, now: number): Page | undefined {
      const page = super.list(query, now)
      page?.registrations.reverse()

      return page
    }
  },
  'a page has one registration too many': class extends MemoryStore {
    override list (query: ListQuery, now: number): Page | undefined {
      return super.list({ ...query, limit: query.limit + 1 }, now)
    }
  },
  'expired registrations are listed': class extends MemoryStore {
    override list (query: ListQuery): Page | undefined {
      return super.list(query, 0)
    }
  },
  'the namespace of a listing is ignored': class extends MemoryStore {
    override list ({ namespace, ...query }: ListQuery, now: number): Page | undefined {
      return super.list(query, now)
    }
  },
  'a limit is checked and applied in two steps': class extends MemoryStore {
    override register (registration: NewRegistration, limits: StoreLimits, now: number): any {
      const isFull = this.size.registrations >= limits.maxRegistrations

      return Promise.resolve().then(() => isFull
        ? { limit: 'maxRegistrations' }
        : super.register(registration, { ...limits, maxRegistrations: Infinity }, now))
    }
  },
  'a refresh counts against the limits': class extends MemoryStore {
    override register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
      return this.size.registrations >= limits.maxRegistrations ? { limit: 'maxRegistrations' } : super.register(registration, limits, now)
    }
  },
  'limits do not exist': class extends MemoryStore {
    override register (registration: NewRegistration, _: StoreLimits, now: number): RegisterResult {
      return super.register(registration, { maxBytes: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxRegistrationsPerNamespace: Infinity, maxRegistrationsPerPeer: Infinity }, now)
    }
  },
  'a refresh keeps its place': class extends MemoryStore {
    override register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
      const previous = this.get(registration.namespace, registration.peer)
      const result = previous == null ? undefined : { registration: previous, refreshed: true, displaced: [] }

      return result ?? super.register(registration, limits, now)
    }
  },
  'what is unregistered stays listed': class extends MemoryStore {
    override unregister (namespace: string, peer: string): StoredRegistration | undefined {
      return this.get(namespace, peer)
    }
  },
  'what has expired is never returned': class extends MemoryStore {
    override expire (now: number, limit: number): StoredRegistration[] {
      super.expire(now, limit)

      return []
    }
  },
  'all that has expired is returned at once': class extends MemoryStore {
    override expire (now: number): StoredRegistration[] {
      return super.expire(now, Infinity)
    }
  },
  'who comes first is served, whatever the network': class extends MemoryStore {
    override register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
      return super.register({ ...registration, network: 'everywhere' }, limits, now)
    }
  },
  'who had to make room is not returned': class extends MemoryStore {
    override register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
      const result = super.register(registration, limits, now)

      return 'limit' in result ? result : { ...result, displaced: [] }
    }
  },
  'bytes are not limited': class extends MemoryStore {
    override register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
      return super.register(registration, { ...limits, maxBytes: Infinity }, now)
    }
  },
  'the other record is not kept': class extends MemoryStore {
    override register ({ otherRecord, ...registration }: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
      return super.register(registration, limits, now)
    }
  },
  'everything is listed, whatever can be read': class extends MemoryStore {
    override list ({ reads, ...query }: ListQuery, now: number): Page | undefined {
      return super.list(query, now)
    }
  },
  'a sample has those that are there longest': class extends MemoryStore {
    override list ({ sample, ...query }: ListQuery, now: number): Page | undefined {
      return super.list(query, now)
    }
  },
  'a sample goes on where a page would': class extends MemoryStore {
    override list (query: ListQuery, now: number): Page | undefined {
      const page = super.list(query, now)

      return page == null || query.sample == null ? page : { ...page, cursor: this.range.origin }
    }
  },
  'who subscribes hears nothing': class extends MemoryStore {
    override subscribe (): () => void {
      return () => {}
    }
  },
  'who subscribes hears of everything': class extends MemoryStore {
    override subscribe (namespace: string, onChange: () => void): () => void {
      return super.subscribe('space', onChange) && super.subscribe('other space', onChange)
    }
  },
  'the next expiry is unknown': class extends MemoryStore {
    override nextExpiry (): number | undefined {
      return undefined
    }
  },
  'the size is not that of now': class extends MemoryStore {
    override get size (): StoreSize {
      return { registrations: 0, namespaces: 0, peers: 0, bytes: 0 }
    }
  }
}

describe('the store suite', () => {
  for (const [fault, Store] of Object.entries(FAULTY)) {
    it(`fails a store in which ${fault}`, async () => {
      const outcomes = await Promise.allSettled(storeSuite(() => new Store()).map(async ({ run }) => run()))

      expect(outcomes.filter(({ status }) => status === 'rejected').length).to.be.greaterThan(0)
    })
  }

  it('destroys what it created, also when a case fails', async () => {
    let created = 0
    let destroyed = 0
    const Store = FAULTY['limits do not exist'] as new () => MemoryStore
    const cases = storeSuite(() => {
      created++

      return new Store()
    }, () => { destroyed++ })
    await Promise.allSettled(cases.map(async ({ run }) => run()))

    expect(created).to.be.at.least(cases.length)
    expect(destroyed).to.equal(created)
  })

  it('leaves out what is limited and counted in all of a store, where that is not exact, and nothing else', async () => {
    /** In all of it there may be twice as many as there should, and each peer counts twice. */
    class Approximate extends MemoryStore {
      override register (registration: NewRegistration, limits: StoreLimits, now: number): RegisterResult {
        return super.register(registration, { ...limits, maxNamespaces: 2 * limits.maxNamespaces, maxRegistrations: 2 * limits.maxRegistrations }, now)
      }

      override get size (): StoreSize {
        return { ...super.size, peers: 2 * super.size.peers }
      }
    }

    const all = storeSuite(() => new MemoryStore()).map(({ name }) => name)
    const cases = storeSuite(() => new Approximate(), undefined, { exactTotals: false })
    await Promise.all(cases.map(async ({ run }) => run()))
    const names = cases.map(({ name }) => name)

    expect(all.filter(name => !names.includes(name)).every(name => /max(Namespaces|Registrations|Bytes)\b/.test(name))).to.equal(true)
    expect(all.length - names.length).to.equal(15)
    expect((await Promise.allSettled(storeSuite(() => new Approximate()).map(async ({ run }) => run()))).some(({ status }) => status === 'rejected')).to.equal(true)
  })

  it('has a sentence for every case, and each but once', () => {
    const names = storeSuite(() => new MemoryStore()).map(({ name }) => name)

    expect(new Set(names).size).to.equal(names.length)
  })
})
