import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { FairShares } from '../../src/store/fair-shares.ts'
import { FormLists } from '../../src/store/form-lists.ts'
import { GradualShares } from '../../src/store/gradual-shares.ts'
import type { Share } from '../../src/store/fair-shares.ts'

class Entry implements Share {
  readonly sequence: number
  readonly network: string
  readonly expires = 0
  readonly domain = 'libp2p-peer-record'
  readonly weight = 1
  born: number
  parent: object | undefined = undefined
  place = 0

  constructor (sequence: number, network: string, born: number = sequence) {
    this.sequence = sequence
    this.network = network
    this.born = born
  }
}

const access = { of: (entry: Entry) => entry.parent == null ? undefined : entry, make: (entry: Entry) => entry, drop: () => {} }

let list: FormLists<Entry>
let shares: GradualShares<Entry, Entry> | undefined
let last: number

beforeEach(() => {
  list = new FormLists()
  shares = undefined
  last = 0
})

/** From now on they are counted. */
function count (): GradualShares<Entry, Entry> {
  shares ??= new GradualShares(list, access)

  return shares
}

function put (network: string, previous?: Entry): Entry {
  const entry = new Entry(++last, network, previous?.born)
  shares?.put(entry, previous)

  if (previous != null) {
    list.remove(previous)
  }

  list.append(entry)

  return entry
}

function remove (entry: Entry): void {
  list.remove(entry)
  shares?.remove(entry)
}

const counted = (): number => [...list].filter(entry => entry.parent != null).length

describe('gradual shares', () => {
  it('count nothing by themselves, and with each that comes that one and a few others', () => {
    const [first] = Array.from({ length: 20 }, () => put('a'))
    count()
    expect(counted()).toBe(0)
    put('b')
    expect(counted()).toBe(9)
    put('b', first)
    expect(counted()).toBe(17)
    expect(shares?.isComplete).toBe(false)
    put('b')
    expect(counted()).toBe(22)
    expect(shares?.isComplete).toBe(true)
    put('b')
    expect(counted()).toBe(23)
    expect(shares?.soFar.count).toBe(23)
  })

  it('count as many more as they are told, and say when that was all', () => {
    Array.from({ length: 3 }, () => put('a'))

    expect(count().countMore(2)).toBe(false)
    expect(counted()).toBe(2)
    expect(count().countMore(2)).toBe(true)
    expect(counted()).toBe(3)
  })

  it('count all when they are asked for', () => {
    const entries = Array.from({ length: 1_500 }, () => put('a'))

    expect(count().all.victim('b', 1)).toBe(entries.at(-1))
    expect(count().all.count).toBe(1_500)
    expect(count().isComplete).toBe(true)
  })

  it('know the age of what was counted late, and of what was refreshed before', () => {
    const [first, second] = [put('a'), put('a')]
    put('a', first)

    expect(count().all.victim('b', 0)).toBe(second)
  })

  it('hold what shares that counted from the start do, whatever happens while they count', () => {
    const step = fc.record({ type: fc.constantFrom('add', 'add', 'refresh', 'remove', 'count'), network: fc.constantFrom('1/1', '1/2', '2/1', '3/1'), which: fc.nat() })

    fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
      list = new FormLists()
      shares = undefined
      last = 0
      const present: Entry[] = []

      for (const { type, network, which } of steps) {
        const at = which % Math.max(present.length, 1)
        const chosen = present[at]

        if (type === 'add') {
          present.push(put(network))
        } else if (type === 'count') {
          count()
        } else if (chosen != null && type === 'refresh') {
          present[at] = put(network, chosen)
        } else if (chosen != null) {
          remove(chosen)
          present.splice(at, 1)
        }
      }

      const expected = new FairShares<Entry>()
      const twins = new Map(present.map(entry => [entry.sequence, new Entry(entry.sequence, entry.network, entry.born)]))
      twins.forEach(twin => { expected.add(twin) })
      expect(count().all.count).toBe(present.length)

      for (const network of ['1/1', '1/2', '2/1', '4/1']) {
        // among networks that hold the same, any may make room
        expect(count().all.victim(network, 1) == null).toBe(expected.victim(network, 1) == null)
      }
    }))
  })
})
