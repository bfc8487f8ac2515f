import { UnusableServerError } from './errors.ts'
import { FORM } from './lua/state.ts'
import { listsFor, packRegistration, unpackRegistration } from './registration.ts'
import { SCRIPTS } from './scripts.ts'
import { Subscriptions } from './subscriptions.ts'
import type { Connection, Reply } from './connection.ts'
import type { Script } from './scripts.ts'
import type { ListQuery, NewRegistration, OnChange, OnDisplaced, Page, RegisterResult, RegistrationStore, StoredRegistration, StoreLimits, StoreSize, Unsubscribe } from 'libp2p-rendezvous'

/** The oldest version of Redis, and of what is compatible with it, that has all the scripts use. */
const MIN_VERSION = 7

/** What a script can do at a time without holding up others for long. */
const MAX_EXPIRED = 200
const MAX_RELEASED = 200

/** What is known of a partition after an answer. */
interface Status {
  size: StoreSize
  nextExpiry: number | undefined
}

const UNKNOWN: Status = { size: { registrations: 0, namespaces: 0, peers: 0, bytes: 0 }, nextExpiry: undefined }

/** The time to go by, for a script: the server's own. */
const ITS_OWN = ''

/** What a peer takes of its limit, given back: the mark is the name of a reservation, or a sequence number. */
export interface Claim {
  peer: string
  namespace: string
  mark: string | number
}

/** A page, and what is known of what follows it. */
export interface PartitionPage extends Page {
  /** All up to this number is in the page, or before it. */
  upTo: number
  /** Whether nothing follows. */
  isComplete: boolean
}

/** What a store asks of what it holds, be that in one partition or in several. */
export interface Holder extends Required<Pick<RegistrationStore, 'subscribe' | 'onDisplaced' | 'enter' | 'leave' | 'size' | 'nextExpiry'>> {
  register: (registration: NewRegistration, limits: StoreLimits, now: number) => Promise<RegisterResult>
  unregister: (namespace: string, peer: string, now: number) => Promise<StoredRegistration | undefined>
  list: (query: ListQuery, now: number) => Promise<Page | undefined>
  registrationsOf: (peer: string, now: number) => Promise<StoredRegistration[]>
  expire: (now: number, limit: number) => Promise<StoredRegistration[]>
}

export interface PartitionInit {
  /** What all its keys begin with. */
  key: string
  /** Of one of several: how many there are, which it is, and where their numbers begin. */
  shape: string
  /** Who asks: tells what this store has changed from what others have. */
  caller: string
  /** The connection of now; throws where there is none. */
  connection: () => Connection
  /** The time to go by, given that of a caller; absent: the server's. */
  timeFor: ((now: number) => string) | undefined
}

/**
 * What one node of a cluster holds of a store, or all of it. Each call is one script, so what it checks and what it changes
 * is one step, whoever else uses the store.
 */
export class Partition implements Holder {
  readonly #init: PartitionInit
  readonly #subscriptions = new Subscriptions()
  /** Those that use this store, and are to be known as there. */
  readonly #points = new Set<string>()
  #status = UNKNOWN

  constructor (init: PartitionInit) {
    this.#init = init
  }

  /** @throws {UnusableServerError} */
  async start (): Promise<void> {
    const { key, caller } = this.#init
    const connection = this.#init.connection()
    checkServer(await connection.info(key).catch(noPermission))
    await connection.subscribe(`${key}:changes`, message => { this.#subscriptions.heard(message, caller) }, () => { this.#subscriptions.missed() })

    try {
      await this.#run(SCRIPTS.look, 0)
    } catch (err) {
      throw this.#asUnusable(err)
    }
  }

  async stop (): Promise<void> {
    const points = [...this.#points]
    this.#points.clear()
    // where it cannot be said, they are forgotten by and by
    await this.#ask(SCRIPTS.stop, 0, points).catch(() => {})
  }

  async register (registration: NewRegistration, limits: StoreLimits, now: number): Promise<RegisterResult> {
    const { maxRegistrationsPerPeer, maxRegistrationsPerNamespace, maxNamespaces, maxRegistrations, maxBytes } = limits
    const { values: [limit, refreshed, packed, ...displaced], ahead } = await this.#run(SCRIPTS.register, now, registration.ttl, packRegistration(registration),
      maxRegistrationsPerPeer, maxRegistrationsPerNamespace, maxNamespaces, maxRegistrations, maxBytes)

    return limit == null
      ? { registration: unpackRegistration(packed as Buffer, ahead), refreshed: refreshed === 1, displaced: unpackAll(displaced, ahead) }
      : { limit: String(limit) as keyof StoreLimits }
  }

  async unregister (namespace: string, peer: string, now: number): Promise<StoredRegistration | undefined> {
    const { values, ahead } = await this.#run(SCRIPTS.unregister, now, namespace, peer)

    return unpackAll(values, ahead)[0]
  }

  async list ({ namespace, after, limit, reads, sample }: ListQuery, now: number): Promise<PartitionPage | undefined> {
    if (after != null && !Number.isSafeInteger(after)) {
      return
    }

    const seed = sample == null ? '' : Math.floor(sample() * 2 ** 31)
    const { values: [cursor, upTo, isComplete, ...packed], ahead } = await this.#run(SCRIPTS.list, now, namespace == null ? 'all' : `in:${namespace}`, listsFor(reads), after ?? '', limit, seed)

    return cursor == null ? undefined : { registrations: unpackAll(packed, ahead), cursor: Number(cursor), upTo: Number(upTo), isComplete: isComplete === 1 }
  }

  async registrationsOf (peer: string, now: number): Promise<StoredRegistration[]> {
    const { values, ahead } = await this.#run(SCRIPTS.registrationsOf, now, peer)

    return unpackAll(values, ahead)
  }

  async expire (now: number, limit: number): Promise<StoredRegistration[]> {
    const expired: StoredRegistration[] = []
    let batch: StoredRegistration[]

    do {
      const { values, ahead } = await this.#run(SCRIPTS.expire, now, Math.min(limit - expired.length, MAX_EXPIRED), ...this.#points)
      batch = unpackAll(values, ahead)
      expired.push(...batch)
    } while (batch.length === MAX_EXPIRED && expired.length < limit)

    return expired
  }

  async enter (peer: string, point: string, now: number): Promise<StoredRegistration[]> {
    this.#points.add(point)
    const { values, ahead } = await this.#run(SCRIPTS.enter, now, peer, point)

    return unpackAll(values, ahead)
  }

  async leave (peer: string, point: string, isGone: boolean, now: number): Promise<StoredRegistration[]> {
    const { values, ahead } = await this.#run(SCRIPTS.leave, now, peer, point, isGone ? 1 : 0)

    return unpackAll(values, ahead)
  }

  /** Takes a place within the limit of a peer, if there is one or it has that for the namespace. */
  async reserve ({ peer, namespace, mark }: Claim, limit: number, now: number): Promise<boolean> {
    const { values: [isGranted] } = await this.#run(SCRIPTS.reserve, now, peer, namespace, mark, limit)

    return isGranted === 1
  }

  /** What was reserved is registered. */
  async confirm ({ peer, namespace, mark }: Claim, ttl: number, now: number): Promise<void> {
    await this.#run(SCRIPTS.confirm, now, peer, namespace, mark, ttl)
  }

  async release (claims: Claim[], now: number): Promise<void> {
    for (let i = 0; i < claims.length; i += MAX_RELEASED) {
      await this.#run(SCRIPTS.release, now, ...claims.slice(i, i + MAX_RELEASED).flatMap(({ peer, namespace, mark }) => [peer, namespace, mark]))
    }
  }

  nextExpiry (): number | undefined {
    return this.#status.nextExpiry
  }

  get size (): StoreSize {
    return this.#status.size
  }

  subscribe (namespace: string, onChange: OnChange): Unsubscribe {
    return this.#subscriptions.add(namespace, onChange)
  }

  onDisplaced (onDisplaced: OnDisplaced): Unsubscribe {
    return this.#subscriptions.addDisplaced(onDisplaced)
  }

  /** Every script answers with a status first. */
  async #run (script: Script, now: number, ...args: Array<string | number | Buffer>): Promise<{ values: Reply[], ahead: number }> {
    const [status, ...values] = await this.#ask(script, now, args.map(arg => typeof arg === 'number' ? `${arg}` : arg))
    const [time, registrations, namespaces, peers, bytes, due, changes] = status as [number, number, number, number, number, number, Buffer]
    const ahead = now - time
    this.#status = { size: { registrations, namespaces, peers, bytes }, nextExpiry: due < 0 ? undefined : due + ahead }

    if (changes.byteLength > 0) {
      this.#subscriptions.heard(changes.toString())
    }

    return { values, ahead }
  }

  async #ask (script: Script, now: number, args: Array<string | Buffer>): Promise<Reply[]> {
    const { key, caller, shape, connection, timeFor } = this.#init

    return connection().run(script, key, [timeFor?.(now) ?? ITS_OWN, caller, shape, ...args])
  }

  #asUnusable (err: any): Error {
    const { key, shape } = this.#init
    const [, version, partitions = '1'] = /^RENDEZVOUSFORM (\d+)(?:\/(\d+))?$/.exec(err.message) ?? []
    const [wanted] = shape === '' ? ['1'] : shape.split('/')

    if (version == null) {
      return err
    }

    return new UnusableServerError(version === FORM && partitions !== wanted
      ? `what is stored under "${key}" was begun with another number of partitions (${partitions}, not ${wanted}), which cannot be changed`
      : `what is stored under "${key}" is of another version of this package`)
  }
}

/** Who may not ask is believed to know. */
function noPermission (err: Error): Record<string, string> {
  if (err.message.startsWith('NOPERM')) {
    return {}
  }

  throw err
}

function checkServer ({ redis_version: version, maxmemory_policy: policy }: Record<string, string>): void {
  if (version != null && parseInt(version) < MIN_VERSION) {
    throw new UnusableServerError(`the server is of version ${version}, and ${MIN_VERSION} or newer is needed`)
  }

  // lists would name what is gone
  if (policy != null && policy !== 'noeviction') {
    throw new UnusableServerError(`the server removes keys by itself when it is full (maxmemory-policy ${policy}), and noeviction is needed`)
  }
}

function unpackAll (packed: Reply[], ahead: number): StoredRegistration[] {
  return packed.map(packed => unpackRegistration(packed as Buffer, ahead))
}
