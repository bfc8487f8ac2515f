import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/store/memory.ts'
import type { StoreLimits } from '../../src/store/types.ts'

const NOW = 1_750_000_000_000
const HOUR = 3_600_000
const LIMITS: StoreLimits = { maxRegistrationsPerPeer: 100, maxRegistrationsPerNamespace: 1_000, maxNamespaces: 10_000, maxRegistrations: 1_000_000, maxBytes: 512 * 1024 * 1024 }

interface Newcomer { peer: string, network: string, namespace: string, bytes: number }

/** Each in a network of its own. */
function honestPeers (count: number, namespaceOf = (_: number) => 'space'): Newcomer[] {
  return Array.from({ length: count }, (_, i) => ({ peer: `honest-${i}`, network: `${1 + i % 200}.${Math.floor(i / 200)}/${i % 250}/7`, namespace: namespaceOf(i), bytes: 200 }))
}

/** All in one /16, spread over it as well as can be. */
function attackers (count: number, namespacesOf = (_: number) => ['space'], bytes = 200): Newcomer[] {
  return Array.from({ length: count }, (_, i) => namespacesOf(i).map(namespace => ({ peer: `attacker-${i}`, network: `203.0/${i % 256}/${Math.floor(i / 256)}`, namespace, bytes }))).flat()
}

/** The same in each run. */
function shuffled <T> (many: T[]): T[] {
  let state = 1
  const random = (): number => (state = state * 16_807 % 2_147_483_647) / 2_147_483_647

  return many.map(value => ({ value, key: random() })).sort((a, b) => a.key - b.key).map(({ value }) => value)
}

const ORDERS: Record<string, (honest: Newcomer[], hostile: Newcomer[]) => Newcomer[]> = {
  'the honest come first': (honest, hostile) => [...honest, ...hostile],
  'the attackers come first': (honest, hostile) => [...hostile, ...honest],
  'they come in any order': (honest, hostile) => shuffled([...honest, ...hostile])
}

/** Has all of them register, and returns how many of the honest are listed then. */
function run (newcomers: Newcomer[], limits: StoreLimits = LIMITS): { honest: number, store: MemoryStore } {
  const store = new MemoryStore()

  for (const { peer, network, namespace, bytes } of newcomers) {
    store.register({ namespace, peer, network, domain: 'libp2p-peer-record', signedPeerRecord: new Uint8Array(bytes), ttl: HOUR }, limits, NOW)
  }

  const listed = store.list({ limit: Infinity }, NOW)?.registrations ?? []

  return { honest: listed.filter(({ peer }) => peer.startsWith('honest')).length, store }
}

for (const [order, arrange] of Object.entries(ORDERS)) {
  describe(`when ${order}`, () => {
    it('ten thousand identities of one /16 keep none of 500 honest peers out of a namespace', () => {
      const { honest, store } = run(arrange(honestPeers(500), attackers(10_000)))

      expect(honest).to.equal(500)
      expect(store.size.registrations).to.equal(1_000)
    })

    it('a hundred identities in a hundred namespaces each keep nobody from a namespace of their own', () => {
      const hostile = attackers(100, i => Array.from({ length: 100 }, (_, j) => `taken-${i}-${j}`))
      const { honest, store } = run(arrange(honestPeers(500, i => `honest-${i}`), hostile))

      expect(honest).to.equal(500)
      expect(store.size.namespaces).to.equal(10_000)
    })

    it('who registers in the namespaces of others as well does not get them removed', () => {
      const honestNames = Array.from({ length: 90 }, (_, i) => `honest-${i}`)
      const hostile = attackers(100, i => [...honestNames.slice(i % 9 * 10, i % 9 * 10 + 10), ...Array.from({ length: 90 }, (_, j) => `taken-${i}-${j}`)])
      const { honest } = run(arrange(honestPeers(90, i => `honest-${i}`), hostile), { ...LIMITS, maxNamespaces: 1_000 })

      expect(honest).to.equal(90)
    })

    it('large records keep nobody out', () => {
      const { honest, store } = run(arrange(honestPeers(500), attackers(1_000, () => ['space'], 8_000)), { ...LIMITS, maxBytes: 2_000_000 })

      expect(honest).to.equal(500)
      expect(store.size.bytes).to.be.at.most(2_000_000)
    })

    it('nor do many registrations', () => {
      const { honest, store } = run(arrange(honestPeers(500), attackers(5_000)), { ...LIMITS, maxRegistrationsPerNamespace: Infinity, maxRegistrations: 1_000 })

      expect(honest).to.equal(500)
      expect(store.size.registrations).to.equal(1_000)
    })
  })
}
