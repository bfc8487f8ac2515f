import { PeerIndex } from '../../dist/store/peer-index.js'
import { peerName } from '../registrations.ts'
import { row } from '../row.ts'
import type { Report } from '../part.ts'

/** Past 2^20, where a `Map` moves what it holds for the last time before two million. */
const SIZE = 1_100_000
const REPEAT = 5

interface Entry { namespace: string, peer: string }

/** What an index of peers has to do. */
interface Subject {
  set: (entry: Entry) => unknown
  delete: (entry: Entry) => unknown
}

/** The longest call, in milliseconds, and the mean of all, in microseconds. */
interface Observed { longest: number, mean: number }

/** What the split map is for: beside it, the same index on a `Map`. */
export async function part ({ progress, row: emit }: Report): Promise<void> {
  const entries = Array.from({ length: SIZE }, (_, i): Entry => ({ namespace: 'all-in-one', peer: peerName(i) }))
  const observed: Record<'split' | 'plain', Record<'set' | 'delete', Observed[]>> = { split: { set: [], delete: [] }, plain: { set: [], delete: [] } }

  for (let i = 0; i < REPEAT; i++) {
    for (const [kind, subject] of [['split', new PeerIndex<Entry>()], ['plain', plain()]] as const) {
      progress(`${kind}, ${i + 1} of ${REPEAT}`)

      for (const change of ['set', 'delete'] as const) {
        globalThis.gc?.()
        observed[kind][change].push(observe(entries, entry => subject[change](entry)))
      }
    }
  }

  for (const [change, what] of [['set', 'growing'], ['delete', 'shrinking']] as const) {
    const [split, plain] = [observed.split[change], observed.plain[change]]
    emit(row({ name: `peer index: longest call while ${what}`, size: SIZE, unit: 'ms', samples: split.map(({ longest }) => longest), against: { name: 'on a Map', samples: plain.map(({ longest }) => longest), counts: 'cost' } }))
    emit(row({ name: `peer index: a call while ${what}`, size: SIZE, unit: 'µs', samples: split.map(({ mean }) => mean), against: { name: 'on a Map', samples: plain.map(({ mean }) => mean), counts: 'cost' } }))
  }
}

function observe (entries: Entry[], change: (entry: Entry) => unknown): Observed {
  const start = performance.now()
  let longest = 0
  let last = start

  for (const entry of entries) {
    change(entry)
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }

  return { longest, mean: (last - start) * 1_000 / entries.length }
}

function plain (): Subject {
  const map = new Map<string, Entry>()

  return {
    set: entry => map.set(entry.peer, entry),
    delete: ({ peer }) => map.delete(peer)
  }
}
