import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../src/store/memory.ts'
import { persistentStore } from '../../src/store/persistent.ts'
import type { ListQuery, RegistrationStore, StoredRegistration, StoreLimits } from '../../src/store/types.ts'

const SECOND = 1_000
const NAMESPACES = ['a', 'a/b', 'ü@%', 'd']
const PEERS = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6']
const NETWORKS = ['1/1/1', '1/1/2', '1/2/1', '2/1/1', 'relay']
const FORMS = ['libp2p-peer-record', 'libp2p-routing-state'] as const
const START = 1_750_000_000_000

/** What the contract says, said with arrays. Times are whole seconds, so that what has expired is due. */
class Model {
  alive: StoredRegistration[] = []
  /** Expired and not yet returned by `expire`. */
  expired: StoredRegistration[] = []
  /** When a peer came to a namespace: a refresh does not change it. */
  readonly born = new Map<string, number>()

  pass (now: number): void {
    this.expired.push(...this.alive.filter(({ expires }) => expires <= now))
    this.alive = this.alive.filter(({ expires }) => expires > now)
  }

  find (namespace: string, peer: string): StoredRegistration | undefined {
    return this.alive.find(registration => registration.namespace === namespace && registration.peer === peer)
  }

  remove (registration: StoredRegistration | undefined): void {
    this.alive = this.alive.filter(other => other !== registration)
  }

  /** The limits in the way of one more. */
  reached (namespace: string, peer: string, limits: StoreLimits): string[] {
    const inNamespace = this.alive.filter(registration => registration.namespace === namespace).length

    return Object.entries({
      maxRegistrationsPerPeer: this.alive.filter(registration => registration.peer === peer).length >= limits.maxRegistrationsPerPeer,
      maxRegistrationsPerNamespace: inNamespace >= limits.maxRegistrationsPerNamespace,
      maxNamespaces: inNamespace === 0 && count(this.alive, 'namespace') >= limits.maxNamespaces,
      maxRegistrations: this.alive.length >= limits.maxRegistrations,
      maxBytes: (this.alive.length + 1) * BYTES > limits.maxBytes
    }).filter(([, isReached]) => isReached).map(([limit]) => limit)
  }

  /**
   * Those who may be the one to make room for a newcomer: where networks hold the same, a store has its
   * choice. Empty when the newcomer is refused.
   */
  candidates (members: StoredRegistration[], newcomer: string, path = ''): StoredRegistration[] {
    const own = nextPath(newcomer, path)
    const weights = weigh(members, path)
    const most = Math.max(...weights.values())
    const ownWeight = weights.get(own ?? '') ?? 0

    if (most > ownWeight + 1) {
      return [...weights].filter(([, weight]) => weight === most).flatMap(([heaviest]) => this.youngest(members, heaviest))
    }

    return own == null || ownWeight === 0 ? [] : this.candidates(members.filter(({ network }) => nextPath(network, path) === own), newcomer, own)
  }

  youngest (members: StoredRegistration[], path: string): StoredRegistration[] {
    const inside = members.filter(({ network }) => isWithin(network, path))
    const weights = weigh(inside, path)

    if (weights.size === 0) {
      return inside.sort((a, b) => this.bornOf(b) - this.bornOf(a)).slice(0, 1)
    }

    return [...weights].filter(([, weight]) => weight === Math.max(...weights.values())).flatMap(([heaviest]) => this.youngest(inside, heaviest))
  }

  sharers (limit: string, namespace: string): StoredRegistration[] {
    return this.alive.filter(other => limit !== 'maxRegistrationsPerNamespace' || other.namespace === namespace)
  }

  bornOf ({ namespace, peer }: StoredRegistration): number {
    return this.born.get(`${namespace} ${peer}`) as number
  }

  list ({ namespace, after = -Infinity, limit, reads }: ListQuery): StoredRegistration[] {
    return this.alive
      .filter(registration => registration.sequence > after && (namespace == null || registration.namespace === namespace))
      .filter(({ domain, otherRecord }) => reads == null || otherRecord != null || domain === reads)
      .slice(0, limit)
  }
}

function count (registrations: StoredRegistration[], what: 'namespace' | 'peer'): number {
  return new Set(registrations.map(registration => registration[what])).size
}

/** What `memoryStore` counts for a registration with records of one byte. */
const BYTES = 641

/** Whether registrations make room for each other there. What a namespace counts for is the store's choice. */
function isShared (limit: string | undefined): boolean {
  return limit !== 'maxRegistrationsPerPeer' && limit !== 'maxNamespaces'
}

/** The path of a network that goes one segment further, if there is one. */
function nextPath (network: string, path: string): string | undefined {
  const [segment] = network.slice(path.length).match(/^[^/]+\/?/) ?? []

  return segment == null ? undefined : path + segment
}

function isWithin (network: string, path: string): boolean {
  return network === path || path === '' || (path.endsWith('/') && network.startsWith(path))
}

/** How many there are in each network within a path. */
function weigh (members: StoredRegistration[], path: string): Map<string, number> {
  const weights = new Map<string, number>()

  for (const { network } of members) {
    const next = nextPath(network, path)

    if (next != null) {
      weights.set(next, (weights.get(next) ?? 0) + 1)
    }
  }

  return weights
}

/** Without what a store keeps besides. */
function plain ({ namespace, peer, signedPeerRecord, domain, otherRecord, network, expires, sequence }: StoredRegistration): object {
  return { namespace, peer, record: signedPeerRecord.join(), domain, other: otherRecord?.join(), network, expires, sequence }
}

const index = (length: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: length - 1 })
const operation = fc.oneof(
  { weight: 10, arbitrary: fc.record({ type: fc.constant('register'), namespace: index(NAMESPACES.length), peer: index(PEERS.length), ttl: fc.integer({ min: 1, max: 20 }), record: fc.nat(255), domain: fc.constantFrom(...FORMS), isBoth: fc.boolean(), network: fc.constantFrom(...NETWORKS) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('unregister'), namespace: index(NAMESPACES.length), peer: index(PEERS.length) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('list'), namespace: fc.option(index(NAMESPACES.length), { nil: undefined }), cursor: fc.option(fc.nat(), { nil: undefined }), limit: fc.integer({ min: 1, max: 6 }), reads: fc.constantFrom(undefined, ...FORMS) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('sample'), namespace: fc.option(index(NAMESPACES.length), { nil: undefined }), limit: fc.integer({ min: 1, max: 6 }), reads: fc.constantFrom(undefined, ...FORMS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('foreign cursor'), cursor: fc.oneof(fc.maxSafeNat(), fc.double()) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('pass'), seconds: fc.integer({ min: 0, max: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('expire'), limit: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart') }) }
) as fc.Arbitrary<any>

const limitsArbitrary: fc.Arbitrary<StoreLimits> = fc.record({
  maxRegistrationsPerPeer: fc.integer({ min: 1, max: 4 }),
  maxRegistrationsPerNamespace: fc.integer({ min: 1, max: 6 }),
  maxNamespaces: fc.integer({ min: 1, max: 4 }),
  maxRegistrations: fc.integer({ min: 1, max: 16 }),
  maxBytes: fc.oneof(fc.constant(1e9), fc.integer({ min: 1_000, max: 15_000 }))
})

interface Run {
  store: RegistrationStore
  model: Model
  limits: StoreLimits
  now: number
  highest: number
  /** Every cursor that pages gave, with what it means in the model. */
  cursors: Array<{ namespace: string | undefined, cursor: number, position: number }>
  restart: (store: RegistrationStore) => Promise<RegistrationStore>
}

const perform: Record<string, (run: Run, operation: any) => Promise<void>> = {
  async register (run, operation) {
    const { store, model, limits, now } = run
    const [namespace, peer] = [NAMESPACES[operation.namespace] as string, PEERS[operation.peer] as string]
    const { domain, network } = operation
    const signedPeerRecord = new Uint8Array([operation.record])
    // without a byte, so that all weigh the same
    const otherRecord = operation.isBoth ? new Uint8Array() : undefined
    const ttl = operation.ttl * SECOND
    const previous = model.find(namespace, peer)
    const reached = previous == null ? model.reached(namespace, peer, limits) : []
    const result = await store.register({ namespace, peer, signedPeerRecord, otherRecord, domain, network, ttl }, limits, now)

    if ('limit' in result) {
      expect(reached).to.include(result.limit)

      if (reached.length === 1 && isShared(result.limit)) {
        expect(model.candidates(model.sharers(result.limit, namespace), network)).to.deep.equal([])
      }

      return
    }

    const { sequence } = result.registration
    const registration = { namespace, peer, signedPeerRecord, otherRecord, domain, network, expires: now + ttl, sequence }
    expect(result.refreshed).to.equal(previous != null)
    expect(sequence).to.be.greaterThan(run.highest)
    expect(plain(result.registration)).to.deep.equal(plain(registration))
    run.highest = sequence

    const displaced = result.displaced.map(({ sequence }) => model.alive.find(other => other.sequence === sequence) as StoredRegistration)
    expect(result.displaced.map(plain)).to.deep.equal(displaced.map(plain))
    expect(displaced).to.not.include(previous)

    if (previous == null) {
      expect(reached).to.not.include('maxRegistrationsPerPeer')
      expect(displaced.length > 0, 'somebody makes room when a limit is reached').to.equal(reached.length > 0)

      if (reached.length === 1 && isShared(reached[0])) {
        expect(model.candidates(model.sharers(reached[0] as string, namespace), network)).to.include(displaced[0])
      }

      model.born.set(`${namespace} ${peer}`, sequence)
    }

    displaced.forEach(registration => { model.remove(registration) })
    model.remove(previous)

    if (previous == null) {
      expect(model.reached(namespace, peer, limits)).to.deep.equal([])
    }

    model.alive.push(registration)
    expect(model.alive.length * BYTES).to.be.at.most(limits.maxBytes)
  },

  async unregister ({ store, model, now }, operation) {
    const [namespace, peer] = [NAMESPACES[operation.namespace] as string, PEERS[operation.peer] as string]
    const registration = model.find(namespace, peer)
    const removed = await store.unregister(namespace, peer, now)
    expect(removed == null ? undefined : plain(removed)).to.deep.equal(registration == null ? undefined : plain(registration))
    model.remove(registration)
  },

  async list ({ store, model, now, cursors }, operation) {
    const namespace = operation.namespace == null ? undefined : NAMESPACES[operation.namespace]
    const usable = cursors.filter(cursor => cursor.namespace === namespace)
    const from = operation.cursor == null ? undefined : usable[operation.cursor % usable.length]
    const page = await store.list({ namespace, after: from?.cursor, limit: operation.limit, reads: operation.reads }, now)
    expect(page?.registrations.map(plain)).to.deep.equal(model.list({ namespace, after: from?.position, limit: operation.limit, reads: operation.reads }).map(plain))

    if (page != null) {
      for (const { sequence } of page.registrations) {
        cursors.push({ namespace, cursor: sequence, position: sequence })
      }

      cursors.push({ namespace, cursor: page.cursor, position: page.registrations.at(-1)?.sequence ?? from?.position ?? -Infinity })
    }
  },

  async sample ({ store, model, now, cursors, highest }, { limit, reads, ...operation }) {
    const namespace = operation.namespace == null ? undefined : NAMESPACES[operation.namespace]
    const page = await store.list({ namespace, limit, reads, sample: () => 0.5 }, now)
    const all = model.list({ namespace, limit: Infinity, reads }).map(({ sequence }) => sequence)
    const drawn = page?.registrations.map(({ sequence }) => sequence) ?? []

    expect(drawn).to.have.lengthOf(Math.min(limit, all.length))
    expect(new Set(drawn).size).to.equal(drawn.length)
    expect(all).to.include.members(drawn)
    cursors.push({ namespace, cursor: page?.cursor as number, position: highest })
  },

  async 'foreign cursor' ({ store, now, cursors, highest }, { cursor }) {
    const lowest = Math.min(...cursors.map(({ cursor }) => cursor))

    // in between, it may be one of this store's life
    if (!(cursor >= lowest && cursor <= highest + 1_000_000)) {
      expect(await store.list({ after: cursor, limit: 1 }, now)).to.equal(undefined)
    }
  },

  async pass (run, { seconds }) {
    run.now += seconds * SECOND
    run.model.pass(run.now)
  },

  async expire ({ store, model, now }, { limit }) {
    const expired = await store.expire(now, limit)
    expect(expired).to.have.lengthOf(Math.min(limit, model.expired.length))

    for (const registration of expired) {
      const place = model.expired.findIndex(({ sequence }) => sequence === registration.sequence)
      expect(place).to.be.at.least(0)
      expect(plain(registration)).to.deep.equal(plain(model.expired.splice(place, 1)[0] as StoredRegistration))
    }
  },

  async restart (run) {
    const { store, model } = run
    run.store = await run.restart(store)

    if (run.store !== store) {
      // the log does not tell who came first
      model.alive.forEach(({ namespace, peer, sequence }) => { model.born.set(`${namespace} ${peer}`, sequence) })
      // in a log there is one place for a peer and namespace, and its newest registration has it
      model.expired = model.expired.filter(({ namespace, peer, sequence }) => ![...model.alive, ...model.expired].some(other =>
        other.namespace === namespace && other.peer === peer && other.sequence > sequence))
    }
  }
}

function compareSizes ({ store, model, now }: Run): void {
  const { alive, expired } = model
  const { registrations, namespaces, peers } = store.size
  const all = [...alive, ...expired]
  expect(registrations).to.be.within(alive.length, all.length)
  expect(namespaces).to.be.within(count(alive, 'namespace'), count(all, 'namespace'))
  expect(peers).to.be.within(count(alive, 'peer'), count(all, 'peer'))

  const next = store.nextExpiry()

  if (expired.length > 0) {
    expect(next).to.be.at.most(now)
  } else {
    expect(next).to.equal(alive.length === 0 ? undefined : Math.min(...alive.map(({ expires }) => expires)))
  }
}

async function compare (create: () => RegistrationStore, restart: Run['restart'], numRuns: number): Promise<void> {
  await fc.assert(fc.asyncProperty(limitsArbitrary, fc.array(operation, { maxLength: 150, size: 'max' }), async (limits, operations) => {
    const run: Run = { store: create(), model: new Model(), limits, now: START, highest: -1, cursors: [], restart }
    await run.store.start?.()

    for (const operation of operations) {
      await perform[operation.type]?.(run, operation)
      compareSizes(run)
    }

    await run.store.stop?.()
  }), { seed: 1, numRuns })
}

describe('a naive model', () => {
  it('gives the same answers as memoryStore', async () => {
    await compare(memoryStore, async store => store, 120)
  })

  it('gives the same answers as persistentStore, also when that is stopped and started in between', async () => {
    const datastores = new WeakMap<RegistrationStore, MemoryDatastore>()
    const open = (datastore: MemoryDatastore): RegistrationStore => {
      const store = persistentStore({ datastore })
      datastores.set(store, datastore)

      return store
    }

    await compare(() => open(new MemoryDatastore()), async store => {
      await store.stop?.()
      const next = open(datastores.get(store) as MemoryDatastore)
      await next.start?.()

      return next
    }, 60)
  })
})
