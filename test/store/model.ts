import assert from 'node:assert/strict'
import type { MaybePromise } from '../../src/protocol/maybe-promise.ts'
import type { ListQuery, NewRegistration, Page, RegisterResult, RegistrationStore, StartOptions, StoredRegistration, StoreLimits, StoreSize } from '../../src/store/types.ts'

/** What the contract says, said with arrays. Times are whole seconds, so that what has expired is due. */
export class Model {
  readonly #registrationBytes: number
  alive: StoredRegistration[] = []
  /** Expired and not yet returned by `expire`. */
  expired: StoredRegistration[] = []
  /** When a peer came to a namespace: a refresh does not change it. */
  readonly born = new Map<string, number>()
  /** The highest sequence number so far. */
  highest = -1

  /**
   * @param registrationBytes - what the store counts for a registration beside its records
   */
  constructor (registrationBytes = 640) {
    this.#registrationBytes = registrationBytes
  }

  readonly bytesOf = ({ signedPeerRecord, otherRecord }: Pick<StoredRegistration, 'signedPeerRecord' | 'otherRecord'>): number =>
    this.#registrationBytes + signedPeerRecord.byteLength + (otherRecord?.byteLength ?? 0)

  pass (now: number): void {
    if (this.alive.some(({ expires }) => expires <= now)) {
      this.expired.push(...this.alive.filter(({ expires }) => expires <= now))
      this.alive = this.alive.filter(({ expires }) => expires > now)
    }
  }

  find (namespace: string, peer: string): StoredRegistration | undefined {
    return this.alive.find(registration => registration.namespace === namespace && registration.peer === peer)
  }

  remove (registration: StoredRegistration | undefined): void {
    this.alive = this.alive.filter(other => other !== registration)
  }

  get bytes (): number {
    return sum(this.alive.map(this.bytesOf))
  }

  /** The limits in the way of one more. */
  reached ({ namespace, peer, ...records }: NewRegistration, limits: StoreLimits): string[] {
    const inNamespace = this.alive.filter(registration => registration.namespace === namespace).length

    return Object.entries({
      maxRegistrationsPerPeer: this.alive.filter(registration => registration.peer === peer).length >= limits.maxRegistrationsPerPeer,
      maxRegistrationsPerNamespace: inNamespace >= limits.maxRegistrationsPerNamespace,
      maxNamespaces: inNamespace === 0 && count(this.alive, 'namespace') >= limits.maxNamespaces,
      maxRegistrations: this.alive.length >= limits.maxRegistrations,
      maxBytes: this.bytes + this.bytesOf(records) > limits.maxBytes
    }).filter(([, isReached]) => isReached).map(([limit]) => limit)
  }

  /**
   * Those who may be the first to make room for a newcomer: where networks hold the same, a store has its
   * choice. Empty when the newcomer is refused.
   */
  candidates (limit: string, newcomer: NewRegistration): StoredRegistration[] {
    return limit === 'maxRegistrationsPerNamespace'
      ? this.#candidates(this.alive.filter(({ namespace }) => namespace === newcomer.namespace), newcomer.network, () => 1, 1)
      : this.#candidates(this.alive, newcomer.network, this.bytesOf, this.bytesOf(newcomer))
  }

  #candidates (members: StoredRegistration[], newcomer: string, weightOf: Weight, weight: number, path = ''): StoredRegistration[] {
    const own = nextPath(newcomer, path)
    const weights = weigh(members, path, weightOf)
    const most = Math.max(...weights.values())
    const ownWeight = weights.get(own ?? '') ?? 0

    if (most > ownWeight + weight) {
      return [...weights].filter(([, weight]) => weight === most).flatMap(([heaviest]) => this.#youngest(members, heaviest, weightOf))
    }

    return own == null || ownWeight === 0 ? [] : this.#candidates(members.filter(({ network }) => nextPath(network, path) === own), newcomer, weightOf, weight, own)
  }

  #youngest (members: StoredRegistration[], path: string, weightOf: Weight): StoredRegistration[] {
    const inside = members.filter(({ network }) => isWithin(network, path))
    const weights = weigh(inside, path, weightOf)

    if (weights.size === 0) {
      return inside.sort((a, b) => this.#bornOf(b) - this.#bornOf(a)).slice(0, 1)
    }

    return [...weights].filter(([, weight]) => weight === Math.max(...weights.values())).flatMap(([heaviest]) => this.#youngest(inside, heaviest, weightOf))
  }

  #bornOf ({ namespace, peer }: StoredRegistration): number {
    return this.born.get(`${namespace} ${peer}`) as number
  }

  list ({ namespace, after = -Infinity, limit, reads }: ListQuery): StoredRegistration[] {
    return this.alive
      .filter(registration => registration.sequence > after && (namespace == null || registration.namespace === namespace))
      .filter(({ domain, otherRecord }) => reads == null || otherRecord != null || domain === reads)
      .slice(0, limit)
  }
}

/**
 * A store whose every answer is compared with what the naive model says. It throws an AssertionError where
 * they differ. It is to be asked one thing at a time.
 */
export class ModelledStore implements RegistrationStore {
  readonly #store: RegistrationStore
  readonly #model: Model

  constructor (store: RegistrationStore, model: Model = new Model()) {
    this.#store = store
    this.#model = model
  }

  /** Goes on in another store that shares everything with this one. */
  continued (store: RegistrationStore): ModelledStore {
    return new ModelledStore(store, this.#model)
  }

  /** Goes on with the same registrations in another store, which was started over the log of this one. */
  restarted (store: RegistrationStore): ModelledStore {
    const { alive, born } = this.#model
    // the log does not tell who came first
    alive.forEach(({ namespace, peer, sequence }) => { born.set(`${namespace} ${peer}`, sequence) })
    // in a log there is one place for a peer and namespace, and its newest registration has it
    this.#model.expired = this.#model.expired.filter(({ namespace, peer, sequence }) => ![...alive, ...this.#model.expired].some(other =>
      other.namespace === namespace && other.peer === peer && other.sequence > sequence))

    return new ModelledStore(store, this.#model)
  }

  /** The highest sequence number so far. */
  get highest (): number {
    return this.#model.highest
  }

  register (registration: NewRegistration, limits: StoreLimits, now: number): MaybePromise<RegisterResult> {
    this.#model.pass(now)

    return checked(this.#store.register(registration, limits, now), result => { this.#checkRegister(registration, limits, now, result) })
  }

  #checkRegister (newcomer: NewRegistration, limits: StoreLimits, now: number, result: RegisterResult): void {
    const model = this.#model
    const { namespace, peer, ttl, ...rest } = newcomer
    const previous = model.find(namespace, peer)
    const reached = previous == null ? model.reached(newcomer, limits) : []
    const onlyShared = reached.length === 1 && isShared(reached[0]) ? reached[0] : undefined

    if ('limit' in result) {
      assert.ok(reached.includes(result.limit), `${result.limit} was said to be reached`)
      assert.ok(onlyShared == null || model.candidates(onlyShared, newcomer).length === 0, `nobody made room where ${onlyShared} was reached`)

      return
    }

    const { sequence } = result.registration
    const registration = { namespace, peer, ...rest, expires: now + ttl, sequence }
    assert.equal(result.refreshed, previous != null, 'whether it was a refresh')
    assert.ok(sequence > model.highest, 'a sequence number was used before')
    assertSame([result.registration], [registration], 'the registration')
    model.highest = sequence

    const displaced = result.displaced.map(({ sequence }) => model.alive.find(other => other.sequence === sequence) as StoredRegistration)
    assert.ok(!displaced.includes(undefined as any), 'somebody made room who was not there')
    assertSame(result.displaced, displaced, 'who made room')
    assert.ok(previous == null || !displaced.includes(previous), 'a refresh displaced itself')

    if (previous == null) {
      assert.ok(!reached.includes('maxRegistrationsPerPeer'), 'a peer has more than its limit')
      assert.equal(displaced.length > 0, reached.length > 0, 'somebody makes room when a limit is reached, and only then')
      assert.ok(onlyShared == null || model.candidates(onlyShared, newcomer).includes(displaced[0] as StoredRegistration), `somebody else should have made room for ${onlyShared}`)
      model.born.set(`${namespace} ${peer}`, sequence)
    } else {
      assert.ok(displaced.length === 0 || model.bytes - model.bytesOf(previous) + model.bytesOf(registration) > limits.maxBytes, 'somebody made room for a refresh that needs none')
    }

    const before = model.bytes
    displaced.forEach(registration => { model.remove(registration) })
    model.remove(previous)

    if (previous == null) {
      assert.deepEqual(model.reached(newcomer, limits).filter(limit => limit !== 'maxBytes'), [], 'a limit is exceeded')
    }

    model.alive.push(registration)
    const most = Math.max(limits.maxBytes, before) + (previous == null ? 0 : model.bytesOf(registration))
    assert.ok(model.bytes <= most, `${model.bytes} bytes are held, and ${most} at the most were to be`)
  }

  unregister (namespace: string, peer: string, now: number): MaybePromise<StoredRegistration | undefined> {
    this.#model.pass(now)

    return checked(this.#store.unregister(namespace, peer, now), removed => {
      const registration = this.#model.find(namespace, peer)
      assertSame(removed == null ? [] : [removed], registration == null ? [] : [registration], 'what was unregistered')
      this.#model.remove(registration)
    })
  }

  list (query: ListQuery, now: number): MaybePromise<Page | undefined> {
    this.#model.pass(now)

    return checked(this.#store.list(query, now), page => {
      if (page == null) {
        return
      }

      if (query.sample == null) {
        assertSame(page.registrations, this.#model.list(query), 'the listing')
      } else {
        const all = this.#model.list({ ...query, after: undefined, limit: Infinity }).map(({ sequence }) => sequence)
        const drawn = page.registrations.map(({ sequence }) => sequence)
        assert.equal(drawn.length, Math.min(query.limit, all.length), 'the size of a sample')
        assert.equal(new Set(drawn).size, drawn.length, 'nobody is drawn twice')
        assert.ok(drawn.every(sequence => all.includes(sequence)), 'somebody was drawn who is not there')
        assert.ok(page.cursor >= this.#model.highest, 'the cursor of a sample is not at the end')
      }
    })
  }

  registrationsOf (peer: string, now: number): MaybePromise<StoredRegistration[]> {
    this.#model.pass(now)

    return checked(this.#store.registrationsOf(peer, now), found => {
      assertSame([...found].sort((a, b) => a.sequence - b.sequence), this.#model.alive.filter(registration => registration.peer === peer), 'the registrations of a peer')
    })
  }

  expire (now: number, limit: number): MaybePromise<StoredRegistration[]> {
    this.#model.pass(now)

    return checked(this.#store.expire(now, limit), expired => {
      const { expired: due } = this.#model
      assert.equal(expired.length, Math.min(limit, due.length), 'how many expire')

      for (const registration of expired) {
        const place = due.findIndex(({ sequence }) => sequence === registration.sequence)
        assert.ok(place >= 0, 'something expired that is not due')
        assertSame([registration], due.splice(place, 1), 'what expired')
      }
    })
  }

  nextExpiry (): number | undefined {
    return this.#store.nextExpiry()
  }

  get size (): StoreSize {
    return this.#store.size
  }

  async start (options?: StartOptions): Promise<void> {
    await this.#store.start?.(options)
  }

  async stop (): Promise<void> {
    await this.#store.stop?.()
  }

  /** Compares what the store says of itself. */
  checkSize (now: number): void {
    this.#model.pass(now)
    const { alive, expired } = this.#model
    const { registrations, namespaces, peers, bytes } = this.size
    const all = [...alive, ...expired]
    assertWithin(registrations, alive.length, all.length, 'the number of registrations')
    assertWithin(namespaces, count(alive, 'namespace'), count(all, 'namespace'), 'the number of namespaces')
    assertWithin(peers, count(alive, 'peer'), count(all, 'peer'), 'the number of peers')
    assertWithin(bytes, this.#model.bytes, sum(all.map(this.#model.bytesOf)), 'the bytes')

    const next = this.nextExpiry()

    if (expired.length > 0) {
      assert.ok(next != null && next <= now, 'something expired and is not due')
    } else {
      assert.equal(next, alive.length === 0 ? undefined : Math.min(...alive.map(({ expires }) => expires)), 'when something expires next')
    }
  }
}

type Weight = (registration: StoredRegistration) => number

function sum (numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

function count (registrations: StoredRegistration[], what: 'namespace' | 'peer'): number {
  return new Set(registrations.map(registration => registration[what])).size
}

/** Whether registrations make room for each other there. What a namespace counts for is the store's choice. */
function isShared (limit: string | undefined): boolean {
  return limit !== 'maxRegistrationsPerPeer' && limit !== 'maxNamespaces'
}

/** The path of a network that goes one segment further, if there is one. */
function nextPath (network: string, path: string): string | undefined {
  const [segment] = network.slice(path.length).match(/^[^/]+\/?/) ?? []

  return segment == null ? undefined : path + segment
}

function isWithin (network: string, path: string): boolean {
  return network === path || path === '' || (path.endsWith('/') && network.startsWith(path))
}

/** How much there is in each network within a path. */
function weigh (members: StoredRegistration[], path: string, weightOf: Weight): Map<string, number> {
  const weights = new Map<string, number>()

  for (const member of members) {
    const next = nextPath(member.network, path)

    if (next != null) {
      weights.set(next, (weights.get(next) ?? 0) + weightOf(member))
    }
  }

  return weights
}

/** Of what a store keeps besides, nothing is compared. */
const FIELDS = ['namespace', 'peer', 'domain', 'network', 'expires', 'sequence'] as const

function assertSame (actual: readonly StoredRegistration[], expected: readonly StoredRegistration[], what: string): void {
  const isSame = actual.length === expected.length && actual.every((one, i) => {
    const other = expected[i] as StoredRegistration

    return FIELDS.every(field => one[field] === other[field]) &&
      isEqual(one.signedPeerRecord, other.signedPeerRecord) &&
      isEqual(one.otherRecord, other.otherRecord)
  })

  if (!isSame) {
    assert.deepEqual(actual.map(plain), expected.map(plain), what)
    assert.fail(what)
  }
}

function isEqual (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === b || (a != null && b != null && Buffer.compare(a, b) === 0)
}

function plain ({ namespace, peer, signedPeerRecord, domain, otherRecord, network, expires, sequence }: StoredRegistration): object {
  return { namespace, peer, record: signedPeerRecord.join(), domain, other: otherRecord?.join(), network, expires, sequence }
}

function assertWithin (value: number, least: number, most: number, what: string): void {
  assert.ok(value >= least && value <= most, `${what} is ${value}, and not from ${least} to ${most}`)
}

function checked <T> (answer: MaybePromise<T>, check: (answer: T) => void): MaybePromise<T> {
  if (answer instanceof Promise) {
    return answer.then(answer => {
      check(answer)

      return answer
    })
  }

  check(answer)

  return answer
}
