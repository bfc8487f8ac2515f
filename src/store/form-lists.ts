import { SequenceList } from './sequence-list.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { ReadableDomain, StoredRegistration } from './types.ts'

interface Entry {
  readonly sequence: number
  readonly expires: number
  readonly domain: ReadableDomain
  readonly otherRecord?: Uint8Array | undefined
}

/** Those of an entry in which it can be read. */
type Forms = ReadableDomain | 'both'

const READABLE: Record<RecordDomain, Forms[]> = {
  'libp2p-peer-record': ['libp2p-peer-record', 'both'],
  'libp2p-routing-state': ['libp2p-routing-state', 'both']
}

/**
 * Entries in the order of their sequence numbers, for those who read all and for those who read only
 * records of one form. For each there is a list of what has the same forms, so that a page costs the same
 * whatever else lies between what can be read.
 */
export class FormLists<T extends Entry> {
  /** Most have only one, so there is no more than is needed. */
  readonly #lists: Array<{ forms: Forms, list: SequenceList<T> }> = []
  #size = 0

  get size (): number {
    return this.#size
  }

  /** The entry's sequence has to be higher than all before. */
  append (entry: T): void {
    const forms = formsOf(entry)
    let list = this.#list(forms)

    if (list == null) {
      list = new SequenceList()
      this.#lists.push({ forms, list })
    }

    list.append(entry)
    this.#size++
  }

  /** The entry has to be there. */
  remove (entry: T): void {
    (this.#list(formsOf(entry)) as SequenceList<T>).remove(entry)
    this.#size--
  }

  /** Up to `limit` entries later than `sequence` that are alive at `now` and have a record of that form. */
  after (sequence: number, limit: number, now: number, reads?: RecordDomain): T[] {
    const pages = this.#lists
      .filter(({ forms }) => reads == null || READABLE[reads].includes(forms))
      .map(({ list }) => list.after(sequence, limit, now))

    return pages.length <= 1
      ? pages[0] ?? []
      : pages.flat().sort((a, b) => a.sequence - b.sequence).slice(0, limit)
  }

  /** All, in order; entries may come and go meanwhile. */
  * [Symbol.iterator] (): Generator<T, undefined> {
    for (let [entry] = this.after(-Infinity, 1, -Infinity); entry != null; [entry] = this.after(entry.sequence, 1, -Infinity)) {
      yield entry
    }
  }

  #list (forms: Forms): SequenceList<T> | undefined {
    return this.#lists.find(list => list.forms === forms)?.list
  }
}

/** Whether somebody who reads only records of a form can read this one. */
export function isReadable (entry: Entry, reads: RecordDomain | undefined): boolean {
  return reads == null || READABLE[reads].includes(formsOf(entry))
}

/** The record of a registration that somebody can read, in the form that they read; as it came for who reads both. */
export function recordFor ({ signedPeerRecord, domain, otherRecord }: Pick<StoredRegistration, 'signedPeerRecord' | 'domain' | 'otherRecord'>, reads: RecordDomain | undefined): Uint8Array {
  return reads == null || reads === domain ? signedPeerRecord : otherRecord ?? signedPeerRecord
}

function formsOf ({ domain, otherRecord }: Entry): Forms {
  return otherRecord == null ? domain : 'both'
}
