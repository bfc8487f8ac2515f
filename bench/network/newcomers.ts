import { setImmediate } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { CERTIFY_PROTOCOL, echo, startClient } from '../nodes.ts'
import type { Subject } from '../measure.ts'
import type { Client } from '../nodes.ts'
import type { RemotePoint } from '../remote-point.ts'
import type { Stream } from '@libp2p/interface'

/** Nobody registers there: to ask for it opens the stream. */
const EMPTY = 'nobody'

/** Where a client says that it is live. */
const WATCH_PROTOCOL = '/rendezvous/watch/1.0.0'

/** How many start at the same time. */
const AT_ONCE = 10

interface Newcomer {
  client: Client
  /** To where records are certified and sent back. */
  exchange: Stream
}

/**
 * Clients that have never registered, each with its connection and its stream open: what is left is
 * what makes a registration the first.
 */
export class Newcomers {
  readonly #point: RemotePoint
  readonly #isLive: boolean
  readonly #all: Newcomer[] = []
  #registered = 0

  /** @param isLive - whether each says so once it is registered, on a stream that it opens for that */
  constructor (point: RemotePoint, isLive = false) {
    this.#point = point
    this.#isLive = isLive
  }

  async start (count: number): Promise<void> {
    while (this.#all.length < count) {
      this.#all.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - this.#all.length) }, async () => this.#newcomer())))
    }
  }

  /** Each registers once. */
  get first (): Subject {
    return {
      run: async () => {
        const { client: { node, rendezvous } } = this.#at(this.#registered++)
        await rendezvous.register(this.#namespace)

        while (this.#isLive && !node.getConnections().some(({ streams }) => streams.some(({ protocol }) => protocol === WATCH_PROTOCOL))) {
          await setImmediate()
        }
      }
    }
  }

  /** The same clients, the same connections, the same work on the record, and no line of this package. */
  exchange (seal: () => Promise<Uint8Array>): Subject {
    let turns = 0

    return {
      run: async () => echo(this.#at(turns++).exchange, await seal())
    }
  }

  /**
   * @throws when the point does not list each of them with a record of its own
   */
  async check (witness: Client): Promise<void> {
    const envelopes = new Set<string>()

    for await (const { peerRecordEnvelope } of witness.rendezvous.discover(this.#namespace)) {
      envelopes.add(Buffer.from(peerRecordEnvelope).toString('base64'))
    }

    if (envelopes.size === 0 || envelopes.size !== this.#registered) {
      throw new Error(`After ${this.#registered} first registrations there are ${envelopes.size} records`)
    }
  }

  get #namespace (): string {
    return this.#isLive ? 'live newcomers' : 'newcomers'
  }

  async stop (): Promise<void> {
    await Promise.all(this.#all.map(async ({ client }) => client.node.stop()))
  }

  async #newcomer (): Promise<Newcomer> {
    const { address } = this.#point
    const client = await startClient([address], { live: this.#isLive })
    await client.rendezvous.discoverPage(EMPTY, { point: address })

    return { client, exchange: await client.node.dialProtocol(multiaddr(address), CERTIFY_PROTOCOL) }
  }

  #at (index: number): Newcomer {
    const newcomer = this.#all[index]

    if (newcomer == null) {
      throw new Error('There are no newcomers left')
    }

    return newcomer
  }
}
