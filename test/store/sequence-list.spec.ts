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

  it('fills chunks of 256', () => {
    expect(filled(256).list.chunkSizes).to.deep.equal([256])
    expect(filled(600).list.chunkSizes).to.deep.equal([256, 256, 88])
  })

  it('merges a chunk with its next when less than a quarter is left, and appends to what became the last', () => {
    const { list, entries } = filled(600)
    entries.slice(256, 448).forEach(entry => { list.remove(entry) })
    expect(list.chunkSizes).to.deep.equal([256, 64, 88])

    list.remove(entries[448] as Entry)
    expect(list.chunkSizes).to.deep.equal([256, 151])

    list.append(entry(10_000))
    expect(list.chunkSizes).to.deep.equal([256, 152])
    expect(list.after(-1, Infinity, NOW)).to.deep.equal([...entries.slice(0, 256), ...entries.slice(449), entry(10_000)])
  })

  it('merges a chunk with the one before when the next has no room', () => {
    const { list, entries } = filled(768)
    entries.slice(0, 100).forEach(entry => { list.remove(entry) })
    entries.slice(256, 449).forEach(entry => { list.remove(entry) })

    expect(list.chunkSizes).to.deep.equal([219, 256])
    expect(list.after(-1, Infinity, NOW)).to.deep.equal([...entries.slice(100, 256), ...entries.slice(449)])
  })

  it('merges into a whole chunk, and no more than that', () => {
    const { list, entries } = filled(512)
    entries.slice(0, 62).forEach(entry => { list.remove(entry) })
    entries.slice(256, 449).forEach(entry => { list.remove(entry) })
    expect(list.chunkSizes).to.deep.equal([194, 63])

    list.remove(entries[449] as Entry)
    expect(list.chunkSizes).to.deep.equal([256])
  })

  it('drops a chunk that is empty, and appends to the one before', () => {
    const { list, entries } = filled(300)
    entries.slice(0, 10).forEach(entry => { list.remove(entry) })
    // from the first chunk, so that the last is not merged before it is empty
    entries.slice(256).forEach(entry => { list.remove(entry) })
    expect(list.chunkSizes).to.deep.equal([246])

    list.append(entry(10_000))
    expect(list.chunkSizes).to.deep.equal([247])
  })

  it('drops a full chunk\'s lonely neighbour', () => {
    const { list, entries } = filled(257)
    list.remove(entries[256] as Entry)
    expect(list.chunkSizes).to.deep.equal([256])

    list.append(entry(10_000))
    expect(list.chunkSizes).to.deep.equal([256, 1])
  })

  it('does not look into entries where the second tells whether all or none are alive', () => {
    const list = new SequenceList<Entry>()
    let reads = 0

    for (let i = 0; i < 3; i++) {
      list.append({ sequence: i, get expires () { reads++; return 10_000 } })
    }

    const readsAt = (now: number): [found: number, reads: number] => {
      reads = 0

      return [list.after(-1, 10, now).length, reads]
    }

    expect(readsAt(9_000)).to.deep.equal([3, 0])
    expect(readsAt(9_001)).to.deep.equal([3, 3])
    expect(readsAt(9_999)).to.deep.equal([3, 3])
    expect(readsAt(10_000)).to.deep.equal([0, 0])
  })

  it('knows of merged chunks when the first and the last of them expire', () => {
    for (const [first, second] of [[2_000, 9_000], [9_000, 2_000]] as const) {
      const list = new SequenceList<Entry>()
      const entries = Array.from({ length: 512 }, (_, i) => entry(i, i < 256 ? first : second))
      entries.forEach(entry => { list.append(entry) })
      entries.slice(0, 250).forEach(entry => { list.remove(entry) })
      entries.slice(256, 500).forEach(entry => { list.remove(entry) })

      expect(list.chunkSizes).to.deep.equal([18])
      expect(list.after(-1, 100, 1_000)).to.have.lengthOf(18)
      expect(list.after(-1, 100, 5_000)).to.have.lengthOf(first === 9_000 ? 6 : 12)
      expect(list.after(-1, 100, 9_000)).to.have.lengthOf(0)
    }
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
