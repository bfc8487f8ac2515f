import { RedisConnection } from './connection.ts'
import { heedResubscription } from './patches/cluster.ts'
import type { ConnectionInit, RedisClient, Subscription } from './connection.ts'

/** How soon a cluster is asked who has taken over from a node that is lost. Milliseconds. */
const REFRESH = 200

/** A connection to the nodes of a cluster. */
export class ClusterConnection extends RedisConnection {
  /** Says how to reach the nodes. It is asked for others like it, and not used itself. */
  readonly #client: RedisClient
  readonly #subscriptions: Subscription[] = []
  /** The keys that nobody has answered for when they were last asked for. */
  readonly #failing = new Set<string>()
  #own: any
  #wasReady = false
  #isClosed = false
  /** Gives up connections that do not come about. */
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor (client: RedisClient, init: ConnectionInit) {
    super(init)
    this.#client = client
  }

  /** There is always some node, so it is whether the last answer for each key came. */
  get isReady (): boolean {
    return this.#own.isReady && this.#failing.size === 0
  }

  async open (): Promise<void> {
    // what waits for a node is dropped when it has waited for too long
    const own = this.#client.duplicate({ RESP: 3, topologyRefreshOnReconnectionAttemptStrategy: REFRESH })
    const onError = (err: Error): void => { this.#onError(own, err) }
    this.#own = own
    own.on('error', onError)
    own.on('node-error', onError)
    own.on('sharded-channel-moved-error', onError)
    own.on('node-ready', () => { this.#onReady(own) })
    heedResubscription(own, onError)

    await this.inTime(own.connect(), 2, () => { this.#renew(own) })
    this.#onReady(own)
  }

  async subscribe (channel: string, onMessage: (message: string) => void, onMissing: () => void): Promise<void> {
    this.#subscriptions.push({ channel, onMessage, onMissing })
    await this.#own.sSubscribe(channel, onMessage)
  }

  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#own.destroy()
  }

  protected async send (key: string, args: Array<string | Buffer>): Promise<any> {
    const own = this.#own

    try {
      const reply = await this.inTime(own.sendCommand(key, false, args, this.options), 1, () => { this.#renew(own) })
      this.#failing.delete(key)

      return reply
    } catch (err) {
      // what a server says has a word in front that says what is wrong
      if (err instanceof Error && /^[A-Z]{3,} /.test(err.message)) {
        this.#failing.delete(key)
      } else {
        this.#failing.add(key)
      }

      throw err
    }
  }

  #onError (own: any, err: Error): void {
    if (this.#wasReady && own === this.#own) {
      this.#limit()
      this.init.onError(err)
    }
  }

  #onReady (own: any): void {
    // nodes are reached before it is known who has what
    if (own !== this.#own || !own.isReady) {
      return
    }

    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wasReady = true

    for (const { channel, onMessage, onMissing } of this.#subscriptions) {
      // to do so again where the client has by itself does nothing
      own.sSubscribe(channel, onMessage).then(onMissing, (err: Error) => { this.#onError(own, err) })
    }
  }

  /** A connection that is not made in time is given up, though it may look like one. */
  #limit (): void {
    if (!this.#isClosed) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#renew(this.#own)
      }, 2 * this.init.timeout)
    }
  }

  #renew (own: any): void {
    if (own === this.#own) {
      own.destroy()

      if (this.#wasReady && !this.#isClosed) {
        // what goes wrong is told by events, and given up in time
        this.open().catch(() => { this.#limit() })
      }
    }
  }
}
