/** Few enough to move on a removal, enough that finding a chunk among a million entries stays cheap. */
const CHUNK_SIZE = 256

/** In milliseconds: how finely a chunk knows when its entries expire. */
const SECOND = 1_000

interface Entry {
  readonly sequence: number
  readonly expires: number
}

/** A run of neighbours, in order. Never empty. */
interface Chunk<T> {
  readonly entries: T[]
  /** Those of the entries: a search that has to look into entries waits for memory at every step. */
  readonly sequences: number[]
  /**
   * The seconds at whose end the first and the last of its entries have expired. A number of milliseconds
   * would be too large to lie in the chunk itself, and be one more place in memory to wait for.
   */
  firstExpiry: number
  lastExpiry: number
}

/**
 * Entries in the order of their sequence numbers. They are appended at the end and removed anywhere;
 * both, and finding a place, cost the same whether there are a thousand or a million.
 */
export class SequenceList<T extends Entry> {
  readonly #chunks: Array<Chunk<T>> = []
  /** For each chunk a sequence number that is at most its first, and higher than those of the chunk before. */
  readonly #starts: number[] = []
  #size = 0
  #last: Chunk<T> | undefined

  get size (): number {
    return this.#size
  }

  /** How many entries lie together: what a search has to look through. */
  get chunkSizes (): number[] {
    return this.#chunks.map(({ entries }) => entries.length)
  }

  /** The entry's sequence has to be higher than all before. */
  append (entry: T): void {
    const expiry = Math.ceil(entry.expires / SECOND)
    let chunk = this.#last

    if (chunk == null || chunk.entries.length >= CHUNK_SIZE) {
      chunk = { entries: [], sequences: [], firstExpiry: expiry, lastExpiry: expiry }
      this.#last = chunk
      this.#chunks.push(chunk)
      this.#starts.push(entry.sequence)
    }

    this.#size++
    chunk.entries.push(entry)
    chunk.sequences.push(entry.sequence)
    chunk.firstExpiry = Math.min(chunk.firstExpiry, expiry)
    chunk.lastExpiry = Math.max(chunk.lastExpiry, expiry)
  }

  /** The entry has to be in the list. */
  remove (entry: T): void {
    const index = this.#chunkOf(entry.sequence)
    const { entries, sequences } = this.#chunks[index] as Chunk<T>
    const place = firstAfter(sequences, entry.sequence) - 1
    this.#size--
    entries.splice(place, 1)
    sequences.splice(place, 1)

    if (entries.length === 0) {
      this.#chunks.splice(index, 1)
      this.#starts.splice(index, 1)
      this.#last = this.#chunks.at(-1)
    } else if (entries.length < CHUNK_SIZE / 4 && !this.#mergeWithNext(index)) {
      this.#mergeWithNext(index - 1)
    }
  }

  /**
   * Up to `limit` entries later than `sequence` that are alive at `now`.
   */
  after (sequence: number, limit: number, now: number): T[] {
    const found: T[] = []

    for (let index = this.#chunkOf(sequence); index < this.#chunks.length && found.length < limit; index++) {
      const { entries, sequences, firstExpiry, lastExpiry } = this.#chunks[index] as Chunk<T>

      // a million that expired together are passed over chunk by chunk
      if (lastExpiry * SECOND <= now) {
        continue
      }

      const areAlive = (firstExpiry - 1) * SECOND >= now

      for (let i = firstAfter(sequences, sequence); i < entries.length && found.length < limit; i++) {
        const entry = entries[i] as T

        if (areAlive || entry.expires > now) {
          found.push(entry)
        }
      }
    }

    return found
  }

  /** The chunk that has or would have `sequence`. */
  #chunkOf (sequence: number): number {
    return Math.max(0, firstAfter(this.#starts, sequence) - 1)
  }

  /**
   * Keeps neighbours together more than a quarter full, so that a page never reads a long row of tiny
   * ones. Returns whether there was something to do.
   */
  #mergeWithNext (index: number): boolean {
    const chunk = this.#chunks[index]
    const next = this.#chunks[index + 1]

    if (chunk == null || next == null || chunk.entries.length + next.entries.length > CHUNK_SIZE) {
      return false
    }

    chunk.entries.push(...next.entries)
    chunk.sequences.push(...next.sequences)
    chunk.firstExpiry = Math.min(chunk.firstExpiry, next.firstExpiry)
    chunk.lastExpiry = Math.max(chunk.lastExpiry, next.lastExpiry)
    this.#chunks.splice(index + 1, 1)
    this.#starts.splice(index + 1, 1)
    this.#last = this.#chunks.at(-1)

    return true
  }
}

/** The index of the first number higher than `sequence`, in ascending numbers. */
export function firstAfter (sequences: ArrayLike<number>, sequence: number): number {
  let low = 0
  let high = sequences.length

  while (low < high) {
    const middle = (low + high) >>> 1

    if (sequences[middle] as number > sequence) {
      high = middle
    } else {
      low = middle + 1
    }
  }

  return low
}
