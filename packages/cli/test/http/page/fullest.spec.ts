import { memoryStore } from 'libp2p-rendezvous'
import { describe, expect, it } from 'vitest'
import { fullestNamespaces } from '../../../src/http/page/fullest.ts'

const NO_LIMITS = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }
const NOW = 1_700_000_000_000

function storeWith (counts: Record<string, number>): ReturnType<typeof memoryStore> {
  const store = memoryStore()

  for (const [namespace, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++) {
      store.register({ namespace, peer: `peer ${i}`, signedPeerRecord: new Uint8Array(1), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl: 60_000 }, NO_LIMITS, NOW)
    }
  }

  return store
}

describe('the fullest namespaces', () => {
  it('are counted in the whole listing, in however many pages', async () => {
    const store = storeWith({ few: 3, most: 1_200, some: 700 })

    expect(await fullestNamespaces(store, 2, () => NOW)).toEqual([{ namespace: 'most', registrations: 1_200 }, { namespace: 'some', registrations: 700 }])
  })

  it('are in the order of their names where they are equally full', async () => {
    expect((await fullestNamespaces(storeWith({ b: 1, c: 2, a: 1 }), 10, () => NOW)).map(({ namespace }) => namespace)).toEqual(['c', 'a', 'b'])
  })

  it('are those of registrations that have not expired', async () => {
    expect(await fullestNamespaces(storeWith({ gone: 3 }), 10, () => NOW + 60_000)).toEqual([])
  })

  it('come to an end while others go on registering', async () => {
    const store = storeWith({ busy: 600 })
    let added = 0
    const list: typeof store.list = (...args) => {
      store.register({ namespace: 'busy', peer: `newcomer ${++added}`, signedPeerRecord: new Uint8Array(1), domain: 'libp2p-peer-record', network: '192.0/2/1', ttl: 60_000 }, NO_LIMITS, NOW)

      return store.list(...args)
    }

    expect((await fullestNamespaces({ list }, 1, () => NOW))[0]?.registrations).toBeGreaterThanOrEqual(601)
    expect(added).toBe(2)
  })
})
