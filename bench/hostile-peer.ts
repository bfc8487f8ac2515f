import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { setPriority } from 'node:os'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { generateKeyPair, publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromPublicKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { PROTOCOL_ID } from 'libp2p-rendezvous'
import { watchProtocol } from '../dist/protocol/constants.js'
import { Message } from '../dist/protocol/message.js'
import { sealPeerRecord } from '../dist/protocol/peer-record.js'
import { WatchRequest } from '../dist/protocol/watch.js'
import { discover, framed, rawPeer } from './raw-requests.ts'
import type { Connection, Libp2p, PrivateKey, RSAPublicKey, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A peer that means harm, as fast as it can, until it is killed. */
interface Hostile {
  node: Libp2p
  address: Multiaddr
  privateKey: PrivateKey
  /** The connection to the point: another one when the last was closed. */
  connection: () => Promise<Connection>
  open: () => Promise<Stream>
  /** It has all that it needs, and begins; so it does when it asks for a connection. */
  ready: () => void
}

type Attack = (peer: Hostile) => Promise<void>

const STREAMS = 32

/** Node has no code of its own for the signatures of such a key: each takes milliseconds to verify. */
const SLOW_KEY = 'registers with a new secp256k1 record'

/** It gets only what its implementation can read, of which there is none. */
const RARE_FORM = 'asks, as rust, for one of a form that nobody has'

export const ATTACKS: Record<string, Attack> = {
  'does nothing': async ({ ready }) => {
    ready()
    await new Promise(() => {})
  },
  'floods small requests': async peer => flood(peer, 1, () => discover('of-10', 1n)),
  'floods small requests on many streams': async peer => flood(peer, STREAMS, () => discover('of-10', 1n)),
  'floods requests for large pages': async peer => flood(peer, 1, () => discover('of-1000')),
  'asks for large pages and never reads': async peer => {
    const streams = await Promise.all(Array.from({ length: STREAMS }, async () => peer.open()))

    for (const stream of streams) {
      stream.pause()
      stream.send(Buffer.concat(Array.from({ length: 500 }, () => discover('of-1000'))))
    }

    await new Promise(() => {})
  },
  [RARE_FORM]: async peer => flood(peer, 1, () => discover('of-1000', 1n, false)),
  'asks on fifty connections and never reads': async ({ address, ready }) => {
    ready()
    const peers = await Promise.all(Array.from({ length: 50 }, async (_, i) => rawPeer({ localAddress: `127.9.${i}.1` })))

    for (const peer of peers) {
      const connection = await peer.dial(address)

      for (let i = 0; i < 20; i++) {
        const stream = await connection.newStream(PROTOCOL_ID, { maxOutboundStreams: Infinity })
        stream.pause()
        stream.send(discover('of-1000'))
      }
    }

    await new Promise(() => {})
  },
  'registers with a new record each time': async peer => flood(peer, 1, registrations(await records(peer, 2))),
  [SLOW_KEY]: async peer => flood(peer, 1, registrations(await records(peer, 2, 1_000))),
  'registers with a new large record each time': async peer => flood(peer, 1, registrations(await records(peer, 128))),
  'registers with a record far too large': async peer => flood(peer, 1, registrations(await records(peer, 1_300, 100))),
  'registers with forged records': async peer => {
    const forged = await records(peer, 2)
    forged.forEach(record => { record[record.length - 1]! ^= 1 })

    return flood(peer, 1, registrations(forged))
  },
  'registers with an RSA key of a long exponent': async peer => {
    const record = longExponentRecord()

    return flood(peer, 1, registrations([record]))
  },
  'resets streams before a protocol is agreed': async peer => {
    while (true) {
      try {
        const { muxer } = await peer.connection() as unknown as { muxer: { createStream: () => Promise<Stream> } }

        for (let i = 0; i < 50; i++) {
          (await muxer.createStream()).abort(new Error('next'))
        }

        await turn()
      } catch {
        await delay(RECONNECT_PAUSE)
      }
    }
  },
  'opens streams and resets them': async peer => again(peer, stream => { stream.abort(new Error('next')) }),
  'opens streams and leaves them': async peer => again(peer, () => {}),
  'proposes protocols that there are not, on one stream': async peer => {
    const proposals = Buffer.concat([framed(Buffer.from('/multistream/1.0.0\n')), ...Array.from({ length: 10_000 }, () => framed(Buffer.from('a\n')))])

    while (true) {
      try {
        const { muxer } = await peer.connection() as unknown as { muxer: { createStream: () => Promise<Stream> } }
        const stream = await muxer.createStream()
        stream.addEventListener('message', () => {})
        stream.send(proposals)
        await delay(50)
        stream.abort(new Error('next'))
      } catch {
        await delay(RECONNECT_PAUSE)
      }
    }
  },
  'asks who it is': async peer => others(peer, '/ipfs/id/1.0.0'),
  'says who it is': async peer => {
    const signed = await records(peer, 20)
    let i = 0

    return others(peer, '/ipfs/id/push/1.0.0', stream => {
      // identify's message, of which field 8 is the signed record
      const record = signed[i++ % signed.length] as Uint8Array
      stream.send(framed(Buffer.concat([Uint8Array.of(0x42), framed(record)])))
    })
  },
  'watches a large namespace again and again': async peer => {
    const subscribe = framed(WatchRequest.encode({ subscribe: { id: 1, ns: 'of-1000' } }))

    return others(peer, watchProtocol(PROTOCOL_ID), async stream => {
      while (stream.status === 'open') {
        stream.send(subscribe)
        await delay(1)
      }
    }, 1)
  },
  'watches what nobody registers, and leaves it': async peer => {
    let i = 0

    return others(peer, watchProtocol(PROTOCOL_ID), async stream => {
      while (stream.status === 'open') {
        const id = i++ % 100
        stream.send(framed(WatchRequest.encode({ subscribe: { id, ns: `${i} of nobody` } })))
        stream.send(framed(WatchRequest.encode({ unsubscribe: { id } })))
        await delay(1)
      }
    }, 1)
  },
  'says that it is live, and that it is not': async peer => {
    const live = Buffer.concat([true, false].map(live => framed(WatchRequest.encode({ presence: { live } }))))

    return others(peer, watchProtocol(PROTOCOL_ID), async stream => {
      while (stream.status === 'open') {
        stream.send(live)
        await delay(1)
      }
    }, 1)
  },
  'sends malformed messages': async peer => again(peer, stream => { stream.send(framed(new Uint8Array(100).fill(0xff))) }),
  'announces 16 MiB and sends them': async peer => {
    const announced = Buffer.concat([Uint8Array.of(0x80, 0x80, 0x80, 0x08), new Uint8Array(16 * 1024 * 1024)])

    return again(peer, async stream => {
      stream.send(announced)
      await until(stream)
    })
  },
  'sends a byte now and then': async peer => {
    await Promise.all(Array.from({ length: STREAMS }, async () => again(peer, async stream => {
      while (stream.status === 'open') {
        stream.send(Uint8Array.of(0xc8))
        await delay(100)
      }
    })))
  },
  'connects and disconnects': async peer => {
    while (true) {
      await (await peer.connection().catch(() => undefined))?.close().catch(() => {})
      await turn()
    }
  }
}

/** Requests on so many streams, as many as these take, and new streams when they end. */
async function flood (peer: Hostile, streams: number, next: () => Uint8Array): Promise<void> {
  await Promise.all(Array.from({ length: streams }, async () => again(peer, async stream => {
    // reads what comes
    stream.addEventListener('message', () => {})

    while (stream.status === 'open' && stream.remoteWriteStatus === 'writable') {
      for (let i = 0; i < 50 && stream.send(next()); i++);
      await (stream.writableNeedsDrain ? Promise.race([stream.onDrain().catch(() => {}), delay(50)]) : turn())
    }
  })))
}

/** What connecting costs the point has a row of its own: it is libp2p's to bound. Milliseconds. */
const RECONNECT_PAUSE = 1_000

/** Stream after stream, whatever becomes of them. */
async function again (peer: Hostile, act: (stream: Stream) => void | Promise<void>): Promise<void> {
  while (true) {
    try {
      await act(await peer.open())
    } catch {
      await (peer.node.getConnections().length > 0 ? turn() : delay(RECONNECT_PAUSE))
    }
  }
}

/** The same with another protocol. */
async function others (peer: Hostile, protocol: string, act: (stream: Stream) => void | Promise<void> = () => {}, streams = STREAMS): Promise<void> {
  const open = async (): Promise<Stream> => (await peer.connection()).newStream(protocol, { maxOutboundStreams: Infinity, signal: AbortSignal.timeout(5_000) })

  await Promise.all(Array.from({ length: streams }, async () => again({ ...peer, open }, async stream => {
    // reads what comes
    stream.addEventListener('message', () => {})
    await act(stream)
    await stream.close().catch(() => {})
  })))
}

async function until (stream: Stream): Promise<void> {
  while (stream.status === 'open') {
    await delay(1)
  }
}

async function records ({ node, privateKey }: Hostile, addresses: number, count = 5_000): Promise<Uint8Array[]> {
  const multiaddrs = Array.from({ length: addresses }, (_, i) => multiaddr(`/ip4/10.0.${i >> 8}.${i & 255}/tcp/4001`))

  return Promise.all(Array.from({ length: count }, async (_, i) => sealPeerRecord({ peerId: node.peerId, multiaddrs, sequence: BigInt(i) }, privateKey)))
}

/**
 * Of a key with an exponent as long as its modulus, which takes a hundred times as long to verify. Nobody has
 * signed with it: it is to be refused before that is found out.
 */
function longExponentRecord (): Uint8Array {
  const { n } = generateKeyPairSync('rsa', { modulusLength: 3_072 }).publicKey.export({ format: 'jwk' })
  const key = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n, e: Buffer.alloc(384, 0x55).toString('base64url') } as any })
  const publicKey = publicKeyFromRaw(key.export({ format: 'der', type: 'spki' }))
  const record = new PeerRecord({ peerId: peerIdFromPublicKey(publicKey as RSAPublicKey), multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')], seqNumber: 1n })

  return new RecordEnvelope({ publicKey, payloadType: PeerRecord.CODEC, payload: record.marshal(), signature: new Uint8Array(384) }).marshal()
}

function registrations (records: Uint8Array[]): () => Uint8Array {
  let i = 0

  return () => framed(Message.encode({
    type: Message.MessageType.REGISTER,
    register: { ns: `hostile-${i % 100}`, signedPeerRecord: records[i++ % records.length] as Uint8Array<ArrayBuffer> }
  }))
}

if (process.argv[1] === import.meta.filename) {
  const [, , address = '', attack = ''] = process.argv
  // what it costs this process is not what is measured
  setPriority(19)
  const privateKey = await (attack === SLOW_KEY ? generateKeyPair('secp256k1') : generateKeyPair('Ed25519'))
  const node = await rawPeer({ privateKey, localAddress: '127.66.0.1', ...(attack === RARE_FORM ? { userAgent: 'rust-libp2p/0.57.0' } : {}) })
  const dial = async (): Promise<Connection> => node.dial(multiaddr(address))
  let isReady = false
  const ready = (): void => {
    if (!isReady) {
      isReady = true
      process.send?.(`as ${peerIdFromPrivateKey(privateKey)}`)
    }
  }
  const connection = async (): Promise<Connection> => {
    ready()

    return dial()
  }
  const peer: Hostile = {
    node,
    address: multiaddr(address),
    privateKey,
    connection,
    open: async () => (await connection()).newStream(PROTOCOL_ID, { maxOutboundStreams: Infinity, signal: AbortSignal.timeout(5_000) }),
    ready
  }

  process.on('disconnect', () => { process.exit() })
  await dial()
  await ATTACKS[attack]?.(peer)
}
