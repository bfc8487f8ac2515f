import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PeerIndex } from '../../src/store/peer-index.ts'

interface Entry { namespace: string, peer: string }

const entry = fc.record({ namespace: fc.constantFrom('a', 'b', 'c'), peer: fc.constantFrom('p1', 'p2') })
const change = fc.record({ type: fc.constantFrom('set', 'set', 'delete'), entry })

describe('PeerIndex', () => {
  it('returns the entry that another one replaces', () => {
    const index = new PeerIndex<Entry>()
    const first = { namespace: 'a', peer: 'p' }
    const other = { namespace: 'b', peer: 'p' }

    expect(index.set(first)).to.equal(undefined)
    expect(index.set({ ...first })).to.equal(first)
    expect(index.set(other)).to.equal(undefined)
    expect(index.set({ ...other })).to.equal(other)
  })

  it('answers as an array does, while peers come to have several entries and lose them again', () => {
    fc.assert(fc.property(fc.array(change, { maxLength: 40 }), changes => {
      const index = new PeerIndex<Entry>()
      let model: Entry[] = []

      for (const { type, entry } of changes) {
        const isOther = (other: Entry): boolean => other.namespace !== entry.namespace || other.peer !== entry.peer
        model = model.filter(isOther)

        if (type === 'set') {
          model.push(entry)
          index.set(entry)
        } else {
          index.delete(entry)
        }

        for (const peer of ['p1', 'p2']) {
          const ofPeer = model.filter(other => other.peer === peer)
          expect(index.countOf(peer)).to.equal(ofPeer.length)
          expect(['a', 'b', 'c'].map(namespace => index.get(namespace, peer)).filter(found => found != null))
            .to.deep.equal(ofPeer.toSorted((a, b) => a.namespace < b.namespace ? -1 : 1))
        }

        expect(index.size).to.equal(new Set(model.map(({ peer }) => peer)).size)
      }
    }))
  })
})
