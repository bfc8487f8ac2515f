/** What the child of the crash test tells, and what it shares with its parent. */

export type JournalEntry =
  | { id: number, namespace: string, peer: string, begin: 'register', expires: number, record: string }
  | { id: number, namespace: string, peer: string, begin: 'unregister' }
  | { id: number, namespace: string, peer: string, done: 'register', sequence: number }
  | { id: number, namespace: string, peer: string, done: 'unregister' | 'refused' }
  | { cursor: number, shown: number[] }

export const NAMESPACES = ['a', 'a/b', 'ü@%', 'd', 'e']
export const PEERS = Array.from({ length: 60 }, (_, i) => `peer-${i}`)

/** Some expire while the test runs. */
export const TTLS = [2_000, 7_200_000, 7_200_000, 7_200_000]

/** Low enough to be met all the time. */
export const LIMITS = {
  maxRegistrationsPerPeer: 4,
  maxRegistrationsPerNamespace: 40,
  maxNamespaces: 5,
  maxRegistrations: 120,
  maxBytes: Infinity
}
