import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { CERTIFY_PROTOCOL, echo, startClient } from '../nodes.ts'
import type { Subject } from '../measure.ts'
import type { Client } from '../nodes.ts'
import type { RemotePoint } from '../remote-point.ts'
import type { Stream } from '@libp2p/interface'

/** So many that it is long ago that each had its turn, and so few that their turns find them warm. */
const CLIENTS = 16

/** A client need not notice at once that its addresses have changed. Milliseconds. */
const REST = 1_000

/**
 * A client that notices a change by itself renews what it has registered before, so now and then two
 * registrations end up with the same record. More than this share of them would be another matter.
 */
const RENEWED = 0.01

/** Nobody registers there: to ask for it opens the stream. */
const EMPTY = 'nobody'

interface Newcomer {
  client: Client
  /** To where records are certified and sent back. */
  exchange: Stream
  lastTurn: number
}

/**
 * Clients that register with a record that no point has seen, each time in a new namespace, over a
 * stream that is open already.
 */
export class Newcomers {
  readonly #point: RemotePoint
  readonly #all: Newcomer[] = []
  readonly #namespaces: string[] = []
  #next: Newcomer | undefined

  constructor (point: RemotePoint) {
    this.#point = point
  }

  async start (): Promise<void> {
    while (this.#all.length < CLIENTS) {
      const client = await startClient([this.#point.address])
      await client.rendezvous.discoverPage(EMPTY, { point: this.#point.address })
      const exchange = await client.node.dialProtocol(multiaddr(this.#point.address), CERTIFY_PROTOCOL)
      this.#all.push({ client, exchange, lastTurn: -Infinity })
    }
  }

  /** To register. */
  get first (): Subject {
    return {
      before: async () => {
        this.#next = this.#all[this.#namespaces.length % CLIENTS] as Newcomer
        await sleep(Math.max(0, this.#next.lastTurn + REST - performance.now()))
        this.#next.lastTurn = performance.now()
        this.#next.client.changeRecord()
        this.#namespaces.push(`newcomer-${this.#namespaces.length}`)
        // the stream may have been left alone for too long
        await this.#next.client.rendezvous.discoverPage(EMPTY, { point: this.#point.address })
      },
      run: async () => this.#next?.client.rendezvous.register(this.#namespaces.at(-1) as string)
    }
  }

  /** The same clients, the same connections, the same work on the record, and nothing else. */
  exchange (seal: () => Promise<Uint8Array>): Subject {
    let turns = 0
    let stream: Stream | undefined

    return {
      before: async () => {
        const { client, exchange } = this.#all[turns++ % CLIENTS] as Newcomer
        stream = exchange
        await client.rendezvous.discoverPage(EMPTY, { point: this.#point.address })
      },
      run: async () => echo(stream as Stream, await seal())
    }
  }

  /**
   * Whatever the clients keep to themselves: the point must have a record of its own for each
   * registration. If not, what was measured were refreshes.
   *
   * @throws when it is not so
   */
  async check (witness: Client): Promise<void> {
    const envelopes = new Set<string>()

    for (const namespace of this.#namespaces) {
      const { peers } = await witness.rendezvous.discoverPage(namespace, { point: this.#point.address })

      for (const { peerRecordEnvelope } of peers) {
        envelopes.add(Buffer.from(peerRecordEnvelope).toString('base64'))
      }
    }

    if (!(envelopes.size > 0 && envelopes.size >= this.#namespaces.length * (1 - RENEWED))) {
      throw new Error(`${this.#namespaces.length} first registrations had ${envelopes.size} different records`)
    }
  }
}
