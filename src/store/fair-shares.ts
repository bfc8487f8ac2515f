import { draw } from './draw.ts'

/**
 * Where something comes from: a path from the widest network that it is counted under to the narrowest,
 * separated by slashes, such as `198.51/100/7` for an IPv4 address. What has but one segment is one
 * network at every width.
 */
export type Network = string

/**
 * One of those that share a limit. The last three fields are for the structure it is in; it can be in
 * one at a time.
 */
export interface Share {
  readonly network: Network
  /** How much it takes of what is shared. */
  readonly weight: number
  /** When it came: higher than that of all who came before. Undefined until it is added for the first time. */
  born: number | undefined
  parent: object | undefined
  /** Its place among its parent's children. */
  place: number
}

/** The fields of a share that is in no structure. */
// Stryker disable next-line ObjectLiteral: what is absent is undefined, and a place is given with the parent
export const UNSHARED = { born: undefined, parent: undefined, place: 0 }

/** Up to so many children, to look through their keys is as fast as an index, which would take more memory than they do. */
const INDEXED_FROM = 64

/** A network with more than one share, or the root of all. */
class Group<T extends Share> {
  /** The path of the network, to where its own segment ends. */
  readonly path: string
  /**
   * Narrower networks, of which one with a single share is that share; at the end of a path, the shares of
   * one and the same network. A heap: the one that holds most first, and among equals the youngest.
   */
  readonly children: Array<Group<T> | T> = []
  /** For each child a number made of its segment: to look at the children themselves would be to wait for memory. */
  readonly #keys: number[] = []
  /** The children by their segments, where there are many. */
  #index: Map<string, Group<T> | T> | undefined
  readonly parent: Group<T> | undefined
  weight = 0
  /** When its latest newcomer came. */
  born = 0
  place = 0
  /** How many shares are in it. */
  count = 0

  constructor (path: string, parent: Group<T> | undefined) {
    this.path = path
    this.parent = parent
  }

  /** Nobody in one and the same network holds more than another there: only age tells them apart. */
  #rank (child: Group<T> | T): number {
    return child instanceof Group || child.network !== this.path ? child.weight : 0
  }

  #comesBefore (a: Group<T> | T, b: Group<T> | T): boolean {
    const difference = this.#rank(a) - this.#rank(b)

    if (difference !== 0) {
      // Stryker disable next-line EqualityOperator: it is not 0
      return difference > 0
    }

    // among the widest networks age would have each newcomer pass by all who hold as little
    // Stryker disable next-line ConditionalExpression,EqualityOperator,LogicalOperator: of those any makes room, and no two came at once
    return this.parent != null && (a.born as number) > (b.born as number)
  }

  /** The child that a network is, or is in. */
  find (network: Network): Group<T> | T | undefined {
    const start = this.path.length
    const end = endOfSegment(network, this.path)

    // Stryker disable next-line ConditionalExpression,BlockStatement: what is found by the index is found by the keys
    if (this.#index != null) {
      return this.#index.get(network.slice(start, end))
    }

    const key = keyOf(network, start, end)

    for (let place = this.#keys.indexOf(key); place !== -1; place = this.#keys.indexOf(key, place + 1)) {
      const child = this.children[place] as Group<T> | T

      if (isIn(child, network, start, end)) {
        return child
      }
    }
  }

  insert (child: Group<T> | T): void {
    const name = nameOf(child)
    child.place = this.children.length
    this.children.push(child)
    this.#keys.push(keyOf(name, this.path.length, endOfSegment(name, this.path)))
    this.rise(child)

    // Stryker disable ConditionalExpression,EqualityOperator,LogicalOperator: with an index or without, the same is found
    if (this.#index != null) {
      this.#index.set(this.#segmentOf(child), child)
    } else if (this.children.length > INDEXED_FROM && name.length > this.path.length) {
      this.#index = new Map(this.children.map(child => [this.#segmentOf(child), child]))
    }
  }

  // Stryker restore ConditionalExpression,EqualityOperator,LogicalOperator
  /** Puts a child in the place of another that stands for the same. */
  exchange (old: Group<T> | T, child: Group<T> | T): void {
    this.#put(child, old.place, this.#keys[old.place] as number)
    this.rise(child)
    this.sink(child)
    this.#index?.set(this.#segmentOf(child), child)
  }

  delete (child: Group<T> | T): void {
    const last = this.children.pop() as Group<T> | T
    const key = this.#keys.pop() as number
    this.#index?.delete(this.#segmentOf(child))

    if (last !== child) {
      this.#put(last, child.place, key)
      this.rise(last)
      this.sink(last)
    }
  }

  /** Moves a child that has more than before, or is new, to where it belongs. */
  rise (child: Group<T> | T): void {
    const key = this.#keys[child.place] as number
    let { place } = child

    while (place > 0) {
      const above = this.children[(place - 1) >> 1] as Group<T> | T

      if (!this.#comesBefore(child, above)) {
        break
      }

      const free = above.place
      this.#put(above, place, this.#keys[free] as number)
      place = free
    }

    this.#put(child, place, key)
  }

  /** Moves a child that has less than before to where it belongs. */
  sink (child: Group<T> | T): void {
    const key = this.#keys[child.place] as number
    let { place } = child

    for (;;) {
      const left = this.children[2 * place + 1]
      const right = this.children[2 * place + 2]
      const first = right != null && this.#comesBefore(right, left as Group<T> | T) ? right : left

      if (first == null || !this.#comesBefore(first, child)) {
        break
      }

      const free = first.place
      this.#put(first, place, this.#keys[free] as number)
      place = free
    }

    this.#put(child, place, key)
  }

  #segmentOf (child: Group<T> | T): string {
    const name = nameOf(child)

    return name.slice(this.path.length, endOfSegment(name, this.path))
  }

  #put (child: Group<T> | T, place: number, key: number): void {
    this.children[place] = child
    this.#keys[place] = key
    child.place = place
  }
}

/**
 * Who makes room for whom where a limit is reached: what is limited is shared max-min fairly between
 * networks, so that nobody is crowded out by others however many names they have.
 *
 * Networks are counted at each width of their paths. From the widest on, where the network that holds
 * most is another than the newcomer's, it makes room if it holds more than the newcomer's would then;
 * otherwise the newcomer can only take from its own network, by the same rule at the next width. The
 * network that makes room gives its heaviest part, and of one that has no parts, its youngest share.
 *
 * Of the widest networks that hold the same, any makes room. Adding, removing and asking cost the
 * logarithm of the number of networks beside each other at the most.
 */
export class FairShares<T extends Share> {
  readonly #root = new Group<T>('', undefined)
  #clock = 0

  /** How many shares there are. */
  get count (): number {
    return this.#root.count
  }

  /** What all of them weigh. */
  get weight (): number {
    return this.#root.weight
  }

  /** Adds a share: as the youngest, unless it has its age already. */
  add (share: T): void {
    const { network } = share
    share.born ??= this.#clock + 1
    this.#clock = Math.max(this.#clock, share.born)
    let group = this.#root
    this.#grow(group, share)

    while (network.length > group.path.length) {
      const child = group.find(network)

      if (child == null) {
        break
      }

      group = child instanceof Group ? child : this.#split(group, child)
      this.#grow(group, share)
    }

    share.parent = group
    group.insert(share)
  }

  /** The share has to be there. */
  remove (share: T): void {
    let group = share.parent as Group<T>
    group.delete(share)
    share.parent = undefined

    for (;;) {
      const { parent } = group
      group.count--
      group.weight -= share.weight

      if (parent == null) {
        return
      }

      if (group.count === 0) {
        parent.delete(group)
      } else {
        parent.sink(group)
      }

      group = parent
    }
  }

  /** Puts a share in the place of another, whose age it gets. */
  replace (old: T, share: T): void {
    share.born = old.born

    if (share.network !== old.network) {
      this.remove(old)
      this.add(share)

      return
    }

    const group = old.parent as Group<T>
    const more = share.weight - old.weight
    share.parent = group
    old.parent = undefined
    group.exchange(old, share)

    // Stryker disable next-line ConditionalExpression: who weighs the same stays in place
    for (let above = more === 0 ? undefined : group; above != null; above = above.parent) {
      above.weight += more
      above.parent?.rise(above)
      above.parent?.sink(above)
    }
  }

  /** The share that makes room for a newcomer of a network, if one does. */
  victim (network: Network, weight: number): T | undefined {
    let group = this.#root

    for (;;) {
      const heaviest = group.children[0]
      const own = group.find(network)

      if (heaviest != null && heaviest.weight > (own?.weight ?? 0) + weight) {
        return this.#youngest(heaviest)
      }

      if (!(own instanceof Group)) {
        return own != null && own.network !== network && own.weight > weight ? own : undefined
      }

      group = own
    }
  }

  /** The share that has to go where something has to. */
  get heaviest (): T | undefined {
    return this.#youngest(this.#root)
  }

  /**
   * Whether `network` would be the lighter one to carry a weight that `other` carries now: at the widest
   * width that tells the two apart, it would hold less with it than `other` does.
   */
  isLighter (network: Network, other: Network, weight: number): boolean {
    const [own, theirs] = apart(network, other)

    return this.#weightIn(own) + weight < this.#weightIn(theirs)
  }

  /**
   * Up to `limit` shares drawn at random, spread over the networks as evenly as there are shares in them.
   *
   * @param random - as `Math.random`
   */
  sample (limit: number, random: () => number): T[] {
    return draw<T>(this.#root, limit, random)
  }

  #weightIn (path: string): number {
    let found: Group<T> | T | undefined = this.#root

    while (found instanceof Group && found.path.length < path.length) {
      found = found.find(path)
    }

    return found != null && nameOf(found).startsWith(path) ? found.weight : 0
  }

  #grow (group: Group<T>, share: T): void {
    group.count++
    group.weight += share.weight
    group.born = Math.max(group.born, share.born as number)
    group.parent?.rise(group)
  }

  /** Makes a group of a network that a single share stood for. */
  #split (parent: Group<T>, share: T): Group<T> {
    const group = new Group<T>(share.network.slice(0, endOfSegment(share.network, parent.path)), parent)
    group.weight = share.weight
    group.born = share.born as number
    group.count = 1
    parent.exchange(share, group)
    share.parent = group
    group.insert(share)

    return group
  }

  #youngest (child: Group<T> | T): T | undefined {
    let found: Group<T> | T | undefined = child

    while (found instanceof Group) {
      found = found.children[0]
    }

    return found
  }
}

/** Where the segment that follows a path ends, with its slash. */
function endOfSegment (network: Network, path: string): number {
  const slash = network.indexOf('/', path.length)

  return slash === -1 ? network.length : slash + 1
}

/** The paths of two networks as far as the widest width at which they are not the same, if there is one. */
function apart (network: Network, other: Network): [string, string] {
  let [path, otherPath] = ['', '']

  while (path === otherPath && path.length < network.length) {
    otherPath = other.slice(0, endOfSegment(other, path))
    path = network.slice(0, endOfSegment(network, path))
  }

  return [path, otherPath]
}

function nameOf (child: Group<Share> | Share): string {
  return child instanceof Group ? child.path : child.network
}

// Stryker disable ConditionalExpression,BlockStatement,ArithmeticOperator: by worse keys the same is found, after more looking
/** A number of 30 bits, which lies in place. */
function keyOf (name: string, start: number, end: number): number {
  let key = 0

  for (let i = start; i < end; i++) {
    key = (Math.imul(key, 31) + name.charCodeAt(i)) & 0x3fffffff
  }

  return key
}
// Stryker restore ConditionalExpression,BlockStatement,ArithmeticOperator

/** Whether a child is in the same network down to the end of a segment. */
function isIn (child: Group<Share> | Share, network: Network, start: number, end: number): boolean {
  const name = nameOf(child)
  let at = start

  while (at < end && name.charCodeAt(at) === network.charCodeAt(at)) {
    at++
  }

  // a segment ends with its slash, or with the path
  return at === end && (network[end - 1] === '/' || name.length === end)
}
