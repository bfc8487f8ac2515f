import { throwIfAborted } from './deadline.ts'
import { asOneError } from './failures.ts'
import type { Listed, ListedPage } from './listing.ts'
import type { Pages } from './pages.ts'

type Source = Pick<Pages, 'next'>

/** What became of reading a page. */
interface Outcome {
  source: Source
  /** Absent when there are no more, or reading failed. */
  page?: ListedPage | undefined
  error?: Error
}

/**
 * The peers that any of several points lists, each once, as their pages come: nobody waits for a point
 * that is slow or dead. Of several records of a peer that have come by then, the newest is taken. A
 * point that fails is left out from then on.
 *
 * @param limit - peers, at the most
 * @throws at the end, when every point has failed: the only one's error, or AggregateError
 * @throws {AbortError}
 */
export async function * merge (sources: Source[], limit: number, signal: AbortSignal): AsyncGenerator<Listed[]> {
  const reading = new Map<Source, Promise<void>>()
  const outcomes: Outcome[] = []
  const unread = new Set(sources)
  const seen = new Set<string>()
  const errors: Error[] = []

  while (unread.size > 0 && seen.size < limit) {
    for (const source of unread) {
      if (!reading.has(source)) {
        reading.set(source, read(source, limit - seen.size).then(outcome => { outcomes.push(outcome) }))
      }
    }

    await Promise.race(reading.values())
    throwIfAborted(signal)
    const listed: Listed[] = []

    for (const { source, page, error } of outcomes.splice(0)) {
      reading.delete(source)
      listed.push(...page?.listed ?? [])

      if (page == null) {
        unread.delete(source)
      }

      if (error != null) {
        errors.push(error)
      }
    }

    const taken = newest(listed).filter(({ record }) => !seen.has(record.peerId.toString())).slice(0, limit - seen.size)
    taken.forEach(({ record }) => seen.add(record.peerId.toString()))

    if (taken.length > 0) {
      yield taken
    }
  }

  if (errors.length > 0 && errors.length === sources.length) {
    throw asOneError('No rendezvous point could be asked', errors)
  }
}

async function read (source: Source, wanted: number): Promise<Outcome> {
  try {
    return { source, page: await source.next(wanted) }
  } catch (error: any) {
    return { source, error }
  }
}

/** One for each peer, in the order in which the peers first come. */
function newest (listed: Listed[]): Listed[] {
  const byPeer = new Map<string, Listed>()

  for (const one of listed) {
    const id = one.record.peerId.toString()
    const other = byPeer.get(id)

    if (other == null || one.record.sequence > other.record.sequence) {
      byPeer.set(id, one)
    }
  }

  return [...byPeer.values()]
}
