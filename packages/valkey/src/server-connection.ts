import { RedisConnection } from './connection.ts'
import { ClusterNodeError, ReplicaError } from './errors.ts'
import type { ConnectionInit, RedisClient, Subscription } from './connection.ts'

/** Milliseconds between attempts to connect. */
const MIN_PAUSE = 20
const MAX_PAUSE = 2_000

/**
 * A connection to the server that is the primary. It is looked for among those that there are, at each attempt: it may
 * have moved, which the one that was it says when something is to be written there, or its name leads elsewhere.
 */
export class ServerConnection extends RedisConnection {
  /** Say how to reach the servers. They are asked for others like them, and not used themselves. */
  readonly #clients: RedisClient[]
  readonly #subscriptions: Subscription[] = []
  #own: any
  #isReady = false
  #isClosed = false
  /** The server that is tried next. */
  #turn = 0
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor (clients: RedisClient[], init: ConnectionInit) {
    super(init)
    this.#clients = clients
  }

  get isReady (): boolean {
    return this.#isReady
  }

  async open (): Promise<void> {
    let failure: unknown

    for (let i = 0; i < this.#clients.length; i++) {
      try {
        return await this.#connect()
      } catch (err) {
        if (err instanceof ClusterNodeError) {
          throw err
        }

        failure = err
      }
    }

    throw failure
  }

  async subscribe (channel: string, onMessage: (message: string) => void, onMissing: () => void): Promise<void> {
    this.#subscriptions.push({ channel, onMessage, onMissing })
    await this.#own.sSubscribe(channel, onMessage)
  }

  close (): void {
    this.#isClosed = true
    this.#isReady = false
    clearTimeout(this.#timer)
    this.#own?.destroy()
  }

  protected async send (_: string, args: Array<string | Buffer>): Promise<any> {
    const own = this.#own

    try {
      return await this.inTime(own.sendCommand(args, this.options), 1, late => { this.#lose(own, late) })
    } catch (err: any) {
      if (String(err.message).startsWith('READONLY')) {
        this.#lose(own, new ReplicaError())
      }

      throw err
    }
  }

  async #connect (): Promise<void> {
    const client = this.#clients[this.#turn % this.#clients.length] as RedisClient
    const own = client.duplicate({
      RESP: 3,
      disableOfflineQueue: true,
      // the next attempt may be another server's
      socket: { ...client.options?.socket, reconnectStrategy: false }
    })
    this.#own = own
    own.on('error', (err: Error) => { this.#lose(own, err) })

    try {
      await this.inTime(this.#begin(own), 2)
    } catch (err) {
      this.#turn++
      own.destroy()
      throw err
    }

    if (this.#isClosed) {
      own.destroy()
    } else {
      this.#isReady = true
      this.#failures = 0
      this.#checkOften(own)
    }
  }

  async #begin (own: any): Promise<void> {
    await own.connect()
    await this.#check(own)
    await Promise.all(this.#subscriptions.map(async ({ channel, onMessage }) => own.sSubscribe(channel, onMessage)))
  }

  /** Whether it is the primary, and there at all. */
  async #check (own: any): Promise<void> {
    const { mode, role } = await own.sendCommand(['HELLO'], { typeMapping: {} })

    if (mode === 'cluster') {
      throw new ClusterNodeError()
    }

    if (role === 'replica') {
      throw new ReplicaError()
    }
  }

  /** Who writes nothing would not be told that the primary is another one now. */
  #checkOften (own: any): void {
    this.#timer = setTimeout(() => {
      this.inTime(this.#check(own), 1).then(() => {
        if (own === this.#own && this.#isReady) {
          this.#checkOften(own)
        }
      }, err => { this.#lose(own, err) })
    }, this.init.timeout)
  }

  #lose (own: any, err: Error): void {
    if (own === this.#own && this.#isReady) {
      clearTimeout(this.#timer)
      this.#isReady = false
      own.destroy()

      if (err instanceof ReplicaError) {
        this.#turn++
      }

      this.#retry(err)
    }
  }

  #retry (err: Error): void {
    const pause = Math.min(2 ** this.#failures++ * MIN_PAUSE, MAX_PAUSE)
    this.init.onError(err)
    this.#timer = setTimeout(() => {
      this.#connect().then(() => {
        this.#subscriptions.forEach(({ onMissing }) => { onMissing() })
      }, err => {
        if (!this.#isClosed) {
          this.#retry(err)
        }
      })
    }, pause * (0.5 + Math.random() / 2))
  }
}
