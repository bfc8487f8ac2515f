/**
 * @packageDocumentation
 *
 * What every store has to do, as test cases for any test framework.
 *
 * @example
 *
 * ```ts
 * import { storeSuite } from 'libp2p-rendezvous/store-suite'
 *
 * describe('my store', () => {
 *   for (const { name, run } of storeSuite(() => new MyStore())) {
 *     it(name, run)
 *   }
 * })
 * ```
 */

import type { ListQuery, NewRegistration, Page, ReadableDomain, RegisterResult, RegistrationStore, StoredRegistration, StoreLimits } from './types.ts'

export interface StoreCase {
  /** The rule, as a sentence. */
  name: string
  /** Rejects with an Error that says what was expected when the store breaks the rule. */
  run: () => Promise<void>
}

const SECOND = 1_000
const HOUR = 3_600_000
const NOW = 1_750_000_000_000

const NO_LIMITS: StoreLimits = {
  maxRegistrationsPerPeer: 1_000_000,
  maxRegistrationsPerNamespace: 1_000_000,
  maxNamespaces: 1_000_000,
  maxRegistrations: 1_000_000,
  maxBytes: 1e12
}

const LIMITS = Object.keys(NO_LIMITS) as Array<keyof StoreLimits>

/** What is the same for all unless a rule is about it. Of one network nobody makes room for another. */
const DEFAULTS = {
  ttl: HOUR,
  now: NOW,
  limits: NO_LIMITS,
  record: 'record',
  other: undefined as string | undefined,
  domain: 'libp2p-peer-record' as ReadableDomain,
  network: '192.0/2/1'
}

/** Race for one place in each limit test. */
const RACERS = 100

export interface StoreSuiteOptions {
  /**
   * Whether what is counted and limited in all of a store, and not in one namespace or for one peer, is so exactly. One
   * whose parts count for themselves has `false`: the rules of `maxNamespaces`, `maxRegistrations` and `maxBytes` are left
   * out then, and how many peers there are.
   *
   * @default true
   */
  exactTotals?: boolean
}

/** In the name of a rule: what is limited in all of a store. */
const TOTAL = /\b(maxNamespaces|maxRegistrations|maxBytes)\b/

/**
 * The test cases of the store contract.
 *
 * `create` makes an empty store with a life of its own; the suite starts and stops it. `destroy` is
 * called afterwards, also when the case failed.
 */
export function storeSuite <T extends RegistrationStore> (create: () => T | Promise<T>, destroy?: (store: T) => void | Promise<void>, { exactTotals = true }: StoreSuiteOptions = {}): StoreCase[] {
  return Object.entries(RULES).filter(([name]) => exactTotals || !TOTAL.test(name)).map(([name, rule]) => ({
    name,
    run: async () => {
      const stores: T[] = []

      try {
        await rule(async () => {
          const store = await create()
          stores.push(store)
          await store.start?.()

          return new Subject(store, exactTotals)
        })
      } finally {
        for (const store of stores) {
          await store.stop?.()
          await destroy?.(store)
        }
      }
    }
  }))
}

type Rule = (create: () => Promise<Subject>) => Promise<void>

/** A store under test, with defaults for what a rule is not about. */
class Subject {
  readonly store: RegistrationStore
  readonly hasExactTotals: boolean

  constructor (store: RegistrationStore, hasExactTotals: boolean) {
    this.store = store
    this.hasExactTotals = hasExactTotals
  }

  /** Fails when a limit is in the way. */
  async register (namespace: string, peer: string, options: Partial<typeof DEFAULTS> = {}): Promise<Extract<RegisterResult, { refreshed: boolean }>> {
    const result = await this.tryRegister(namespace, peer, options)

    if ('limit' in result) {
      throw new Error(`${peer} in ${namespace} was refused for ${result.limit}`)
    }

    return result
  }

  async tryRegister (namespace: string, peer: string, options: Partial<typeof DEFAULTS> = {}): Promise<RegisterResult> {
    const { record, other, domain, network, ttl, now, limits } = { ...DEFAULTS, ...options }
    const registration: NewRegistration = { namespace, peer, signedPeerRecord: encode(record), otherRecord: other == null ? undefined : encode(other), domain, network, ttl }

    return this.store.register(registration, limits, now)
  }

  async unregister (namespace: string, peer: string, now = NOW): Promise<StoredRegistration | undefined> {
    return this.store.unregister(namespace, peer, now)
  }

  /** Fails when the cursor is refused. */
  async list (query: Partial<ListQuery> = {}, now = NOW): Promise<Page> {
    const page = await this.store.list({ limit: 1_000, ...query }, now)

    if (page == null) {
      throw new Error(`the cursor ${query.after} was refused`)
    }

    return page
  }

  /** The peers of a listing, as one string. */
  async peers (query: Partial<ListQuery> = {}, now = NOW): Promise<string> {
    return peersOf((await this.list(query, now)).registrations)
  }

  async expire (now: number, limit = 1_000): Promise<StoredRegistration[]> {
    return this.store.expire(now, limit)
  }

  get size (): string {
    const { registrations, namespaces, peers } = this.store.size

    return `${registrations} in ${namespaces}${this.hasExactTotals ? ` of ${peers}` : ''}`
  }

  /** As `size` has it, with the number of peers. */
  checkSize (what: string, expected: string): void {
    equal(what, this.size, this.hasExactTotals ? expected : expected.replace(/ of .*/, ''))
  }
}

function encode (text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function decode (bytes: Uint8Array | undefined): string | undefined {
  return bytes == null ? undefined : new TextDecoder().decode(bytes)
}

function peersOf (registrations: StoredRegistration[]): string {
  return registrations.map(({ peer }) => peer).join(' ')
}

function equal (what: string, actual: unknown, expected: unknown): void {
  const [actualText, expectedText] = [JSON.stringify(actual), JSON.stringify(expected)]

  if (actualText !== expectedText) {
    throw new Error(`${what}: expected ${expectedText}, but it is ${actualText}`)
  }
}

function check (what: string, holds: boolean): void {
  if (!holds) {
    throw new Error(`this should hold: ${what}`)
  }
}

/** Fills a store so that the limit is one short of what it would take for `peer-x` in `space-x`. */
async function fill (subject: Subject, limit: keyof StoreLimits, ttl = HOUR): Promise<StoreLimits> {
  for (const i of [1, 2, 3]) {
    await subject.register(
      limit === 'maxRegistrationsPerNamespace' ? 'space-x' : `space-${i}`,
      limit === 'maxRegistrationsPerPeer' ? 'peer-x' : `peer-${i}`,
      { ttl }
    )
  }

  return limitAt(subject, limit, 3)
}

/** A limit for so many registrations of those that there are. */
function limitAt (subject: Subject, limit: keyof StoreLimits, count: number): StoreLimits {
  const { bytes, registrations } = subject.store.size

  return { ...NO_LIMITS, [limit]: limit === 'maxBytes' ? bytes / registrations * count : count }
}

/** Where the i-th of those who race for the last place has to register, for the limit to be in the way. */
function place (limit: keyof StoreLimits, i: number): [namespace: string, peer: string] {
  return [
    limit === 'maxRegistrationsPerNamespace' ? 'space-x' : `racing-space-${i}`,
    limit === 'maxRegistrationsPerPeer' ? 'peer-x' : `racing-peer-${i}`
  ]
}

/** The same in each run, between 0 and 1. */
function randomNumbers (): () => number {
  let state = 1

  return () => {
    state = state * 16_807 % 2_147_483_647

    return state / 2_147_483_647
  }
}

/** A number that has nothing to do with the order of names. */
function scramble (name: string): number {
  return [...name].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) * 16_807 % 2_147_483_647, 1)
}

/** Reads page after page until there is nothing more. */
async function readAll (subject: Subject, query: Partial<ListQuery>, between: () => Promise<void> = async () => {}, now = NOW): Promise<StoredRegistration[]> {
  const all: StoredRegistration[] = []
  let after: number | undefined

  for (;;) {
    const { registrations, cursor } = await subject.list({ ...query, after }, now)

    if (registrations.length === 0) {
      return all
    }

    all.push(...registrations)
    after = cursor
    await between()
  }
}

const RULES: Record<string, Rule> = {
  'a registration is listed as it was made, and expires after its TTL': async create => {
    const subject = await create()
    const { registration, refreshed } = await subject.register('space', 'peer', { ttl: 2 * HOUR, record: 'record' })
    const [listed] = (await subject.list()).registrations

    equal('refreshed', refreshed, false)

    for (const { namespace, peer, signedPeerRecord, expires, sequence } of [registration, listed as StoredRegistration]) {
      equal('registration', { namespace, peer, expires }, { namespace: 'space', peer: 'peer', expires: NOW + 2 * HOUR })
      equal('record', new TextDecoder().decode(signedPeerRecord), 'record')
      equal('sequence', sequence, registration.sequence)
    }
  },

  'there is one registration for each peer and namespace, and a new one replaces it': async create => {
    const subject = await create()
    await subject.register('space', 'peer', { record: 'first' })
    const { registration, refreshed } = await subject.register('space', 'peer', { ttl: 3 * HOUR, now: NOW + SECOND, record: 'second' })
    const { registrations } = await subject.list()

    equal('refreshed', refreshed, true)
    equal('registrations', registrations.length, 1)
    equal('expires', registrations[0]?.expires, NOW + SECOND + 3 * HOUR)
    equal('sequence', registrations[0]?.sequence, registration.sequence)
    equal('record', new TextDecoder().decode(registrations[0]?.signedPeerRecord), 'second')
    subject.checkSize('size', '1 in 1 of 1')
  },

  'a refresh may shorten the lifetime': async create => {
    const subject = await create()
    await subject.register('space', 'peer', { ttl: 3 * HOUR })
    await subject.register('space', 'peer', { ttl: HOUR })

    equal('listed', await subject.peers({}, NOW + HOUR), '')
    equal('expired', peersOf(await subject.expire(NOW + HOUR + SECOND)), 'peer')
    equal('expired later', peersOf(await subject.expire(NOW + 3 * HOUR + SECOND)), '')
  },

  'a registration in the place of an expired one is not a refresh': async create => {
    const subject = await create()
    await subject.register('space', 'peer')
    const { refreshed } = await subject.register('space', 'peer', { now: NOW + HOUR })

    equal('refreshed', refreshed, false)
    equal('listed', await subject.peers({}, NOW + HOUR), 'peer')
  },

  'sequence numbers are safe integers and rise with every registration and refresh': async create => {
    const subject = await create()
    let last = -1

    for (const [namespace, peer] of [['a', '1'], ['b', '1'], ['a', '2'], ['a', '1'], ['a', '1'], ['c', '3']] as const) {
      const { registration: { sequence } } = await subject.register(namespace, peer)
      check(`${sequence} is a safe integer`, Number.isSafeInteger(sequence) && sequence >= 0)
      check(`${sequence} is more than ${last}`, sequence > last)
      last = sequence
    }

    await subject.unregister('c', '3')
    const { registration: { sequence } } = await subject.register('c', '3')
    check('the number of what was unregistered is not used again', sequence > last)
  },

  'namespaces are told apart exactly, whatever characters they have': async create => {
    const subject = await create()
    const namespaces = ['a', 'A', 'a/', '/a', 'a/b', 'a b', ' a', 'a@b', 'a%40b', '%', '.', '..', '../a', '__proto__', 'constructor', '0', '\u0000', 'é', 'e\u0301', '日本語', '🦀', '\uffff', '🦀'.repeat(63), 'ÿ/'.repeat(85)]

    for (const namespace of namespaces) {
      await subject.register(namespace, 'peer')
    }

    subject.checkSize('size', `${namespaces.length} in ${namespaces.length} of 1`)
    equal('all', (await subject.list()).registrations.map(({ namespace }) => namespace), namespaces)

    for (const namespace of namespaces) {
      equal(`in ${namespace}`, (await subject.list({ namespace })).registrations.map(({ namespace }) => namespace), [namespace])
      equal(`unregistered from ${namespace}`, (await subject.unregister(namespace, 'peer'))?.namespace, namespace)
      equal(`left in ${namespace}`, await subject.peers({ namespace }), '')
    }

    subject.checkSize('size', '0 in 0 of 0')
  },

  ...Object.fromEntries(LIMITS.map((limit): [string, Rule] => [`one more than ${limit} is refused, and nothing changes`, async create => {
    const subject = await create()
    const limits = await fill(subject, limit)
    const before = subject.size
    const listing = await subject.peers()

    equal('answer', await subject.tryRegister(...place(limit, 0), { limits }), { limit })
    subject.checkSize('size', before)
    equal('listing', await subject.peers(), listing)

    equal('displaced', (await subject.register(...place(limit, 0), { limits: limitAt(subject, limit, 4) })).displaced, [])
  }])),

  ...Object.fromEntries(LIMITS.map((limit): [string, Rule] => [`${limit} counts what was unregistered no longer`, async create => {
    const subject = await create()
    const limits = await fill(subject, limit)
    const [first] = (await subject.list({ limit: 1 })).registrations as [StoredRegistration]
    await subject.unregister(first.namespace, first.peer)

    await subject.register(...place(limit, 0), { limits })
    equal('answer', await subject.tryRegister(...place(limit, 1), { limits }), { limit })
  }])),

  ...Object.fromEntries(LIMITS.map((limit): [string, Rule] => [`${limit} counts what expired no longer`, async create => {
    const subject = await create()
    const limits = await fill(subject, limit)
    const now = NOW + HOUR + 2 * SECOND

    for (const i of [0, 1, 2]) {
      await subject.register(...place(limit, i), { limits, now })
    }

    equal('answer', await subject.tryRegister(...place(limit, 3), { limits, now }), { limit })
    equal('listed', (await subject.list({}, now)).registrations.length, 3)
    equal('expired', (await subject.expire(now)).length, 3)
    equal('expired again', (await subject.expire(now)).length, 0)
  }])),

  ...Object.fromEntries(LIMITS.map((limit): [string, Rule] => [`of ${RACERS} who race for the last place under ${limit}, one gets it`, async create => {
    const subject = await create()
    await fill(subject, limit)
    const limits = limitAt(subject, limit, 4)
    const results = await Promise.all(Array.from({ length: RACERS }, async (_, i) => subject.tryRegister(...place(limit, i), { limits })))
    const refused = results.filter(result => 'limit' in result)

    equal('refused', refused.length, RACERS - 1)
    check(`all of them for ${limit}`, refused.every(result => result.limit === limit))
    equal('registrations', subject.store.size.registrations, 4)
  }])),

  'a refresh is never refused, also when every limit is filled or has been lowered': async create => {
    const subject = await create()
    await subject.register('space', 'peer-1')
    await subject.register('space', 'peer-2')

    for (const most of [2, 1, 0]) {
      const limits = { maxRegistrationsPerPeer: most, maxRegistrationsPerNamespace: most, maxNamespaces: most, maxRegistrations: most, maxBytes: most }
      const { refreshed } = await subject.register('space', 'peer-1', { limits })
      equal('refreshed', refreshed, true)
    }

    equal('listing', await subject.peers(), 'peer-2 peer-1')
    subject.checkSize('size', '2 in 1 of 2')
  },

  'an expired registration does not keep its own peer from registering again': async create => {
    const subject = await create()
    await subject.register('space', 'peer', { ttl: HOUR + 1 })
    const limits = { maxRegistrationsPerPeer: 1, maxRegistrationsPerNamespace: 1, maxNamespaces: 1, maxRegistrations: 1, maxBytes: subject.store.size.bytes }
    await subject.register('space', 'peer', { limits, now: NOW + HOUR + 1 + SECOND })

    equal('listed', await subject.peers({}, NOW + HOUR + 1 + SECOND), 'peer')
  },

  'unregistering removes the registration and returns it': async create => {
    const subject = await create()
    await subject.register('space', 'peer-1')
    const { registration } = await subject.register('space', 'peer-2')
    await subject.register('other space', 'peer-2')
    const removed = await subject.unregister('space', 'peer-2')

    equal('removed', removed?.sequence, registration.sequence)
    equal('left', await subject.peers({ namespace: 'space' }), 'peer-1')
    equal('left elsewhere', await subject.peers({ namespace: 'other space' }), 'peer-2')
    subject.checkSize('size', '2 in 2 of 2')
  },

  'unregistering what is not registered, no longer registered or expired does nothing': async create => {
    const subject = await create()
    await subject.register('space', 'peer')
    await subject.register('space', 'short', { ttl: SECOND })

    equal('unknown peer', await subject.unregister('space', 'another'), undefined)
    equal('unknown namespace', await subject.unregister('another', 'peer'), undefined)
    equal('expired', await subject.unregister('space', 'short', NOW + SECOND), undefined)
    check('the registration is removed', await subject.unregister('space', 'peer') != null)
    equal('again', await subject.unregister('space', 'peer'), undefined)
    equal('expired', peersOf(await subject.expire(NOW + 2 * SECOND)), 'short')
  },

  'one of many who unregister the same at once gets it': async create => {
    const subject = await create()
    await subject.register('space', 'peer')
    const removed = await Promise.all(Array.from({ length: 10 }, async () => subject.unregister('space', 'peer')))

    equal('removed', removed.filter(registration => registration != null).length, 1)
    subject.checkSize('size', '0 in 0 of 0')
  },

  'a listing is in the order in which registrations were made, and a refresh is made last': async create => {
    const subject = await create()

    for (const [namespace, peer] of [['a', '1'], ['b', '2'], ['a', '3'], ['b', '4'], ['a', '5'], ['a', '1'], ['b', '4']] as const) {
      await subject.register(namespace, peer)
    }

    equal('all', await subject.peers(), '2 3 5 1 4')
    equal('a', await subject.peers({ namespace: 'a' }), '3 5 1')
    equal('b', await subject.peers({ namespace: 'b' }), '2 4')
    equal('c', await subject.peers({ namespace: 'c' }), '')

    const { registrations } = await subject.list()
    check('sequence numbers rise', registrations.every(({ sequence }, i) => i === 0 || sequence > (registrations[i - 1] as StoredRegistration).sequence))
  },

  'pages have at most what was asked for, and together all of it once': async create => {
    const subject = await create()
    const names = Array.from({ length: 1_000 }, (_, i) => `peer-${i}`)

    for (const [i, peer] of names.entries()) {
      await subject.register(i % 4 === 0 ? 'quarter' : 'rest', peer)
    }

    for (const limit of [1, 7, 250, 999, 1_000, 1_001]) {
      const first = await subject.list({ limit })
      equal(`first of pages of ${limit}`, first.registrations.length, Math.min(limit, 1_000))
      equal(`all in pages of ${limit}`, peersOf(await readAll(subject, { limit })), names.join(' '))
      equal(`a quarter in pages of ${limit}`, peersOf(await readAll(subject, { limit, namespace: 'quarter' })), names.filter((_, i) => i % 4 === 0).join(' '))
    }
  },

  'what is there throughout is listed exactly once, whatever registers, refreshes, leaves and expires between the pages': async create => {
    const subject = await create()
    const count = 600

    for (let i = 0; i < count; i++) {
      await subject.register('space', `${['stays', 'refreshes', 'leaves', 'expires'][i % 4]}-${i}`, { ttl: i % 4 === 3 ? SECOND : HOUR })
    }

    let turn = 0
    const now = NOW + 2 * SECOND
    const listed = await readAll(subject, { namespace: 'space', limit: 20 }, async () => {
      // from both ends, so that some of it was listed already and some not yet
      for (const i of [4 * turn, count - 4 - 4 * turn]) {
        if (turn < count / 8) {
          await subject.register('space', `refreshes-${i + 1}`, { now })
          await subject.unregister('space', `leaves-${i + 2}`, now)
          await subject.register('space', `comes-${i}`, { now })
        }
      }

      await subject.expire(now, 5)
      turn++
    }, now)

    const times = new Map<string, number>()

    for (const { peer } of listed) {
      times.set(peer, (times.get(peer) ?? 0) + 1)
    }

    for (let i = 0; i < count; i += 4) {
      equal(`stays-${i}`, times.get(`stays-${i}`), 1)
      equal(`expires-${i + 3}`, times.get(`expires-${i + 3}`), undefined)
      check(`refreshes-${i + 1} is listed before or after its refresh`, times.has(`refreshes-${i + 1}`))
      check(`leaves-${i + 2} is listed at most once`, (times.get(`leaves-${i + 2}`) ?? 0) <= 1)
    }

    for (let i = 0; i < turn && i < count / 8; i++) {
      equal(`comes-${4 * i}`, times.get(`comes-${4 * i}`), 1)
    }
  },

  'a cursor may be used again, and gives the same as long as nothing changes': async create => {
    const subject = await create()

    for (const peer of ['1', '2', '3', '4']) {
      await subject.register('space', peer)
    }

    const { cursor } = await subject.list({ limit: 2 })
    equal('once', await subject.peers({ after: cursor }), '3 4')
    equal('twice', await subject.peers({ after: cursor }), '3 4')
  },

  'a listing goes on after any registration of a page, also when that one is gone': async create => {
    const subject = await create()

    for (const peer of ['1', '2', '3', '4', '5']) {
      await subject.register('space', peer)
    }

    const { registrations, cursor } = await subject.list({ namespace: 'space', limit: 4 })

    for (const [i, rest] of ['2 3 4 5', '3 4 5', '4 5', '5'].entries()) {
      equal(`after the registration ${i + 1}`, await subject.peers({ namespace: 'space', after: registrations[i]?.sequence }), rest)
    }

    equal('after the page', await subject.peers({ namespace: 'space', after: cursor }), '5')

    await subject.unregister('space', '2')
    await subject.register('space', '4')
    equal('after 2, which left', await subject.peers({ namespace: 'space', after: registrations[1]?.sequence }), '3 5 4')
    equal('after 4, which was refreshed', await subject.peers({ namespace: 'space', after: registrations[3]?.sequence }), '5 4')
  },

  'at the end of a listing, the cursor gives what is made or refreshed later': async create => {
    const subject = await create()
    await subject.register('space', '1')
    await subject.register('space', '2')
    let { registrations, cursor } = await subject.list({ namespace: 'space' });
    ({ registrations, cursor } = await subject.list({ namespace: 'space', after: cursor }))
    equal('nothing more', registrations.length, 0)

    await subject.register('other space', '3')
    await subject.register('space', '4')
    await subject.register('space', '1')
    equal('what came', await subject.peers({ namespace: 'space', after: cursor }), '4 1')
  },

  'the cursor of a listing with nothing in it is valid and gives what comes': async create => {
    const subject = await create()
    const cursors = [(await subject.list()).cursor, (await subject.list({ namespace: 'space' })).cursor]
    await subject.register('other space', '1')
    cursors.push((await subject.list({ namespace: 'space' })).cursor)
    await subject.register('space', '2')

    for (const after of cursors) {
      equal('what came', await subject.peers({ namespace: 'space', after }), '2')
    }

    await subject.unregister('space', '2')
    await subject.unregister('other space', '1')

    for (const after of cursors) {
      equal('what is left', await subject.peers({ after }), '')
    }
  },

  'a cursor is valid however much has gone since': async create => {
    const subject = await create()
    const cursors: number[] = []

    for (let i = 0; i < 300; i++) {
      await subject.register('space', 'peer', { now: NOW + i })
      cursors.push((await subject.list({}, NOW + i)).cursor)
    }

    await subject.unregister('space', 'peer', NOW + 300)

    for (const after of cursors) {
      equal('left', await subject.peers({ after }, NOW + 300), '')
    }
  },

  'a cursor of another store is refused': async create => {
    const subject = await create()
    const other = await create()
    await subject.register('space', 'peer')
    await other.register('space', 'peer')

    for (const { cursor } of [await other.list(), await other.list({ namespace: 'space' }), await other.list({ namespace: 'unknown' })]) {
      equal('page', await subject.store.list({ after: cursor, limit: 1 }, NOW), undefined)
      equal('page of a namespace', await subject.store.list({ namespace: 'space', after: cursor, limit: 1 }, NOW), undefined)
    }
  },

  'a cursor that no page gave is refused': async create => {
    const subject = await create()
    await subject.register('space', 'peer')

    for (const after of [-1, Number.MAX_SAFE_INTEGER, NaN]) {
      equal(`page after ${after}`, await subject.store.list({ after, limit: 1 }, NOW), undefined)
    }
  },

  'a registration is listed until the moment it expires, and not from then on': async create => {
    const subject = await create()
    await subject.register('space', 'short', { ttl: 1_500 })
    await subject.register('space', 'long')

    for (const query of [{}, { namespace: 'space' }]) {
      equal('before', await subject.peers(query, NOW + 1_499), 'short long')
      equal('then', await subject.peers(query, NOW + 1_500), 'long')
      equal('a page is filled with what is alive', await subject.peers({ ...query, limit: 1 }, NOW + 1_500), 'long')
    }
  },

  'what has expired is returned once, and only that': async create => {
    const subject = await create()
    await subject.register('a', '1', { ttl: 5 * SECOND })
    await subject.register('b', '1', { ttl: 10 * SECOND })
    await subject.register('a', '2', { ttl: 5 * SECOND })

    equal('too early', await subject.expire(NOW + 5 * SECOND - 1), [])
    const expired = await subject.expire(NOW + 6 * SECOND)
    equal('expired', expired.map(({ namespace, peer }) => `${namespace} ${peer}`).sort(), ['a 1', 'a 2'])
    equal('expires', expired.map(({ expires }) => expires), [NOW + 5 * SECOND, NOW + 5 * SECOND])
    equal('again', await subject.expire(NOW + 6 * SECOND), [])
    subject.checkSize('size', '1 in 1 of 1')
    equal('the rest', (await subject.expire(NOW + 11 * SECOND)).map(({ namespace }) => namespace), ['b'])
    subject.checkSize('size', '0 in 0 of 0')
  },

  'what has expired is returned in batches no larger than asked for': async create => {
    const subject = await create()
    const names = new Set<string>()

    for (let i = 0; i < 250; i++) {
      names.add(`peer-${i}`)
      await subject.register(`space-${i % 7}`, `peer-${i}`, { ttl: (1 + i % 3) * SECOND })
    }

    const now = NOW + 5 * SECOND

    for (const expected of [100, 100, 50, 0]) {
      const expired = await subject.expire(now, 100)
      equal('batch', expired.length, expected)
      check('each once', expired.every(({ peer }) => names.delete(peer)))
    }

    subject.checkSize('size', '0 in 0 of 0')
  },

  'what expired and was replaced by its peer is returned once as well': async create => {
    const subject = await create()
    const { registration: { sequence } } = await subject.register('space', 'peer', { ttl: SECOND })
    await subject.register('space', 'peer', { now: NOW + 3 * SECOND })

    equal('expired', (await subject.expire(NOW + 3 * SECOND)).map(registration => registration.sequence), [sequence])
    equal('expired again', await subject.expire(NOW + 3 * SECOND), [])
    equal('listed', await subject.peers({}, NOW + 3 * SECOND), 'peer')
  },

  'what was refreshed or unregistered does not expire when it once would have': async create => {
    const subject = await create()

    for (const peer of ['refreshed', 'unregistered', 'expired']) {
      await subject.register('space', peer, { ttl: 5 * SECOND })
    }

    await subject.register('space', 'refreshed', { now: NOW + SECOND })
    await subject.unregister('space', 'unregistered', NOW + SECOND)

    equal('expired', peersOf(await subject.expire(NOW + 7 * SECOND)), 'expired')
    equal('listed', await subject.peers({}, NOW + 7 * SECOND), 'refreshed')
  },

  'the next expiry is that of the registration that expires first, within a second': async create => {
    const subject = await create()
    const { store } = subject
    const due = (what: string, expires: number): void => {
      const next = store.nextExpiry()
      check(`${what}: ${next} is within a second after ${expires}`, next != null && next >= expires && next <= expires + SECOND)
    }

    equal('of an empty store', store.nextExpiry(), undefined)
    await subject.register('a', 'middle', { ttl: 20_100 })
    due('one', NOW + 20_100)
    await subject.register('b', 'last', { ttl: 30_000 })
    due('and a later one', NOW + 20_100)
    await subject.register('a', 'first', { ttl: 10_999 })
    due('and an earlier one', NOW + 10_999)
    await subject.register('a', 'first', { ttl: 25_000 })
    due('which was refreshed', NOW + 20_100)
    await subject.unregister('a', 'middle')
    due('one unregistered', NOW + 25_000)
    equal('there is something to do then', (await subject.expire(store.nextExpiry() as number)).length, 1)
    due('one expired', NOW + 30_000)
    await subject.expire(NOW + 31_000)
    equal('of a store that became empty', store.nextExpiry(), undefined)
  },

  'while something that expired was not returned, the next expiry is due': async create => {
    const subject = await create()
    const now = NOW + 5 * SECOND

    for (const peer of ['1', '2', '3']) {
      await subject.register('space', peer, { ttl: SECOND })
    }

    await subject.register('space', '1', { now })

    for (let left = 3; left > 0; left--) {
      check(`${left} left`, (subject.store.nextExpiry() ?? Infinity) <= now)
      equal('expired', (await subject.expire(now, 1)).length, 1)
    }

    check('none left', (subject.store.nextExpiry() ?? 0) > now)
  },

  'the size counts registrations, and the namespaces and peers that have any': async create => {
    const subject = await create()
    subject.checkSize('empty', '0 in 0 of 0')

    equal('no bytes', subject.store.size.bytes, 0)

    await subject.register('a', '1')
    const { bytes } = subject.store.size
    await subject.register('a', '2', { ttl: SECOND })
    await subject.register('b', '2')
    subject.checkSize('three', '3 in 2 of 2')
    equal('bytes', subject.store.size.bytes, 3 * bytes)

    await subject.expire(NOW + 2 * SECOND)
    subject.checkSize('one expired', '2 in 2 of 2')

    await subject.unregister('b', '2')
    subject.checkSize('one unregistered', '1 in 1 of 1')

    await subject.unregister('a', '1')
    subject.checkSize('empty again', '0 in 0 of 0')
    equal('no bytes', subject.store.size.bytes, 0)
  },

  'the size counts the bytes of all records': async create => {
    const subject = await create()
    await subject.register('a', '1', { record: '' })
    const { bytes } = subject.store.size
    check('a registration itself counts', bytes > 0)

    await subject.register('a', '1', { record: 'x'.repeat(10), other: 'y'.repeat(20) })
    equal('refreshed with records', subject.store.size.bytes, bytes + 30)

    await subject.register('a', '1', { record: 'x'.repeat(5) })
    equal('refreshed with a smaller one', subject.store.size.bytes, bytes + 5)
  },

  'a registration keeps the form of its record, the other form and the network': async create => {
    const subject = await create()
    const { registration } = await subject.register('space', 'peer', { record: 'one', other: 'two', domain: 'libp2p-routing-state', network: '198.51/100/7' })
    const [listed] = (await subject.list()).registrations

    for (const { signedPeerRecord, otherRecord, domain, network } of [registration, listed as StoredRegistration]) {
      equal('registration', { domain, network }, { domain: 'libp2p-routing-state', network: '198.51/100/7' })
      equal('records', [decode(signedPeerRecord), decode(otherRecord)], ['one', 'two'])
    }

    await subject.register('space', 'peer')
    const [refreshed] = (await subject.list()).registrations
    equal('refreshed', [refreshed?.domain, refreshed?.otherRecord ?? null, refreshed?.network], [DEFAULTS.domain, null, DEFAULTS.network])
  },

  'who reads only records of one form is listed what has such a record, in full pages': async create => {
    const subject = await create()

    for (let i = 0; i < 900; i++) {
      const domain = i % 300 === 0 ? 'libp2p-routing-state' : 'libp2p-peer-record'
      await subject.register('space', `${i}`, { domain, other: i % 300 === 150 ? 'other' : undefined })
    }

    for (const namespace of ['space', undefined]) {
      const reads = 'libp2p-routing-state'
      equal('all at once', await subject.peers({ namespace, reads }), '0 150 300 450 600 750')
      equal('page by page', peersOf(await readAll(subject, { namespace, reads, limit: 4 })), '0 150 300 450 600 750')
      equal('first', await subject.peers({ namespace, reads, limit: 1 }), '0')
      equal('the other form', (await subject.list({ namespace, reads: 'libp2p-peer-record' })).registrations.length, 897)
      equal('both', (await subject.list({ namespace })).registrations.length, 900)
    }

    await subject.register('space', '900', { domain: 'none' })

    for (const reads of ['libp2p-peer-record', 'libp2p-routing-state'] as const) {
      check('what neither can read is listed to none of them', !(await subject.list({ reads })).registrations.some(({ peer }) => peer === '900'))
    }

    equal('who reads all is listed it', (await subject.list({ namespace: 'space' })).registrations.at(-1)?.domain, 'none')

    await subject.register('space', '300')
    await subject.register('space', '1', { other: 'other' })
    equal('refreshed in other forms', await subject.peers({ namespace: 'space', reads: 'libp2p-routing-state' }), '0 150 450 600 750 1')
    const { cursor } = await subject.list({ namespace: 'space', reads: 'libp2p-routing-state', limit: 2 })
    equal('a cursor is the same for all', (await subject.list({ namespace: 'space', after: cursor })).registrations[0]?.peer, '151')
  },

  ...Object.fromEntries((['maxRegistrationsPerNamespace', 'maxNamespaces', 'maxRegistrations', 'maxBytes'] as const).map((limit): [string, Rule] => [`under ${limit}, a newcomer takes the place of the youngest of the network that holds most`, async create => {
    const subject = await create()
    const namespace = (i: number): string => limit === 'maxRegistrationsPerNamespace' ? 'space' : `space-${i}`

    for (const [i, network] of ['198.51/100/1', '203.0/113/1', '203.0/113/2', '203.0/113/3', '198.51/100/2'].entries()) {
      await subject.register(namespace(i), `peer-${i}`, { network })
    }

    // its age is that of its first registration
    await subject.register(namespace(1), 'peer-1', { network: '203.0/113/1', now: NOW + SECOND })

    const limits = limitAt(subject, limit, 5)
    const first = await subject.register(namespace(5), 'peer-5', { network: '192.0/2/1', limits })
    equal('displaced', first.displaced.map(({ namespace, peer, network }) => [namespace, peer, network]), [[namespace(3), 'peer-3', '203.0/113/3']])
    equal('refreshed', first.refreshed, false)

    // 203.0 holds as much as 198.51 now, and no network more than another newcomer would
    equal('refused', await subject.tryRegister(namespace(6), 'peer-6', { network: '203.0/113/4', limits }), { limit })
    equal('refused', await subject.tryRegister(namespace(6), 'peer-6', { network: '192.0/2/1', limits }), { limit })
    equal('listed', await subject.peers(), 'peer-0 peer-2 peer-4 peer-1 peer-5')
    equal('expired later', (await subject.expire(NOW + 2 * HOUR)).length, 5)
  }])),

  'who makes room may be the youngest of several networks, and is not listed, found or counted any more': async create => {
    const subject = await create()

    for (const i of [0, 1, 2, 3]) {
      await subject.register('space', `peer-${i}`, { network: `203.0/113/${i}` })
    }

    const limits = { ...NO_LIMITS, maxRegistrationsPerNamespace: 4 }
    const { displaced } = await subject.register('space', 'newcomer', { network: '192.0/2/1', limits })
    equal('displaced', peersOf(displaced), 'peer-3')
    equal('listed', await subject.peers({ namespace: 'space' }), 'peer-0 peer-1 peer-2 newcomer')
    subject.checkSize('size', '4 in 1 of 4')
    equal('unregistered', await subject.unregister('space', 'peer-3'), undefined)
    equal('back from another network', peersOf((await subject.register('space', 'peer-3', { network: '192.0/2/1', limits })).displaced), 'peer-2')
    equal('back from where it was', await subject.tryRegister('space', 'peer-2', { network: '203.0/113/2', limits }), { limit: 'maxRegistrationsPerNamespace' })
  },

  'a peer that is at its own limit displaces nobody': async create => {
    const subject = await create()

    for (const i of [0, 1, 2, 3]) {
      await subject.register('space', `peer-${i}`, { network: '203.0/113/1' })
    }

    await subject.register('other', 'newcomer', { network: '192.0/2/1' })
    const limits = { ...NO_LIMITS, maxRegistrationsPerPeer: 1, maxRegistrationsPerNamespace: 4 }
    equal('answer', await subject.tryRegister('space', 'newcomer', { network: '192.0/2/1', limits }), { limit: 'maxRegistrationsPerPeer' })
    subject.checkSize('size', '5 in 2 of 5')
  },

  'one network of many peers keeps nobody out of a namespace, in whatever order they come': async create => {
    for (const order of ['honest first', 'attackers first', 'mixed']) {
      const subject = await create()
      const limits = { ...NO_LIMITS, maxRegistrationsPerNamespace: 100 }
      const honest = Array.from({ length: 50 }, (_, i) => ({ peer: `honest-${i}`, network: `${10 + i}.${i}/${i}/1` }))
      const attackers = Array.from({ length: 1_000 }, (_, i) => ({ peer: `attacker-${i}`, network: `203.0/${i % 250}/${Math.floor(i / 4)}` }))
      const all = order === 'honest first' ? [...honest, ...attackers] : [...attackers, ...honest]

      if (order === 'mixed') {
        all.sort((a, b) => scramble(a.peer) - scramble(b.peer))
      }

      for (const { peer, network } of all) {
        await subject.tryRegister('space', peer, { network, limits })
      }

      const { registrations } = await subject.list({ namespace: 'space' })
      equal(`honest, ${order}`, registrations.filter(({ peer }) => peer.startsWith('honest')).length, 50)
      equal(`all, ${order}`, registrations.length, 100)
    }
  },

  'an honest namespace stays, though attackers were there first or in numbers': async create => {
    const subject = await create()
    const limits = { ...NO_LIMITS, maxNamespaces: 20 }
    const attacker = (i: number): string => `203.0/113/${i}`

    for (let i = 0; i < 10; i++) {
      await subject.register(`honest-${i}`, 'attacker', { network: attacker(i), limits })
    }

    for (let i = 0; i < 10; i++) {
      await subject.register(`honest-${i}`, `honest-${i}`, { network: `${10 + i}.0/0/1`, limits })
      await subject.register(`honest-${i}`, 'second attacker', { network: attacker(i), limits })
    }

    for (let i = 0; i < 100; i++) {
      await subject.tryRegister(`attacked-${i}`, `attacker-${i}`, { network: attacker(i), limits })
      await subject.tryRegister(`new-${i % 5}`, `peer-${i % 5}`, { network: `${100 + i % 5}.0/0/1`, limits })
    }

    const names = new Set((await subject.list()).registrations.map(({ peer }) => peer).filter(peer => /^(honest|peer)/.test(peer)))
    equal('honest peers', names.size, 15)

    if (subject.hasExactTotals) {
      equal('namespaces', subject.store.size.namespaces, 20)
    }
  },

  'one network of large records keeps nobody out where bytes are limited': async create => {
    const subject = await create()
    await subject.register('space', 'honest', { network: '10.0/0/1' })
    const limits = { ...NO_LIMITS, maxBytes: 100 * subject.store.size.bytes }

    for (let i = 0; i < 200; i++) {
      await subject.tryRegister('space', `attacker-${i}`, { network: `203.0/${i}/1`, record: 'x'.repeat(4_000), limits })
    }

    check('full', subject.store.size.bytes > 0.9 * limits.maxBytes)

    for (let i = 0; i < 50; i++) {
      await subject.register('space', `honest-${i}`, { network: `${20 + i}.0/0/1`, limits })
      check('within the limit', subject.store.size.bytes <= limits.maxBytes)
    }

    equal('honest', (await subject.list()).registrations.filter(({ peer }) => peer.startsWith('honest')).length, 51)
  },

  'a refresh that needs more bytes is admitted, and has the network that holds most make room': async create => {
    const subject = await create()

    for (const i of [0, 1, 2]) {
      await subject.register('space', `peer-${i}`, { network: '203.0/113/1' })
    }

    await subject.register('space', 'peer', { network: '192.0/2/1' })
    const limits = { ...NO_LIMITS, maxBytes: subject.store.size.bytes }
    const { refreshed, displaced } = await subject.register('space', 'peer', { network: '192.0/2/1', record: 'x'.repeat(100), limits })
    equal('refreshed', [refreshed, peersOf(displaced)], [true, 'peer-2'])
    check('within the limit', subject.store.size.bytes <= limits.maxBytes)
  },

  'a refresh that needs more bytes has nobody make room where what expired has them': async create => {
    const subject = await create()
    await subject.register('space', 'expired', { network: '203.0/113/1', ttl: SECOND })
    await subject.register('space', 'other', { network: '203.0/113/1' })
    await subject.register('space', 'peer', { network: '192.0/2/1' })
    const limits = { ...NO_LIMITS, maxBytes: subject.store.size.bytes }
    const { displaced } = await subject.register('space', 'peer', { network: '192.0/2/1', record: 'x'.repeat(100), limits, now: NOW + 3 * SECOND })
    equal('displaced', peersOf(displaced), '')
    equal('expired', peersOf(await subject.expire(NOW + 3 * SECOND)), 'expired')
  },

  'a sample has as many as were asked for, each once, all networks alike, and a cursor for what comes later': async create => {
    const subject = await create()

    for (let i = 0; i < 300; i++) {
      await subject.register('space', `many-${i}`, { network: `203.0/${i % 100}/${i}` })
    }

    for (let i = 0; i < 10; i++) {
      await subject.register('space', `few-${i}`, { network: `${10 + i}.0/0/1` })
    }

    await subject.register('other space', 'elsewhere')
    const sample = randomNumbers()

    for (const namespace of ['space', undefined]) {
      const drawn = new Set<string>()

      for (let i = 0; i < 40; i++) {
        const { registrations, cursor } = await subject.list({ namespace, limit: 22, sample })
        const peers = registrations.map(({ peer }) => peer)
        equal('number', new Set(peers).size, 22)
        equal('of networks with one', peers.filter(peer => peer.startsWith('few')).length, 10)
        equal('what came later', await subject.peers({ namespace, after: cursor }), '')
        peers.forEach(peer => drawn.add(peer))
      }

      check('others each time', drawn.size > 200)
      equal('all', (await subject.list({ namespace, limit: 500, sample })).registrations.length, namespace == null ? 311 : 310)
    }

    const { cursor } = await subject.list({ namespace: 'space', limit: 5, sample })
    await subject.register('space', 'later')
    equal('later', await subject.peers({ namespace: 'space', after: cursor }), 'later')
    equal('of nothing', await subject.peers({ namespace: 'unknown', limit: 5, sample }), '')
  },

  'a sample has nothing that has expired, and only what can be read': async create => {
    const subject = await create()
    const sample = randomNumbers()

    for (let i = 0; i < 100; i++) {
      await subject.register('space', `${i}`, { network: `203.0/113/${i}`, ttl: i % 2 === 0 ? 500 : HOUR, domain: i < 90 ? 'libp2p-peer-record' : 'libp2p-routing-state' })
    }

    for (const namespace of ['space', undefined]) {
      const { registrations } = await subject.list({ namespace, limit: 20, sample }, NOW + 500)
      equal('alive', registrations.filter(({ expires }) => expires > NOW + 500).length, 20)
      const readable = await subject.list({ namespace, limit: 20, sample, reads: 'libp2p-routing-state' }, NOW + 500)
      equal('readable', peersOf(readable.registrations).split(' ').sort(), ['91', '93', '95', '97', '99'])
    }
  },

  'the registrations of a peer are those that it has and that have not expired': async create => {
    const subject = await create()
    await subject.register('space', '1', { ttl: SECOND })
    await subject.register('space', '2')
    await subject.register('other space', '1')
    await subject.register('third space', '1')
    await subject.unregister('third space', '1')

    const namespacesOf = async (peer: string, now: number): Promise<string[]> => (await subject.store.registrationsOf(peer, now)).map(({ namespace }) => namespace).sort()
    equal('of the one', await namespacesOf('1', NOW), ['other space', 'space'])
    equal('of the other', await namespacesOf('2', NOW), ['space'])
    equal('later', await namespacesOf('1', NOW + SECOND), ['other space'])
    equal('of nobody', await namespacesOf('3', NOW), [])
  },

  'who subscribes to a namespace is called back for each change in it, and may be told who is gone': async create => {
    const subject = await create()

    if (subject.store.subscribe == null) {
      return
    }

    let calls = 0
    const gone = new Set<string>()
    const end = subject.store.subscribe('space', peers => {
      calls++
      peers?.forEach(peer => gone.add(peer))
    })
    const changed = async (what: string, change: () => Promise<unknown>): Promise<void> => {
      const before = calls
      await change()
      check(`${what} calls back`, calls > before)
    }

    await changed('a registration', async () => subject.register('space', '1', { ttl: SECOND }))
    await changed('another', async () => subject.register('space', '2', { network: '203.0/113/1' }))
    await changed('a refresh', async () => subject.register('space', '2', { network: '203.0/113/1' }))
    equal('gone', [...gone], [])
    await changed('unregistering', async () => subject.unregister('space', '2'))
    await subject.register('space', '3', { network: '203.0/113/1' })
    await subject.register('space', '4', { network: '203.0/113/1' })
    await changed('making room', async () => subject.register('space', '5', { limits: { ...NO_LIMITS, maxRegistrationsPerNamespace: 3 }, network: '10.0/0/1' }))
    await changed('expiry', async () => subject.expire(NOW + 2 * SECOND))
    check('those who are named are gone', [...gone].every(peer => ['1', '2', '4'].includes(peer)))

    const before = calls
    await subject.register('other space', '1')
    await subject.unregister('other space', '1')
    await subject.unregister('space', 'unknown')
    await subject.tryRegister('space', '6', { limits: { ...NO_LIMITS, maxRegistrationsPerNamespace: 1 } })
    await subject.list({ namespace: 'space' })
    end()
    end()
    await subject.register('space', '6')
    equal('calls', calls, before)
  },

  'who makes room is told of, once for each registration': async create => {
    const subject = await create()
    const told: string[] = []

    if (subject.store.onDisplaced == null) {
      return
    }

    const end = subject.store.onDisplaced((peer, namespace) => { told.push(`${peer} in ${namespace}`) })

    for (const i of [0, 1, 2, 3]) {
      await subject.register('space', `peer-${i}`, { network: `203.0/113/${i}`, ttl: i === 0 ? SECOND : HOUR })
    }

    const limits = { ...NO_LIMITS, maxRegistrationsPerNamespace: 4 }
    await subject.register('space', 'peer-4', { network: '192.0/2/1', limits })
    equal('told', told, ['peer-3 in space'])
    await subject.tryRegister('space', 'peer-5', { network: '203.0/113/5', limits })
    await subject.unregister('space', 'peer-1')
    await subject.expire(NOW + 2 * SECOND)
    equal('told of who left', told, ['peer-3 in space'])
    end()
    end()
    await subject.register('space', 'peer-6', { network: '203.0/113/6' })
    const { displaced } = await subject.register('space', 'peer-7', { network: '198.51/100/1', limits: { ...limits, maxRegistrationsPerNamespace: 3 } })
    equal('displaced later', peersOf(displaced), 'peer-6')
    equal('told later', told, ['peer-3 in space'])
  },

  'what a peer registered that is live at several points ends when it has left the last': async create => {
    const subject = await create()
    const { store } = subject

    if (store.enter == null || store.leave == null) {
      return
    }

    await subject.register('a', 'peer')
    await subject.register('b', 'peer')
    await subject.register('a', 'other')
    await subject.register('a', 'expired', { ttl: SECOND })
    const namespaces = (registrations: StoredRegistration[]): string[] => registrations.map(({ namespace }) => namespace).sort()

    equal('what it has', namespaces(await store.enter('peer', 'point-1', NOW)), ['a', 'b'])
    equal('what it has at another', namespaces(await store.enter('peer', 'point-2', NOW)), ['a', 'b'])
    equal('it has left the one', await store.leave('peer', 'point-1', true, NOW), [])
    equal('it is back', namespaces(await store.enter('peer', 'point-1', NOW)), ['a', 'b'])
    equal('it has left the other', await store.leave('peer', 'point-2', true, NOW), [])
    equal('it may come back', await store.leave('peer', 'point-1', false, NOW), [])
    equal('listed', await subject.peers({ namespace: 'a' }), 'peer other expired')
    await store.enter('peer', 'point-2', NOW)
    equal('it has left all', namespaces(await store.leave('peer', 'point-2', true, NOW)), ['a', 'b'])
    equal('listed', await subject.peers(), 'other expired')
    equal('it is back, and has nothing', await store.enter('peer', 'point-1', NOW), [])
    equal('what has expired is not returned', await store.leave('expired', 'point-1', true, NOW + SECOND), [])
    equal('but expires', peersOf(await subject.expire(NOW + 2 * SECOND)), 'expired')
  },

  'a store that several points started goes on until the last of them stops it': async create => {
    const subject = await create()
    await subject.store.start?.()
    await subject.register('space', '1')
    await subject.store.stop?.()
    await subject.register('space', '2')

    equal('listed', await subject.peers(), '1 2')
  }
}
