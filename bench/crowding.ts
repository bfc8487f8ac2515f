/**
 * Crowds and hoards at the program, from networks of 127.0.0.0/8: whether those of many other networks still come in,
 * register and are found, and what memory it costs. Fails when one of them is not, or when it is too much.
 *
 *   npm run build && node bench/crowding.ts [crowd …]
 */

import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { PROTOCOL_ID } from 'libp2p-rendezvous'
import { Message } from '../dist/protocol/message.js'
import { sealPeerRecord } from '../dist/protocol/peer-record.js'
import { hostilePoint } from './hostile-point.ts'
import { discover, framed, rawPeer } from './raw-requests.ts'
import type { Socket } from 'node:net'
import type { Connection, Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import type { LengthPrefixedStream } from '@libp2p/utils'
import type { HostilePoint } from './hostile-point.ts'

const MIB = 1024 * 1024
const HONEST = 40

interface Crowd {
  /** What the program is started with. */
  flags?: string[]
  sizes?: number[]
  /** Where the honest register: each in one of its own, or all in one. */
  namespace?: (index: number) => string
  /** Bytes that it may cost, if that is what it is about. */
  most?: number
  come: (point: HostilePoint) => Promise<void>
}

const CROWDS: Record<string, Crowd> = {
  'a hundred identities in a hundred namespaces each': {
    namespace: index => `honest-${index}`,
    come: async ({ tcp }) => {
      await eachOf(100, async i => {
        const peer = await Peer.at(tcp, `127.66.${i}.1`)
        const asked = Array.from({ length: 100 }, (_, j) => `taken-${i}-${j}`)
        await peer.register(...asked)
      })
    }
  },
  '998 identities in one namespace': {
    namespace: () => 'space',
    come: async ({ tcp }) => {
      await eachOf(998, async i => { await (await Peer.at(tcp, `127.66.${i % 250}.${1 + i % 3}`)).register('space') })
    }
  },
  'idle connections of one identity, over all slots': {
    flags: ['--max-connections', '1000'],
    namespace: () => 'space',
    come: async ({ tcp }) => {
      const privateKey = await generateKeyPair('Ed25519')
      await eachOf(1_000, async i => { await Peer.at(tcp, `127.66.${i % 250}.${1 + i % 4}`, privateKey).catch(() => {}) })
    }
  },
  'two thousand connections on which nothing is said': {
    namespace: () => 'space',
    come: async ({ tcp }) => {
      const port = Number(/tcp\/(\d+)/.exec(tcp)?.[1])
      // each handshake that does not begin is waited for
      await eachOf(2_000, async i => {
        const socket = connect({ port, host: '127.0.0.1', localAddress: `127.66.${i % 250}.${1 + i % 8}` })
        socket.on('error', () => {})
        await once(socket, 'connect').catch(() => {})
      })
    }
  },
  'twelve WebSockets with a frame that does not end': {
    most: 12 * MIB,
    come: async ({ ws }) => {
      const port = Number(/tcp\/(\d+)/.exec(ws)?.[1])
      await eachOf(12, async () => {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
        await once(socket, 'data')
        // parts of a message of which none is the last
        await pour(socket, Buffer.of(2, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), Buffer.of(0, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0))
      })
    }
  },
  'two thousand sockets that do not become WebSockets': {
    most: 64 * MIB,
    come: async ({ ws }) => {
      const port = Number(/tcp\/(\d+)/.exec(ws)?.[1])
      await eachOf(2_000, async () => {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => {})
        await once(socket, 'connect')
        socket.write('GET / HTTP/1.1\r\n')
      })
    }
  },
  'twelve frames of Yamux that do not end': {
    most: 24 * MIB,
    come: async ({ tcp }) => {
      await eachOf(12, async i => {
        const { below } = await Peer.at(tcp, `127.66.${i}.1`)
        below.send(Buffer.of(0, 0, 0, 1, 0, 0, 0, 101, 0xff, 0xff, 0xff, 0xff))

        for (let sent = 0; sent < 64 * MIB && below.status === 'open'; sent += MIB) {
          below.send(new Uint8Array(MIB))
          await until(() => below.writeBufferLength === 0 || below.status !== 'open')
        }
      })
    }
  },
  'twelve who ping and do not read': {
    most: 32 * MIB,
    come: async ({ tcp }) => {
      const pings = Buffer.concat(Array.from({ length: 5_000 }, () => Buffer.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)))
      await eachOf(12, async i => {
        const { below, socket } = await Peer.at(tcp, `127.66.${i}.1`)
        socket.pause()

        for (let sent = 0; sent < 100 && below.status === 'open' && !socket.destroyed; sent++) {
          below.send(pings)
          await Promise.race([until(() => below.writeBufferLength === 0 || below.status !== 'open'), delay(2_000)])
        }
      })
    }
  },
  'a hundred who ask and reset what they do not read': {
    sizes: [1_000],
    most: 64 * MIB,
    come: async ({ tcp, usage }) => {
      const streams: Stream[] = []
      await eachOf(100, async i => {
        const peer = await Peer.at(tcp, `127.${70 + i}.1.1`)

        for (let j = 0; j < 30; j++) {
          streams.push(await peer.stream())
        }

        peer.socket.pause()
      })
      restart((await usage()).memory)
      streams.forEach(stream => { stream.send(discover('of-1000')) })
      await delay(5_000)
      streams.forEach(stream => { stream.abort(new Error('not read')) })
    }
  },
  'five thousand who ask and read nothing': {
    flags: ['--max-connections', '6000', '--max-connection-rate', '1000'],
    sizes: [1_000],
    most: 64 * MIB,
    come: async ({ tcp, usage }) => {
      const peers: Peer[] = []
      // fifty connections of each of a hundred identities, in a network of its own
      await eachOf(100, async i => {
        const first = await Peer.at(tcp, `127.${70 + i}.1.1`)
        peers.push(first)

        for (let j = 1; j < 50; j++) {
          // once more if the point was too busy
          peers.push(await first.again(tcp).catch(async () => first.again(tcp)))
        }
      })
      await delay(5_000)
      // what they take that are connected and quiet is not what is asked here
      restart((await usage()).memory)
      peers.filter(({ below }) => below.status === 'open').forEach(peer => {
        // neither on a stream, nor on any
        peer.socket.pause()

        for (let i = 0; i < 4; i++) {
          peer.send(discover('of-1000'))
        }
      })
    }
  }
}

/** What the program had before, and the most that it has had since. */
let before = 0
let highest = 0

/** It begins here. */
function restart (memory: number): void {
  before = memory
  highest = memory
}

/** A peer with a connection, and a stream on it. */
class Peer {
  readonly #node: Libp2p
  readonly #privateKey: PrivateKey
  readonly #connection: Connection
  readonly #stream: Stream
  readonly #messages: LengthPrefixedStream

  private constructor (node: Libp2p, privateKey: PrivateKey, connection: Connection, stream: Stream) {
    this.#node = node
    this.#privateKey = privateKey
    this.#connection = connection
    this.#stream = stream
    this.#messages = lpStream(stream, { maxDataLength: 2 * MIB, maxBufferSize: 4 * MIB })
  }

  static async at (address: string, localAddress: string, privateKey?: PrivateKey): Promise<Peer> {
    const key = privateKey ?? await generateKeyPair('Ed25519')
    const node = await rawPeer({ privateKey: key, localAddress })
    const connection = await node.dial(multiaddr(address))

    return new Peer(node, key, connection, await connection.newStream(PROTOCOL_ID))
  }

  /** The same, over another connection. */
  async again (address: string): Promise<Peer> {
    const connection = await this.#node.dial(multiaddr(address), { force: true })

    return new Peer(this.#node, this.#privateKey, connection, await connection.newStream(PROTOCOL_ID))
  }

  /** Another stream. */
  async stream (): Promise<Stream> {
    return this.#connection.newStream(PROTOCOL_ID, { maxOutboundStreams: Infinity })
  }

  /** What is below the streams, where frames can be written by hand. */
  get below (): { send: (bytes: Uint8Array) => boolean, writeBufferLength: number, status: string } {
    return (this.#connection as any).muxer.maConn
  }

  get socket (): Socket {
    return (this.#connection as any).maConn.socket
  }

  send (message: Uint8Array): void {
    this.#stream.send(message)
  }

  async ask (namespace: string): Promise<Message.DiscoverResponse> {
    this.send(discover(namespace))

    return Message.decode(await this.#messages.read({ signal: AbortSignal.timeout(20_000) })).discoverResponse as Message.DiscoverResponse
  }

  async register (...namespaces: string[]): Promise<unknown[]> {
    const signedPeerRecord = await sealPeerRecord({ peerId: this.#node.peerId, multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/4001')], sequence: 1n }, this.#privateKey) as Uint8Array<ArrayBuffer>
    const statuses = []

    for (const ns of namespaces) {
      this.send(framed(Message.encode({ type: Message.MessageType.REGISTER, register: { ns, signedPeerRecord } })))
      statuses.push(Message.decode(await this.#messages.read({ signal: AbortSignal.timeout(20_000) })).registerResponse?.status)
    }

    return statuses
  }

  /** As it is in its record. */
  get id (): Uint8Array {
    return this.#node.peerId.toMultihash().bytes
  }
}

/** Some at a time. */
async function eachOf (count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < count) {
      await work(next++)
    }
  }))
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) {
    await delay(1)
  }
}

/** Frames of 64 KiB, the first with one header and the others with another, until it is cut off or a hundred MiB are sent. */
async function pour (socket: Socket, first: Buffer, others: Buffer): Promise<void> {
  const body = Buffer.alloc(65_536)

  for (let sent = 0; sent < 100 * MIB && !socket.closed; sent += body.length) {
    socket.write(Buffer.concat([sent === 0 ? first : others, body]))
    await Promise.race([until(() => socket.writableLength === 0 || socket.closed), delay(2_000)])
  }
}

/** How many of the honest get in, register and are found by another. */
async function honestFound ({ tcp }: HostilePoint, namespace: (index: number) => string): Promise<number> {
  const peers: Peer[] = []
  await eachOf(HONEST, async i => {
    const peer = await Peer.at(tcp, `127.${180 + i}.7.1`).catch(() => undefined)

    if (peer != null && (await peer.register(namespace(i)))[0] === Message.ResponseStatus.OK) {
      peers.push(peer)
    }
  })
  const reader = await Peer.at(tcp, '127.250.7.1')
  let found = 0

  for (let i = 0; i < HONEST; i++) {
    const name = namespace(i)
    const { registrations } = await reader.ask(name)
    found += namespace(0) === namespace(1)
      ? i === 0 ? peers.filter(({ id }) => registrations.some(({ signedPeerRecord }) => Buffer.from(signedPeerRecord ?? []).includes(Buffer.from(id)))).length : 0
      : registrations.length
  }

  return found
}

const { positionals } = parseArgs({ allowPositionals: true })
let isBad = false
console.log('who comes'.padEnd(56), 'honest found'.padStart(14), 'memory added'.padStart(14), 'at most'.padStart(10))

for (const name of positionals.length > 0 ? positionals : Object.keys(CROWDS)) {
  const { flags, sizes, namespace = () => 'space', most, come } = CROWDS[name] as Crowd
  const point = await hostilePoint({ ...(flags == null ? {} : { flags }), ...(sizes == null ? {} : { sizes }) })
  await (await Peer.at(point.tcp, '127.0.0.1')).ask('of-none')
  restart((await point.usage()).memory)
  const over = new AbortController()
  const watching = (async () => {
    while (!over.signal.aborted) {
      highest = Math.max(highest, (await point.usage()).memory)
      await delay(1_000)
    }
  })()

  await come(point)
  await delay(3_000)
  over.abort()
  await watching
  const found = await honestFound(point, namespace)
  const added = highest - before
  isBad ||= found < HONEST || added > (most ?? Infinity)
  console.log(name.padEnd(56), `${found} of ${HONEST}`.padStart(14), `${(added / MIB).toFixed(0)} MiB`.padStart(14), (most == null ? '' : `${most / MIB} MiB`).padStart(10))
  await point.stop()
}

process.exit(isBad ? 1 : 0)
