/** Entries of a part, on average: to move all of one takes some tenths of a millisecond. */
const PART_SIZE = 2_048

/**
 * A map with string keys whose growing and shrinking never hold the event loop. A `Map` moves all of
 * its entries at once when it has to: with a million of them, for hundreds of milliseconds. This one
 * spreads its entries over many small maps, and adds one whenever they have become full, by splitting
 * the one whose turn it is (linear hashing).
 */
export class SplitMap<V> {
  readonly #parts: Array<Map<string, V>> = [new Map()]
  #size = 0

  get size (): number {
    return this.#size
  }

  get (key: string): V | undefined {
    return this.#part(key).get(key)
  }

  set (key: string, value: V): void {
    const part = this.#part(key)
    const before = part.size
    part.set(key, value)
    this.#size += part.size - before

    if (this.#size > this.#parts.length * PART_SIZE) {
      this.#split()
    }
  }

  delete (key: string): void {
    if (this.#part(key).delete(key)) {
      this.#size--
    }
  }

  #part (key: string): Map<string, V> {
    return this.#parts[this.#indexOf(key)] as Map<string, V>
  }

  /** As many bits of the hash as number the parts; one less for the parts that were not split yet. */
  #indexOf (key: string): number {
    const count = this.#parts.length

    if (count === 1) {
      return 0
    }

    const mask = (1 << (32 - Math.clz32(count - 1))) - 1
    const index = hash(key) & mask

    return index < count ? index : index & (mask >>> 1)
  }

  #split (): void {
    const count = this.#parts.length
    const part = this.#parts[count ^ (1 << (31 - Math.clz32(count)))] as Map<string, V>
    const added = new Map<string, V>()
    this.#parts.push(added)

    for (const [key, value] of part) {
      if (this.#part(key) === added) {
        part.delete(key)
        added.set(key, value)
      }
    }
  }
}

/** Differs from process to process, so that nobody can choose keys that meet in one part. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0] as number

function hash (key: string): number {
  let hash = SEED

  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  }

  return hash ^ (hash >>> 15)
}
