/**
 * Few enough that the ends of all 64 parts, where they grow, stay in a processor's cache. With a million
 * entries a part moves 16,000 of them at a time, which takes about a millisecond.
 */
const PART_BITS = 6

/**
 * A map with strings for keys that does not hold the event loop when it grows or shrinks. Now and then
 * a `Map` has to move all of its entries, which takes tens of milliseconds when there are a million
 * (bench/README.md). This one spreads them over many maps, each of which moves its own.
 */
export class SplitMap<V> {
  readonly #parts = Array.from({ length: 2 ** PART_BITS }, () => new Map<string, V>())
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
  }

  delete (key: string): void {
    if (this.#part(key).delete(key)) {
      this.#size--
    }
  }

  #part (key: string): Map<string, V> {
    return this.#parts[partOf(key)] as Map<string, V>
  }
}

/** Differs from process to process, so that nobody can choose keys that meet in one part. */
const SEED = (crypto.getRandomValues(new Uint32Array(1))[0] as number) >>> 2

/** The part of a key, by its last characters alone: there peer ids differ. */
export function partOf (key: string): number {
  let hash = SEED

  for (let i = Math.max(0, key.length - 3); i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x9E3779B1)
  }

  return hash >>> (32 - PART_BITS)
}
