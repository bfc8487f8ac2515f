import { createHash } from 'node:crypto'
import { InvalidParametersError, NotStartedError } from '@libp2p/interface'
import { ClusterConnection } from './cluster-connection.ts'
import { Partition } from './partition.ts'
import { Partitions } from './partitions.ts'
import { ServerConnection } from './server-connection.ts'
import type { Connection, RedisClient, RedisConnection } from './connection.ts'
import type { Holder } from './partition.ts'
import type { ListQuery, NewRegistration, OnChange, OnDisplaced, Page, RegisterResult, RegistrationStore, StoredRegistration, StoreLimits, StoreSize, Unsubscribe } from 'libp2p-rendezvous'

export interface ValkeyStoreInit {
  /**
   * A client of `@redis/client`, which says how to reach the server, or the cluster. The store opens a connection like it when it is
   * started, and closes that when it is stopped; the client itself is not used, and need not be connected. Several are of
   * a primary and those that may take over from it: the one that is the primary is looked for among them.
   */
  client: RedisClient | RedisClient[]
  /**
   * All keys begin with this, in braces. Points with the same prefix on the same server share a store.
   *
   * @default 'rendezvous'
   */
  prefix?: string
  /**
   * Into how many parts the store is divided, by namespace, from 1 to 64. Each is on one primary of a cluster, so several
   * of them do the work of a store. All points of a store say the same number, and it stays the same for as long as there is
   * something under its prefix. With more than one, what is limited in all of the store is so approximately.
   *
   * @default 1
   */
  partitions?: number
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

/** The numbers of more would not stay safe integers for long enough. */
const MAX_PARTITIONS = 64

/** Digits of a hash in base 16 that leave room for numbers behind them. */
const DIGITS = 13

/**
 * A connection, and what is held at its other end.
 *
 * The store goes by the clock of the server, because those of points may differ. What it says about time it says in
 * the time of who asks: so a point's clock need not be right.
 */
export class ValkeyStore implements RegistrationStore {
  readonly #init: ValkeyStoreInit
  readonly #partitions: Partition[]
  readonly #holder: Holder
  #connection: Connection | undefined
  #starts = 0
  #starting: Promise<void> | undefined

  /**
   * @param timeFor - the time to go by, given that of a caller; absent: the server's
   * @throws {InvalidParametersError} for a number of partitions that cannot be
   */
  constructor (init: ValkeyStoreInit, timeFor?: (now: number) => string) {
    const { prefix = DEFAULT_PREFIX, partitions = 1 } = init

    if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
      throw new InvalidParametersError(`partitions has to be a number from 1 to ${MAX_PARTITIONS}, not ${partitions}`)
    }

    const caller = crypto.randomUUID()
    this.#init = init
    this.#partitions = Array.from({ length: partitions }, (_, i) => new Partition({
      // the first is where one that is alone would be, and so finds out if there is one
      key: i === 0 ? `{${prefix}}` : `{${prefix}:${i}}`,
      shape: partitions === 1 ? '' : `${partitions}/${i}/${beginningOf(prefix)}`,
      caller,
      connection: () => this.#connected(),
      timeFor
    }))
    this.#holder = partitions === 1 ? this.#partitions[0] as Partition : new Partitions(this.#partitions)
  }

  get size (): StoreSize {
    return this.#holder.size
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
    const connection = connectionOf(this.#init)

    try {
      await connection.open()
      this.#connection = connection

      // the first says whether there may be others
      for (const partition of this.#partitions) {
        await partition.start()
      }
    } catch (err) {
      this.#connection = undefined
      connection.close()
      throw err
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
      const stopping = this.#partitions.map(async partition => partition.stop())
      this.#connection = undefined
      this.#starting = undefined
      await Promise.all(stopping)
      connection?.close()
    }
  }

  async register (registration: NewRegistration, limits: StoreLimits, now: number): Promise<RegisterResult> {
    return this.#holder.register(registration, limits, now)
  }

  async unregister (namespace: string, peer: string, now: number): Promise<StoredRegistration | undefined> {
    return this.#holder.unregister(namespace, peer, now)
  }

  async list (query: ListQuery, now: number): Promise<Page | undefined> {
    return this.#holder.list(query, now)
  }

  async registrationsOf (peer: string, now: number): Promise<StoredRegistration[]> {
    return this.#holder.registrationsOf(peer, now)
  }

  async expire (now: number, limit: number): Promise<StoredRegistration[]> {
    return this.#holder.expire(now, limit)
  }

  async enter (peer: string, point: string, now: number): Promise<StoredRegistration[]> {
    return this.#holder.enter(peer, point, now)
  }

  async leave (peer: string, point: string, isGone: boolean, now: number): Promise<StoredRegistration[]> {
    return this.#holder.leave(peer, point, isGone, now)
  }

  nextExpiry (): number | undefined {
    return this.#holder.nextExpiry()
  }

  subscribe (namespace: string, onChange: OnChange): Unsubscribe {
    return this.#holder.subscribe(namespace, onChange)
  }

  onDisplaced (onDisplaced: OnDisplaced): Unsubscribe {
    return this.#holder.onDisplaced(onDisplaced)
  }

  #connected (): Connection {
    if (this.#connection == null) {
      throw new NotStartedError('The store is not started')
    }

    return this.#connection
  }
}

function connectionOf ({ client, timeout = DEFAULT_TIMEOUT, onError = () => {} }: ValkeyStoreInit): RedisConnection {
  const clients = [client].flat()
  const [first] = clients

  return first?.slots == null
    ? new ServerConnection(clients, { timeout, onError })
    : new ClusterConnection(first, { timeout, onError })
}

/** Where the sequence numbers of partitions begin: elsewhere for each prefix, so that cursors of one are none of another. */
function beginningOf (prefix: string): number {
  return parseInt(createHash('sha1').update(prefix).digest('hex').slice(0, DIGITS), 16)
}
