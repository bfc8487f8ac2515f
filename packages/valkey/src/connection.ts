import { TimeoutError } from '@libp2p/interface'
import type { Script } from './scripts.ts'

/** What a script answers with. */
export type Reply = null | number | Buffer | Reply[]

/** What a store needs of a server. */
export interface Connection {
  /** Rejects where the server has not answered. The script may or may not have run then. */
  run: (script: Script, key: string, args: Array<string | Buffer>) => Promise<Reply[]>
  /** Has what is said on a channel, too, heard from now on. `onMissing` is called whenever some of it may not have been. */
  subscribe: (channel: string, onMessage: (message: string) => void, onMissing: () => void) => Promise<void>
  /** What the server that has a key says of itself, by name. */
  info: (key: string) => Promise<Record<string, string>>
  readonly isReady: boolean
  close: () => void
}

/** A client of `@redis/client`, of one server or of a cluster, as far as it is used. */
export interface RedisClient {
  duplicate: (overrides?: any) => any
  readonly options?: any
  /** What a cluster has. */
  readonly slots?: any
}

export interface ConnectionInit {
  /** Says how to reach the server. It is asked for others like it, and not used itself. */
  client: RedisClient
  /** How long an answer may take, in milliseconds. */
  timeout: number
  onError: (err: Error) => void
}

/** The type of a reply in the protocol, as `RESP_TYPES` of the client has it. */
const BLOB_STRING = 36

/** How soon a cluster is asked who has taken over from a node that is lost. Milliseconds. */
const REFRESH = 200

/** Milliseconds between attempts to connect. */
const MAX_PAUSE = 2_000

/**
 * A connection that is made anew where it is lost, for as long as it takes. What is asked meanwhile fails at once: it
 * might otherwise be done long after it was given up.
 */
export class RedisConnection implements Connection {
  readonly #init: ConnectionInit
  #own: any
  readonly #isCluster: boolean
  #wasReady = false
  /** The keys of a cluster that nobody has answered for when they were last asked for. */
  readonly #failing = new Set<string>()
  readonly #subscriptions: Array<{ channel: string, onMessage: (message: string) => void, onMissing: () => void }> = []
  /** Gives up a connection that does not come about. */
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor (init: ConnectionInit) {
    this.#init = init
    this.#isCluster = init.client.slots != null
  }

  /**
   * @throws what keeps the connection from being made the first time
   */
  async open (): Promise<void> {
    const own = this.#duplicate()
    this.#own = own
    own.on('error', (err: Error) => { this.#onError(own, err) })
    own.on('node-error', (err: Error) => { this.#onError(own, err) })
    own.on('ready', () => { this.#onReady(own) })
    own.on('node-ready', () => { this.#onReady(own) })
    this.#limit()

    try {
      await own.connect()
    } catch (err: any) {
      throw this.#timer == null ? this.#late(2) : err.originalError ?? err
    }
  }

  /** Of a cluster, which always has some node, it is whether the last answer for each key came. */
  get isReady (): boolean {
    return this.#own.isReady && this.#failing.size === 0
  }

  async run (script: Script, key: string, args: Array<string | Buffer>): Promise<Reply[]> {
    try {
      return await this.#send(key, ['EVALSHA', script.sha1, '1', key, ...args])
    } catch (err: any) {
      if (!String(err.message).startsWith('NOSCRIPT')) {
        throw err
      }

      return this.#send(key, ['EVAL', script.source, '1', key, ...args])
    }
  }

  async subscribe (channel: string, onMessage: (message: string) => void, onMissing: () => void): Promise<void> {
    this.#subscriptions.push({ channel, onMessage, onMissing })
    await this.#own.sSubscribe(channel, onMessage)
  }

  async info (key: string): Promise<Record<string, string>> {
    const text = `${await this.#send(key, ['INFO'])}`

    return Object.fromEntries(text.split('\r\n').map(line => line.split(':', 2)))
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#own.destroy()
  }

  #duplicate (): any {
    const { client } = this.#init

    // what waits for a node of a cluster is dropped when it has waited for too long
    return this.#isCluster
      ? client.duplicate({ RESP: 3, topologyRefreshOnReconnectionAttemptStrategy: REFRESH })
      : client.duplicate({
        RESP: 3,
        disableOfflineQueue: true,
        socket: {
          ...client.options?.socket,
          reconnectStrategy: (retries: number, cause: Error) => this.#wasReady ? Math.min(2 ** retries * 20, MAX_PAUSE) * (0.5 + Math.random() / 2) : cause
        }
      })
  }

  #onError (own: any, err: Error): void {
    if (this.#wasReady && own === this.#own) {
      this.#limit()
      this.#init.onError(err)
    }
  }

  #onReady (own: any): void {
    clearTimeout(this.#timer)
    this.#timer = undefined

    if (this.#wasReady) {
      for (const { channel, onMessage, onMissing } of this.#subscriptions) {
        // to do so again where the client has by itself does nothing
        own.sSubscribe(channel, onMessage).then(onMissing, this.#init.onError)
      }
    }

    this.#wasReady = true
  }

  /** A connection that is not made in time is given up, though it may look like one. */
  #limit (): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#renew(this.#own)
    }, 2 * this.#init.timeout)
  }

  #renew (own: any): void {
    if (own === this.#own) {
      own.destroy()

      if (this.#wasReady) {
        // what goes wrong is told by events
        this.open().catch(() => {})
      }
    }
  }

  #late (times: number): TimeoutError {
    return new TimeoutError(`the server has not answered within ${times * this.#init.timeout} ms`)
  }

  async #send (key: string, args: Array<string | Buffer>): Promise<any> {
    const own = this.#own
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(this.#late(1))
      // whoever is at the other end may have gone without a word
      this.#renew(own)
    }, this.#init.timeout)

    try {
      const options = { typeMapping: { [BLOB_STRING]: Buffer }, timeout: this.#init.timeout }
      const reply = this.#isCluster ? own.sendCommand(key, false, args, options) : own.sendCommand(args, options)
      const value = await Promise.race([reply, promise])
      this.#failing.delete(key)

      return value
    } catch (err) {
      if (this.#isCluster && !(err instanceof Error && /^[A-Z]{3,} /.test(err.message))) {
        this.#failing.add(key)
      } else {
        this.#failing.delete(key)
      }

      throw err
    } finally {
      clearTimeout(timer)
    }
  }
}
