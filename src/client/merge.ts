import { throwIfAborted } from './deadline.ts'
import type { Found, VerifiedPage } from './listing.ts'
import type { Pages } from './pages.ts'

export interface MergeInit {
  /** What each point lists; a function, because what is wanted depends on what was found. */
  listings: (wanted: () => number) => Array<Pick<Pages, 'next'>>
  /** Peers, at the most. */
  limit: number
  signal: AbortSignal
}

/**
 * The peers that any of several points lists, each once. One page of each point is read at a time, side
 * by side; of several records of a peer among those, the newest is taken. A point that fails is left
 * out from then on.
 */
export class Merge {
  readonly #init: MergeInit
  readonly #seen = new Set<string>()
  readonly #errors: Error[] = []
  readonly #points: number
  #unread: Array<Pick<Pages, 'next'>>

  constructor (init: MergeInit) {
    this.#init = init
    this.#unread = init.listings(() => init.limit - this.#seen.size)
    this.#points = this.#unread.length
  }

  /**
   * @returns who was found in the next page of each point; undefined when there are no more pages
   * @throws {AggregateError} at the end, when every point has failed
   * @throws {AbortError}
   */
  async next (): Promise<Found[] | undefined> {
    if (this.#seen.size >= this.#init.limit) {
      return
    }

    const pages = await Promise.all(this.#unread.map(async listing => this.#read(listing)))
    throwIfAborted(this.#init.signal)
    this.#unread = this.#unread.filter((_, index) => pages[index] != null)

    if (this.#unread.length > 0) {
      return this.#take(pages.flatMap(page => page?.found ?? []))
    }

    if (this.#errors.length === this.#points) {
      throw new AggregateError(this.#errors, `No rendezvous point could be asked: ${this.#errors.map(({ message }) => message).join('; ')}`)
    }
  }

  async #read (listing: Pick<Pages, 'next'>): Promise<VerifiedPage | undefined> {
    try {
      return await listing.next()
    } catch (err: any) {
      this.#errors.push(err)
    }
  }

  #take (found: Found[]): Found[] {
    const taken: Found[] = []

    for (const one of newest(found)) {
      const id = one.peer.id.toString()

      if (this.#seen.size < this.#init.limit && !this.#seen.has(id)) {
        this.#seen.add(id)
        taken.push(one)
      }
    }

    return taken
  }
}

/** One for each peer, in the order in which the peers first come. */
function newest (found: Found[]): Iterable<Found> {
  const byPeer = new Map<string, Found>()

  for (const one of found) {
    const id = one.peer.id.toString()
    const other = byPeer.get(id)

    if (other == null || one.record.sequence > other.record.sequence) {
      byPeer.set(id, one)
    }
  }

  return byPeer.values()
}
