import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SequenceList } from '../../src/store/sequence-list.ts'

interface Entry {
  sequence: number
  expires: number
}

const NOW = 1_000

function entry (sequence: number, expires = NOW + 1): Entry {
  return { sequence, expires }
}

function filled (count: number): { list: SequenceList<Entry>, entries: Entry[] } {
  const list = new SequenceList<Entry>()
  const entries = Array.from({ length: count }, (_, i) => entry(10 * i))
  entries.forEach(entry => { list.append(entry) })

  return { list, entries }
}

describe('SequenceList', () => {
  it('has nothing at first', () => {
    expect(new SequenceList().after(-Infinity, 10, NOW)).to.deep.equal([])
  })

  it('finds what follows a number that an entry has, and one that none has', () => {
    const { list, entries } = filled(1_000)

    for (const i of [0, 1, 255, 256, 257, 511, 512, 998]) {
      expect(list.after(10 * i, 3, NOW), `after ${10 * i}`).to.deep.equal(entries.slice(i + 1, i + 4))
      expect(list.after(10 * i + 5, 3, NOW), `after ${10 * i + 5}`).to.deep.equal(entries.slice(i + 1, i + 4))
    }

    expect(list.after(-1, 1, NOW)).to.deep.equal([entries[0]])
    expect(list.after(9_990, 1, NOW)).to.deep.equal([])
  })

  it('reads across as many chunks as a page needs', () => {
    const { list, entries } = filled(2_000)

    expect(list.after(5, 1_500, NOW)).to.deep.equal(entries.slice(1, 1_501))
    expect(list.after(-1, Infinity, NOW)).to.deep.equal(entries)
  })

  it('passes over what has expired, alone and by the chunk', () => {
    const list = new SequenceList<Entry>()
    const entries = Array.from({ length: 1_200 }, (_, i) => entry(i, (i >= 256 && i < 900) || i % 2 === 0 ? NOW : NOW + 1))
    entries.forEach(entry => { list.append(entry) })
    const alive = entries.filter(({ expires }) => expires > NOW)

    expect(list.after(-1, Infinity, NOW)).to.deep.equal(alive)
    expect(list.after(200, 40, NOW)).to.deep.equal(alive.filter(({ sequence }) => sequence > 200).slice(0, 40))
    expect(list.after(-1, Infinity, NOW + 1)).to.deep.equal([])
  })

  it('can be emptied from either end and filled again', () => {
    for (const direction of [1, -1]) {
      const { list, entries } = filled(600)

      for (const entry of direction === 1 ? entries : entries.toReversed()) {
        list.remove(entry)
      }

      expect(list.after(-Infinity, 1, NOW)).to.deep.equal([])

      const later = entry(1_000_000)
      list.append(later)
      expect(list.after(-Infinity, 2, NOW)).to.deep.equal([later])
    }
  })

  it('keeps what is left when chunk after chunk loses all but one', () => {
    const { list, entries } = filled(256 * 40)
    entries.filter((_, i) => i % 256 !== 0).forEach(entry => { list.remove(entry) })

    expect(list.after(-1, Infinity, NOW)).to.deep.equal(entries.filter((_, i) => i % 256 === 0))
  })

  it('answers as a sorted array does', () => {
    fc.assert(fc.property(fc.array(fc.oneof(
      { weight: 5, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 200 }), expires: fc.integer({ min: NOW - 2, max: NOW + 3 }) }) },
      { weight: 4, arbitrary: fc.record({ remove: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), count: fc.integer({ min: 1, max: 300 }) }) },
      { weight: 3, arbitrary: fc.record({ after: fc.integer({ min: -1, max: 4_000 }), limit: fc.integer({ min: 1, max: 700 }) }) }
    ), { maxLength: 60 }), operations => {
      const list = new SequenceList<Entry>()
      const model: Entry[] = []
      let sequence = 0

      for (const operation of operations) {
        if ('append' in operation) {
          for (let i = 0; i < operation.append; i++) {
            const added = entry(sequence += 1 + i % 3, operation.expires + i % 2)
            model.push(added)
            list.append(added)
          }
        } else if ('remove' in operation) {
          for (const removed of model.splice(Math.floor(operation.remove * model.length), operation.count)) {
            list.remove(removed)
          }
        } else {
          expect(list.after(operation.after, operation.limit, NOW)).to.deep.equal(model
            .filter(({ sequence, expires }) => sequence > operation.after && expires > NOW)
            .slice(0, operation.limit))
        }
      }

      expect(list.after(-1, Infinity, 0)).to.deep.equal(model)
    }), { seed: 1, numRuns: 200 })
  })
})
