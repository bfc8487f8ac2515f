/** What is remembered may weigh so much, and twice that at the most: in characters, 16 MiB or 32. */
const MOST = 8 * 1024 * 1024

/** Makes something of each of many, and remembers it of those that were asked for lately. */
export class Remembered<K, V> {
  readonly #make: (key: K) => V
  readonly #weigh: (value: V) => number
  readonly #most: number
  /** What was asked for lately, and what was before that; the latter goes when the former is full. */
  #lately = new Map<K, V>()
  #before = new Map<K, V>()
  #weight = 0

  constructor (make: (key: K) => V, weigh: (value: V) => number, most = MOST) {
    this.#make = make
    this.#weigh = weigh
    this.#most = most
  }

  of (key: K): V {
    const known = this.#lately.get(key)

    if (known != null) {
      return known
    }

    const value = this.#before.get(key) ?? this.#make(key)

    if (this.#weight >= this.#most) {
      this.#before = this.#lately
      this.#lately = new Map()
      this.#weight = 0
    }

    this.#lately.set(key, value)
    this.#weight += this.#weigh(value)

    return value
  }
}
