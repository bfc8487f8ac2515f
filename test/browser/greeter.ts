import { peerIdFromString } from '@libp2p/peer-id'
import type { RendezvousClient } from '../../src/index.ts'
import type { Libp2p } from '@libp2p/interface'

const PROTOCOL = '/tab/1.0.0'

/** How often a greeting is tried, and milliseconds in between. */
const TRIES = 20
const PAUSE = 500

export interface Heard {
  from: string
  text: string
  /** Milliseconds since the page began to load. */
  at: number
}

/** What one has seen so far, and what it may take to find out what went wrong. */
export interface State {
  heard: Heard[]
  /** When who was found to be gone, by the system's clock. */
  gone: Record<string, number>
  failed: string[]
  unreachable: string[]
  addresses: string[]
  connections: string[]
  registrations: number
  discovered: string[]
}

/** Greets everybody who is found, and remembers what it hears. */
export class Greeter {
  readonly #node: Libp2p<{ rendezvous: RendezvousClient }>
  readonly #heard: Heard[] = []
  readonly #gone: Record<string, number> = {}
  readonly #failed: string[] = []
  readonly #unreachable: string[] = []

  constructor (node: Libp2p<any>) {
    this.#node = node
    const { rendezvous } = this.#node.services
    rendezvous.addEventListener('peer:expired', ({ detail }) => { this.#gone[String(detail.id)] = Date.now() })
    rendezvous.addEventListener('unreachable', ({ detail }) => { this.#unreachable.push(detail.reason) })
  }

  static async start (node: Libp2p<any>, namespace: string): Promise<Greeter> {
    const greeter = new Greeter(node)
    await greeter.#listen()
    greeter.#greetAll(namespace).catch(err => { greeter.#failed.push(String(err)) })

    return greeter
  }

  async say (to: string, text: string): Promise<void> {
    const stream = await this.#node.dialProtocol(peerIdFromString(to), PROTOCOL)
    stream.send(new TextEncoder().encode(text))
    await stream.close()
  }

  state (): State {
    const { rendezvous } = this.#node.services

    return {
      heard: this.#heard,
      gone: this.#gone,
      failed: this.#failed,
      unreachable: this.#unreachable,
      addresses: this.#node.getMultiaddrs().map(String),
      connections: this.#node.getConnections().map(({ remoteAddr, direction, limits }) => `${direction} ${remoteAddr}${limits == null ? '' : ', limited'}`),
      registrations: rendezvous.registrations.length,
      discovered: rendezvous.discovered.map(({ id }) => String(id))
    }
  }

  async #listen (): Promise<void> {
    await this.#node.handle(PROTOCOL, async (stream, connection) => {
      let text = ''

      for await (const bytes of stream) {
        text += new TextDecoder().decode(bytes.subarray())
      }

      this.#heard.push({ from: String(connection.remotePeer), text, at: performance.now() })
      await stream.close()
    })
  }

  async #greetAll (namespace: string): Promise<void> {
    for await (const { id } of this.#node.services.rendezvous.watch(namespace)) {
      this.#greet(String(id)).catch(err => { this.#failed.push(`${id}: ${err}`) })
    }
  }

  /** A connection through the relay may be there first, on which nothing can be said; the one beside it comes soon. */
  async #greet (id: string): Promise<void> {
    for (let left = TRIES; ; left--) {
      try {
        return await this.say(id, 'hello')
      } catch (err) {
        if (left === 1) {
          throw err
        }

        await new Promise(resolve => { setTimeout(resolve, PAUSE) })
      }
    }
  }
}
