import { describe, expect, it } from 'vitest'
import { FormLists, isReadable } from '../../src/store/form-lists.ts'
import type { RecordDomain } from '../../src/protocol/peer-record.ts'

interface Entry { sequence: number, expires: number, domain: RecordDomain, otherRecord?: Uint8Array }

/** `p` and `r` are entries with a record of one form, `b` of both. */
function listsOf (forms: string): { lists: FormLists<Entry>, entries: Entry[] } {
  const lists = new FormLists<Entry>()
  const entries = Array.from(forms, (form, sequence): Entry => ({
    sequence,
    expires: 10_000,
    domain: form === 'r' ? 'libp2p-routing-state' : 'libp2p-peer-record',
    ...(form === 'b' ? { otherRecord: new Uint8Array() } : {})
  }))
  entries.forEach(entry => { lists.append(entry) })

  return { lists, entries }
}

function after (lists: FormLists<Entry>, sequence: number, limit: number, reads?: RecordDomain): number[] {
  return lists.after(sequence, limit, 0, reads).map(({ sequence }) => sequence)
}

describe('FormLists', () => {
  it('has everything for who reads both forms, in order', () => {
    const { lists } = listsOf('prbprb')

    expect(after(lists, -1, 10)).to.deep.equal([0, 1, 2, 3, 4, 5])
    expect(after(lists, 1, 3)).to.deep.equal([2, 3, 4])
    expect(lists.size).to.equal(6)
  })

  it('has what can be read for who reads one form, in full pages', () => {
    const { lists } = listsOf('pppprpppbpppr')

    expect(after(lists, -1, 2, 'libp2p-routing-state')).to.deep.equal([4, 8])
    expect(after(lists, 8, 2, 'libp2p-routing-state')).to.deep.equal([12])
    expect(after(lists, 3, 3, 'libp2p-peer-record')).to.deep.equal([5, 6, 7])
    expect(after(lists, 6, 3, 'libp2p-peer-record')).to.deep.equal([7, 8, 9])
    expect(after(listsOf('ppp').lists, -1, 3, 'libp2p-routing-state')).to.deep.equal([])
    expect(after(new FormLists(), -1, 3)).to.deep.equal([])
  })

  it('loses what is removed from where it is', () => {
    const { lists, entries } = listsOf('prb')
    lists.remove(entries[1] as Entry)
    expect([after(lists, -1, 3), lists.size]).to.deep.equal([[0, 2], 2])
    lists.remove(entries[2] as Entry)
    lists.remove(entries[0] as Entry)
    expect([after(lists, -1, 3), lists.size]).to.deep.equal([[], 0])
  })

  it('says what can be read', () => {
    const { entries } = listsOf('prb')

    expect(entries.map(entry => isReadable(entry, undefined))).to.deep.equal([true, true, true])
    expect(entries.map(entry => isReadable(entry, 'libp2p-peer-record'))).to.deep.equal([true, false, true])
    expect(entries.map(entry => isReadable(entry, 'libp2p-routing-state'))).to.deep.equal([false, true, true])
  })
})
