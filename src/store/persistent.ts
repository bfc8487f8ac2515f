import { NotStartedError, TimeoutError } from '@libp2p/interface'
import delay from 'delay'
import { Key } from 'interface-datastore'
import { BatchWriter } from './batch-writer.ts'
import { readLog, SEQUENCE, TOGETHER } from './log.ts'
import { encodeEntry, registrationName } from './log-entry.ts'
import { MemoryStore, newLife } from './memory.ts'
import { othersHadTheirTurn } from './others-turn.ts'
import { Subscriptions } from './subscriptions.ts'
import type { ListQuery, NewRegistration, OnChange, Page, RegisterResult, StoredRegistration, RegistrationStore, StartOptions, StoreLimits, StoreSize, Unsubscribe } from './types.ts'
import type { Entry } from './entry.ts'
import type { Log, StoredEntry } from './log.ts'
import type { SequenceRange } from './memory.ts'
import type { Datastore } from 'interface-datastore'

export interface CorruptEntry {
  /** The key in the datastore. */
  key: string
  value: Uint8Array
}

export interface PersistentStoreInit {
  /**
   * Where the registrations are kept. Open it before the store is started and close it after the store
   * has stopped. Only one store at a time may use the same prefix of it.
   *
   * How much a crash of the machine, rather than of the process, may lose is the datastore's to say.
   */
  datastore: Datastore
  /**
   * The keys begin with this. Nothing else may be stored below it.
   *
   * @default '/rendezvous'
   */
  prefix?: string
  /**
   * How long the datastore may take for a batch of writes, in milliseconds. Whoever waits longer gets a
   * TimeoutError, as does everybody after them until the datastore answers again. As a write may have
   * to wait for the batch before its own, it is answered within twice this time.
   *
   * @default 5_000
   */
  timeout?: number
  /**
   * Opens the datastore anew, when writing to it has failed twice in a row: LevelDB, for one, refuses
   * everything after a full disk until that is done.
   *
   * @default the datastore's `close` and `open`, where it has both
   */
  reopen?: () => Promise<void>
  /**
   * Reads all entries whose keys begin with a prefix, as many at a time as is good: a datastore may be able
   * to do so faster than by its `query`, and reading is most of what a start does.
   *
   * @default the datastore's `query`
   */
  readAll?: (prefix: string) => AsyncIterable<StoredEntry[]>
  /**
   * Called by `start` for each entry that is not as it was written. It is left where it is, and goes
   * when the same peer registers in the same namespace again.
   */
  onCorrupt?: (entry: CorruptEntry) => void
}

export interface PersistentStore extends RegistrationStore {
  /** How many entries the last start found corrupt. */
  readonly corruptEntries: number
  /** Whether the datastore lacks something that it should have, because it failed or does not answer. */
  readonly isBehind: boolean
}

const DEFAULT_PREFIX = '/rendezvous'
const DEFAULT_TIMEOUT = 5_000

/** So many that to count them later, all at once, would hold up whoever registers then. */
const MANY = 10_000

/** So many are counted at a time, a few milliseconds, with a pause in between: of a million, all after a quarter of a minute. */
const COUNTED_TOGETHER = 500
const COUNTING_PAUSE = 5

/** Sequence numbers set aside at a time: so many registrations later, one entry more is written. */
const RESERVED_AHEAD = 10_000

/** Entries in a batch when all of them are written anew. */
const REWRITE_BATCH = 1_000

/**
 * A store that survives the end of the process. Registrations are held in memory, where all questions
 * are answered, and in a datastore, from which they are read again when the store starts: the same
 * ones, with the same remaining lifetimes and in the same order, and the cursors of before go on where
 * they were. `register` and `unregister` resolve when the datastore has the change; what is waiting at
 * the same time is written in one batch.
 *
 * When the datastore fails or does not answer, those who wait for it are rejected, with its error or
 * a TimeoutError, and what they asked for may or may not have been done, as after a lost answer. From
 * then on a change is first of all the occasion to try again what is outstanding, and is made only
 * when that succeeded; once in a while it is tried without one. Listing goes on all the while.
 *
 * @example
 *
 * ```ts
 * import { LevelDatastore } from 'datastore-level'
 * import { persistentStore, rendezvousPoint } from 'libp2p-rendezvous'
 *
 * const datastore = new LevelDatastore('./registrations')
 * await datastore.open()
 *
 * const service = rendezvousPoint({ store: persistentStore({ datastore }) })
 * ```
 */
export function persistentStore (init: PersistentStoreInit): PersistentStore {
  return new DatastoreStore(init)
}

/** What there is between start and stop. */
interface Session {
  readonly index: MemoryStore
  readonly writer: BatchWriter
  /** The datastore knows that numbers up to this one may have been given out. */
  reserved: number
}

class DatastoreStore implements PersistentStore {
  readonly #datastore: Datastore
  readonly #prefix: string
  readonly #timeout: number
  readonly #reopen: PersistentStoreInit['reopen']
  readonly #readAll: NonNullable<PersistentStoreInit['readAll']>
  readonly #onCorrupt: PersistentStoreInit['onCorrupt']
  readonly #subscriptions = new Subscriptions()
  #session: Session | undefined
  #starts = 0
  #starting: Promise<void> | undefined
  /** Of the session before: the datastore may still be busy with what it was last given. */
  #ending: Promise<void> | undefined
  #corruptEntries = 0

  constructor ({ datastore, prefix = DEFAULT_PREFIX, timeout = DEFAULT_TIMEOUT, reopen = reopenerOf(datastore), readAll = readerOf(datastore), onCorrupt }: PersistentStoreInit) {
    this.#datastore = datastore
    // as keys are normalised, with the slash that ends it
    this.#prefix = new Key(`${prefix}/`).toString().replace(/\/*$/, '/')
    this.#timeout = timeout
    this.#reopen = reopen
    this.#readAll = readAll
    this.#onCorrupt = onCorrupt
  }

  get corruptEntries (): number {
    return this.#corruptEntries
  }

  get size (): StoreSize {
    return this.#session?.index.size ?? { registrations: 0, namespaces: 0, peers: 0, bytes: 0 }
  }

  get isBehind (): boolean {
    return this.#session?.writer.isBehind ?? false
  }

  async start (options?: StartOptions): Promise<void> {
    this.#starts++
    this.#starting ??= this.#load(options).catch(err => {
      this.#starts = 0
      this.#starting = undefined
      throw err
    })

    await this.#starting
  }

  async stop (): Promise<void> {
    if (this.#starts === 0 || --this.#starts > 0) {
      return
    }

    await this.#starting?.catch(() => {})

    // somebody may have started it again meanwhile
    if (this.#starts > 0 || this.#session == null) {
      return
    }

    const { writer } = this.#session
    this.#session = undefined
    this.#starting = undefined
    // nothing that was acknowledged is among what may still be lost here
    const flushed = writer.flush().catch(() => {})
    this.#ending = writer.close()
    await flushed
  }

  async register (registration: NewRegistration, limits: StoreLimits, now: number): Promise<RegisterResult> {
    const { namespace, peer } = registration
    const name = registrationName(namespace, peer)

    return this.#change(async ({ index, writer }) => {
      const result = index.register(registration, limits, now)

      if ('registration' in result) {
        for (const displaced of result.displaced) {
          this.#write(writer, registrationName(displaced.namespace, displaced.peer), undefined)
        }

        await this.#write(writer, name, encodeRegistration(name, result.registration))
      }

      return result
    })
  }

  async unregister (namespace: string, peer: string, now: number): Promise<StoredRegistration | undefined> {
    const name = registrationName(namespace, peer)

    return this.#change(async ({ index, writer }) => {
      const removed = index.unregister(namespace, peer, now)

      if (removed == null) {
        // another call may have removed it and still wait for the datastore
        await writer.flush()
      } else {
        await this.#write(writer, name, undefined)
      }

      return removed
    })
  }

  list (query: ListQuery, now: number): Page | undefined {
    return this.#started().index.list(query, now)
  }

  registrationsOf (peer: string, now: number): StoredRegistration[] {
    return this.#started().index.registrationsOf(peer, now)
  }

  expire (now: number, limit: number): StoredRegistration[] {
    const { index, writer } = this.#started()
    const expired = index.expire(now, limit)

    // nobody has to wait for this: what is still there at the next start expires then
    if (!writer.isBehind) {
      for (const { namespace, peer } of expired) {
        // unless the same peer has registered since
        if (index.get(namespace, peer) == null) {
          this.#write(writer, registrationName(namespace, peer), undefined)
        }
      }
    }

    return expired
  }

  nextExpiry (): number | undefined {
    return this.#session?.index.nextExpiry()
  }

  subscribe (namespace: string, onChange: OnChange): Unsubscribe {
    return this.#subscriptions.add(namespace, onChange)
  }

  #started (): Session {
    if (this.#session == null) {
      throw new NotStartedError('The store is not started')
    }

    return this.#session
  }

  /** Makes a change once the datastore has everything that failed before and there are numbers left. */
  async #change <T> (change: (session: Session) => Promise<T>): Promise<T> {
    let session = this.#started()

    while (session.writer.isBehind || session.index.range.last >= session.reserved) {
      if (session.writer.isBehind) {
        await session.writer.flush()
      } else {
        await this.#reserve(session)
      }

      session = this.#started()
    }

    return change(session)
  }

  /**
   * A page shows what is registered even before the datastore has it, so after a crash the datastore
   * alone could not tell which numbers were given out, and to use one twice could hide a registration
   * from who holds a cursor. So numbers are set aside in advance, and a start goes on after all of them.
   */
  async #reserve (session: Session): Promise<void> {
    const { origin, last } = session.index.range
    const reserved = last + RESERVED_AHEAD
    await this.#write(session.writer, SEQUENCE, encodeEntry(SEQUENCE, { numbers: [origin, reserved], bytes: new Uint8Array() }))
    session.reserved = Math.max(session.reserved, reserved)
  }

  async #load ({ now, maxTtl }: StartOptions = { now: 0, maxTtl: Infinity }): Promise<void> {
    await this.#previousSession()

    this.#corruptEntries = 0

    const log = await readLog(this.#readAll(this.#prefix), this.#prefix.length, now + maxTtl, (key, value) => {
      this.#corruptEntries++
      this.#onCorrupt?.({ key, value })
    })

    const writer = new BatchWriter(this.#datastore, this.#timeout, this.#reopen)

    try {
      this.#session = await this.#begin(writer, log)
    } catch (err) {
      // what it was given last may still arrive
      this.#ending = writer.close()
      throw err
    }
  }

  async #begin (writer: BatchWriter, { registrations, peers, range }: Log): Promise<Session> {
    const index = new MemoryStore(range ?? await this.#renumber(registrations, writer), this.#subscriptions, peers)

    for (const [i, registration] of registrations.entries()) {
      index.restore(registration)

      if (i % TOGETHER === TOGETHER - 1) {
        await othersHadTheirTurn()
      }
    }

    const session = { index, writer, reserved: index.range.last }
    await this.#reserve(session)

    // as much as there is may be near a limit from the start on
    if (registrations.length > MANY) {
      this.#count(session)
    }

    return session
  }

  /** Finds out who holds what while requests are answered: it would take as long again as the rest of a start. */
  async #count (session: Session): Promise<void> {
    // the first call comes before the session is the current one
    for (let isDone = session.index.count(0); !isDone; isDone = session.index.count(COUNTED_TOGETHER)) {
      await delay(COUNTING_PAUSE)

      if (session !== this.#session) {
        return
      }
    }
  }

  async #previousSession (): Promise<void> {
    if (this.#ending == null) {
      return
    }

    const timeout = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      timeout.reject(new TimeoutError(`The datastore has not ended its last write within ${this.#timeout} ms`))
    }, this.#timeout)

    try {
      await Promise.race([this.#ending, timeout.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * When it is not known which sequence numbers were given out, or one was twice, a new life begins: the order stays, but
   * the cursors of before become invalid, for they might hide something. The numbers are written before
   * the range is, so that a crash in the midst of it makes the next start do the same again.
   */
  async #renumber (registrations: Entry[], writer: BatchWriter): Promise<SequenceRange> {
    const range = newLife()

    for (const [i, registration] of registrations.entries()) {
      registration.sequence = ++range.last
      const name = registrationName(registration.namespace, registration.peer)
      const written = this.#write(writer, name, encodeRegistration(name, registration))

      if (i % REWRITE_BATCH === 0) {
        await written
      }
    }

    await writer.flush()

    return range
  }

  #write (writer: BatchWriter, name: string, value: Uint8Array | undefined): Promise<void> {
    return writer.write(this.#prefix + name, value)
  }
}

function encodeRegistration (name: string, { expires, sequence, signedPeerRecord, domain, network, otherRecord }: StoredRegistration): Uint8Array {
  return encodeEntry(name, { numbers: [expires, sequence], bytes: signedPeerRecord, domain, network, otherRecord })
}

function readerOf (datastore: Datastore): NonNullable<PersistentStoreInit['readAll']> {
  return async function * (prefix) {
    for await (const { key, value } of datastore.query({ prefix })) {
      yield [[key.toString(), value]]
    }
  }
}

function reopenerOf (datastore: Datastore & { open?: () => unknown, close?: () => unknown }): PersistentStoreInit['reopen'] {
  if (typeof datastore.open === 'function' && typeof datastore.close === 'function') {
    return async () => {
      await datastore.close?.()
      await datastore.open?.()
    }
  }
}
