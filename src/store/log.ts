import { Entry } from './entry.ts'
import { decodeEntry, parseRegistrationName } from './log-entry.ts'
import { othersHadTheirTurn } from './others-turn.ts'
import { PeerIndex } from './peer-index.ts'
import { firstAfter } from './sequence-list.ts'
import type { LogEntry } from './log-entry.ts'
import type { SequenceRange } from './memory.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'

/** The name of the entry with the range of sequence numbers. */
export const SEQUENCE = 'sequence'

/** So many at a time are put in order, and restored: a few milliseconds. */
export const TOGETHER = 2_000

/** As a datastore has it. */
export type StoredEntry = [key: string, value: Uint8Array]

/** What the log has written down. */
export interface Log {
  /** In the order of their sequence numbers. */
  registrations: Entry[]
  peers: PeerIndex<Entry>
  /** The numbers that were given out, where they can be relied on: all have one of them, and no two have the same. */
  range: SequenceRange | undefined
}

/**
 * Reads the log: most of what a start does. An entry is made once, and is the one that the indexes link; and what can be
 * done with it is done while it is still in the processor's cache, for the order that it comes in is not that of its number.
 *
 * @param start - how long the prefix of the keys is
 * @param latest - what lives longer, because a clock was wrong, is taken to end then
 * @param onCorrupt - what is not as it was written is passed over
 */
export async function readLog (pages: AsyncIterable<StoredEntry[]>, start: number, latest: number, onCorrupt: (key: string, value: Uint8Array) => void): Promise<Log> {
  const registrations: Entry[] = []
  const sequences: number[] = []
  const peers = new PeerIndex<Entry>()
  /** One string for all who are in a namespace. */
  const namespaces = new Map<string, string>()
  let range: SequenceRange | undefined

  for await (const page of pages) {
    for (const [key, value] of page) {
      const name = key.slice(start)
      const read = decodeEntry(name, value)
      const id = parseRegistrationName(name)

      if (read != null && name === SEQUENCE) {
        range = { origin: read.numbers[0], last: read.numbers[1] }
      } else if (read != null && id != null) {
        const namespace = namespaces.get(id[0]) ?? id[0]
        const entry = entryOf(namespace, id[1], read, latest)
        namespaces.set(namespace, namespace)
        registrations.push(entry)
        sequences.push(entry.sequence)
        peers.set(entry)
      } else {
        onCorrupt(key, value)
      }
    }
  }

  const sorted = Float64Array.from(sequences).sort()

  return {
    registrations: await inOrder(registrations, sequences, sorted),
    peers,
    range: range != null && covers(range, sorted) ? range : undefined
  }
}

/**
 * What the first form of the log did not say yet is taken from the record, and from the peer: as nobody
 * knows where it comes from, it counts for nobody else.
 */
function entryOf (namespace: string, peer: string, read: LogEntry, latest: number): Entry {
  const { numbers: [expires, sequence], bytes, otherRecord, domain = domainIn(bytes), network = peer } = read

  return new Entry(namespace, { peer, signedPeerRecord: bytes, domain, otherRecord, network }, Math.min(expires, latest), sequence, 0)
}

/** Of a record that was verified before it was written. */
function domainIn (envelope: Uint8Array): RecordDomain {
  return new TextDecoder('latin1').decode(envelope).includes('/libp2p/routing-state-record') ? 'libp2p-routing-state' : 'libp2p-peer-record'
}

/** To sort the entries themselves would hold the event loop for as long as a million of them take; their numbers alone are sorted in no time. */
async function inOrder (registrations: Entry[], sequences: number[], sorted: Float64Array): Promise<Entry[]> {
  const ordered = new Array<Entry>(registrations.length)

  for (const [i, sequence] of sequences.entries()) {
    let place = firstAfter(sorted, sequence) - 1

    while (ordered[place] != null) {
      place--
    }

    ordered[place] = registrations[i] as Entry

    if (i % TOGETHER === TOGETHER - 1) {
      await othersHadTheirTurn()
    }
  }

  return ordered
}

function covers ({ origin, last }: SequenceRange, sequences: Float64Array): boolean {
  return sequences.every((sequence, i) => sequence >= origin && sequence <= last && sequence !== sequences[i - 1])
}
