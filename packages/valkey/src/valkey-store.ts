import { NotStartedError } from '@libp2p/interface'
import { RedisConnection } from './connection.ts'
import { UnusableServerError } from './errors.ts'
import { listsFor, packRegistration, unpackRegistration } from './registration.ts'
import { SCRIPTS } from './scripts.ts'
import { Subscriptions } from './subscriptions.ts'
import type { Connection, RedisClient, Reply } from './connection.ts'
import type { Script } from './scripts.ts'
import type { ListQuery, NewRegistration, OnChange, Page, RegisterResult, RegistrationStore, StoredRegistration, StoreLimits, StoreSize, Unsubscribe } from 'libp2p-rendezvous'

export interface ValkeyStoreInit {
  /**
   * A client of `@redis/client`, which says how to reach the server, or the cluster. The store opens a connection like it when it is
   * started, and closes that when it is stopped; the client itself is not used, and need not be connected.
   */
  client: RedisClient
  /**
   * All keys begin with this, in braces. Points with the same prefix on the same server share a store.
   *
   * @default 'rendezvous'
   */
  prefix?: string
  /**
   * How long the server may take to answer, in milliseconds. Then the request is refused, and the connection made anew.
   *
   * @default 5_000
   */
  timeout?: number
  /** Called when the connection is lost, and for each attempt to make it anew that fails. */
  onError?: (err: Error) => void
}

const DEFAULT_PREFIX = 'rendezvous'
const DEFAULT_TIMEOUT = 5_000

/** The oldest version of Redis, and of what is compatible with it, that has all the scripts use. */
const MIN_VERSION = 7

/** What a script can do at a time without holding up others for long. */
const MAX_EXPIRED = 200

/** What is known of the store after an answer. */
interface Status {
  size: StoreSize
  nextExpiry: number | undefined
}

const UNKNOWN: Status = { size: { registrations: 0, namespaces: 0, peers: 0, bytes: 0 }, nextExpiry: undefined }

/** The time to go by, for a script: the server's own. */
const ITS_OWN = ''

/**
 * Each call is one script, so what it checks and what it changes is one step, whoever else uses the store.
 *
 * The store goes by the clock of the server, because those of points may differ. What it says about time it says in
 * the time of who asks: so a point's clock need not be right.
 */
export class ValkeyStore implements RegistrationStore {
  readonly #client: RedisClient
  readonly #key: string
  readonly #timeout: number
  readonly #onError: (err: Error) => void
  readonly #timeFor: (now: number) => string
  readonly #subscriptions = new Subscriptions()
  /** Tells what this store has changed from what others have. */
  readonly #id = crypto.randomUUID()
  /** Those that use this store. */
  readonly #points = new Set<string>()
  #connection: Connection | undefined
  #starts = 0
  #starting: Promise<void> | undefined
  #status = UNKNOWN

  /**
   * @param timeFor - the time to go by, given that of a caller
   */
  constructor ({ client, prefix = DEFAULT_PREFIX, timeout = DEFAULT_TIMEOUT, onError = () => {} }: ValkeyStoreInit, timeFor: (now: number) => string = () => ITS_OWN) {
    this.#client = client
    this.#key = `{${prefix}}`
    this.#timeout = timeout
    this.#onError = onError
    this.#timeFor = timeFor
  }

  get size (): StoreSize {
    return this.#status.size
  }

  get isBehind (): boolean {
    return this.#connection?.isReady === false
  }

  async start (): Promise<void> {
    this.#starts++
    this.#starting ??= this.#start().catch(err => {
      this.#starts = 0
      this.#starting = undefined
      throw err
    })

    await this.#starting
  }

  async #start (): Promise<void> {
    const connection = new RedisConnection({ client: this.#client, timeout: this.#timeout, onError: this.#onError })

    try {
      await connection.open()
      checkServer(await connection.info(this.#key).catch(noPermission))
      this.#connection = connection
      await connection.subscribe(`${this.#key}:changes`, message => { this.#subscriptions.heard(message, this.#id) }, () => { this.#subscriptions.missed() })
      await this.#run(SCRIPTS.look, 0)
    } catch (err: any) {
      this.#connection = undefined
      connection.close()

      throw String(err.message).startsWith('RENDEZVOUSFORM')
        ? new UnusableServerError(`what is stored under "${this.#key}" is of another version of this package`)
        : err
    }
  }

  async stop (): Promise<void> {
    if (this.#starts === 0 || --this.#starts > 0) {
      return
    }

    await this.#starting?.catch(() => {})

    // somebody may have started it again meanwhile
    if (this.#starts === 0) {
      const connection = this.#connection
      const points = [...this.#points]
      this.#points.clear()
      this.#connection = undefined
      this.#starting = undefined
      // where it cannot be said, they are forgotten by and by
      await connection?.run(SCRIPTS.stop, this.#key, [ITS_OWN, this.#id, ...points]).catch(() => {})
      connection?.close()
    }
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

  async list ({ namespace, after, limit, reads, sample }: ListQuery, now: number): Promise<Page | undefined> {
    if (after != null && !Number.isSafeInteger(after)) {
      return
    }

    const seed = sample == null ? '' : Math.floor(sample() * 2 ** 31)
    const { values: [cursor, ...packed], ahead } = await this.#run(SCRIPTS.list, now, namespace == null ? 'all' : `in:${namespace}`, listsFor(reads), after ?? '', limit, seed)

    return cursor == null ? undefined : { registrations: unpackAll(packed, ahead), cursor: Number(cursor) }
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

  nextExpiry (): number | undefined {
    return this.#status.nextExpiry
  }

  subscribe (namespace: string, onChange: OnChange): Unsubscribe {
    return this.#subscriptions.add(namespace, onChange)
  }

  /** Every script answers with a status first. */
  async #run (script: Script, now: number, ...args: Array<string | number | Buffer>): Promise<{ values: Reply[], ahead: number }> {
    if (this.#connection == null) {
      throw new NotStartedError('The store is not started')
    }

    const texts = args.map(arg => typeof arg === 'number' ? `${arg}` : arg)
    const [status, ...values] = await this.#connection.run(script, this.#key, [this.#timeFor(now), this.#id, ...texts])
    const [time, registrations, namespaces, peers, bytes, due, changes] = status as [number, number, number, number, number, number, Buffer]
    const ahead = now - time
    this.#status = { size: { registrations, namespaces, peers, bytes }, nextExpiry: due < 0 ? undefined : due + ahead }

    if (changes.byteLength > 0) {
      this.#subscriptions.heard(changes.toString())
    }

    return { values, ahead }
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
