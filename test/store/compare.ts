import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect } from 'vitest'
import { Model, ModelledStore } from './model.ts'
import type { RegistrationStore, StoreLimits } from '../../src/store/types.ts'

const SECOND = 1_000
const NAMESPACES = ['a', 'a/b', 'ü@%', 'd']
const PEERS = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6']
const NETWORKS = ['1/1/1', '1/1/2', '1/2/1', '2/1/1', 'relay']
const FORMS = ['libp2p-peer-record', 'libp2p-routing-state'] as const
const START = 1_750_000_000_000

const index = (length: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: length - 1 })
const operation = fc.oneof(
  { weight: 10, arbitrary: fc.record({ type: fc.constant('register'), namespace: index(NAMESPACES.length), peer: index(PEERS.length), ttl: fc.integer({ min: 1, max: 20 }), record: fc.nat(255), domain: fc.constantFrom(...FORMS), isBoth: fc.boolean(), network: fc.constantFrom(...NETWORKS) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('unregister'), namespace: index(NAMESPACES.length), peer: index(PEERS.length) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('list'), namespace: fc.option(index(NAMESPACES.length), { nil: undefined }), cursor: fc.option(fc.nat(), { nil: undefined }), limit: fc.integer({ min: 1, max: 6 }), reads: fc.constantFrom(undefined, ...FORMS) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('sample'), namespace: fc.option(index(NAMESPACES.length), { nil: undefined }), limit: fc.integer({ min: 1, max: 6 }), reads: fc.constantFrom(undefined, ...FORMS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('foreign cursor'), cursor: fc.oneof(fc.maxSafeNat(), fc.double()) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('registrations of'), peer: index(PEERS.length) }) },
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
  store: ModelledStore
  limits: StoreLimits
  now: number
  /** Every cursor that pages gave. */
  cursors: Array<{ namespace: string | undefined, cursor: number }>
  restart: (store: ModelledStore) => Promise<ModelledStore>
}

const perform: Record<string, (run: Run, operation: any) => Promise<void>> = {
  async register ({ store, limits, now }, { record, isBoth, ttl, domain, network, ...operation }) {
    const [namespace, peer] = [NAMESPACES[operation.namespace] as string, PEERS[operation.peer] as string]
    await store.register({ namespace, peer, signedPeerRecord: new Uint8Array(1 + record % 3).fill(record), otherRecord: isBoth ? new Uint8Array(record) : undefined, domain, network, ttl: ttl * SECOND }, limits, now)
  },

  async unregister ({ store, now }, operation) {
    await store.unregister(NAMESPACES[operation.namespace] as string, PEERS[operation.peer] as string, now)
  },

  async list ({ store, now, cursors }, { cursor, limit, reads, ...operation }) {
    const namespace = operation.namespace == null ? undefined : NAMESPACES[operation.namespace]
    const usable = cursors.filter(cursor => cursor.namespace === namespace)
    const page = await store.list({ namespace, after: cursor == null ? undefined : usable[cursor % usable.length]?.cursor, limit, reads }, now)
    assert(page != null, 'a cursor that a page gave is one')
    cursors.push(...page.registrations.map(({ sequence }) => ({ namespace, cursor: sequence })), { namespace, cursor: page.cursor })
  },

  async sample ({ store, now, cursors }, { limit, reads, ...operation }) {
    const namespace = operation.namespace == null ? undefined : NAMESPACES[operation.namespace]
    const page = await store.list({ namespace, limit, reads, sample: () => 0.5 }, now)
    cursors.push({ namespace, cursor: page?.cursor as number })
  },

  async 'foreign cursor' ({ store, now, cursors }, { cursor }) {
    const lowest = Math.min(...cursors.map(({ cursor }) => cursor))

    // in between, it may be one of this store's life
    if (!(cursor >= lowest && cursor <= store.highest + 1_000_000)) {
      expect(await store.list({ after: cursor, limit: 1 }, now)).to.equal(undefined)
    }
  },

  async 'registrations of' ({ store, now }, { peer }) {
    await store.registrationsOf(PEERS[peer] as string, now)
  },

  async pass (run, { seconds }) {
    run.now += seconds * SECOND
  },

  async expire ({ store, now }, { limit }) {
    await store.expire(now, limit)
  },

  async restart (run) {
    run.store = await run.restart(run.store)
  }
}

/**
 * Compares a store with the naive model, operation by operation.
 *
 * @param restart - goes on with the same registrations in another store
 */
export async function compare (create: () => RegistrationStore, restart: Run['restart'], numRuns: number, registrationBytes?: number): Promise<void> {
  await fc.assert(fc.asyncProperty(limitsArbitrary, fc.array(operation, { maxLength: 150, size: 'max' }), async (limits, operations) => {
    const run: Run = { store: new ModelledStore(create(), new Model(registrationBytes)), limits, now: START, cursors: [], restart }
    await run.store.start()

    for (const operation of operations) {
      await perform[operation.type]?.(run, operation)
      run.store.checkSize(run.now)
    }

    await run.store.stop()
  }), { seed: 1, numRuns })
}
