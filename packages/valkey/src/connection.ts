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
  /** How long an answer may take, in milliseconds. */
  timeout: number
  onError: (err: Error) => void
}

export interface Subscription {
  channel: string
  onMessage: (message: string) => void
  onMissing: () => void
}

/** The type of a reply in the protocol, as `RESP_TYPES` of the client has it. */
const BLOB_STRING = 36

/**
 * A connection that is made anew where it is lost, for as long as it takes. What is asked meanwhile fails at once: it
 * might otherwise be done long after it was given up.
 */
export abstract class RedisConnection implements Connection {
  protected readonly init: ConnectionInit

  constructor (init: ConnectionInit) {
    this.init = init
  }

  /**
   * @throws what keeps the connection from being made the first time
   */
  abstract open (): Promise<void>
  abstract get isReady (): boolean
  abstract subscribe (channel: string, onMessage: (message: string) => void, onMissing: () => void): Promise<void>
  abstract close (): void

  /** What whoever has a key answers. */
  protected abstract send (key: string, args: Array<string | Buffer>): Promise<any>

  async run (script: Script, key: string, args: Array<string | Buffer>): Promise<Reply[]> {
    try {
      return await this.send(key, ['EVALSHA', script.sha1, '1', key, ...args])
    } catch (err: any) {
      if (!String(err.message).startsWith('NOSCRIPT')) {
        throw err
      }

      return this.send(key, ['EVAL', script.source, '1', key, ...args])
    }
  }

  async info (key: string): Promise<Record<string, string>> {
    const text = `${await this.send(key, ['INFO'])}`

    return Object.fromEntries(text.split('\r\n').map(line => line.split(':', 2)))
  }

  /** How a client is to answer. */
  protected get options (): object {
    return { typeMapping: { [BLOB_STRING]: Buffer }, timeout: this.init.timeout }
  }

  /**
   * The answer, if it comes within so many timeouts.
   *
   * @param onLate - called where it does not: whoever is at the other end may have gone without a word
   */
  protected async inTime <T> (answer: Promise<T>, times: number, onLate?: (err: Error) => void): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      const late = new TimeoutError(`the server has not answered within ${times * this.init.timeout} ms`)
      reject(late)
      onLate?.(late)
    }, times * this.init.timeout)

    try {
      return await Promise.race([answer, promise])
    } finally {
      clearTimeout(timer)
    }
  }
}
