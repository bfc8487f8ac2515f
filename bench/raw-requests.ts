import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import * as lp from 'it-length-prefixed'
import { createLibp2p } from 'libp2p'
import { PROTOCOL_ID } from 'libp2p-rendezvous'
import { Message } from '../dist/protocol/message.js'
import type { Connection, Libp2p, PrivateKey } from '@libp2p/interface'

export interface RawPeerInit {
  privateKey?: PrivateKey
  /** The address of this machine that it connects from. */
  localAddress?: string
  /** What it is by its own account. */
  userAgent?: string
}

/** A node that speaks the protocol by hand. */
export async function rawPeer ({ privateKey, localAddress, userAgent }: RawPeerInit = {}): Promise<Libp2p> {
  return createLibp2p({
    ...(privateKey == null ? {} : { privateKey }),
    ...(userAgent == null ? {} : { nodeInfo: { userAgent }, services: { identify: identify() } }),
    // handed on to Node's connect, which knows it
    transports: [tcp(localAddress == null ? {} : { dialOpts: { localAddress } as object })],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false }
  })
}

/** A request to list a namespace, with its length before it. */
export function discover (namespace: string, limit = 0n, bothForms = true): Uint8Array {
  return framed(Message.encode({ type: Message.MessageType.DISCOVER, discover: { ns: namespace, limit, bothForms } }))
}

export function framed (message: Uint8Array): Uint8Array {
  return lp.encode.single(message).subarray()
}

/** A function that asks once, and waits for the answer; all on one stream. */
export async function rawRequests (connection: Connection, namespace: string): Promise<() => Promise<void>> {
  const stream = await connection.newStream(PROTOCOL_ID)
  const responses = lpStream(stream, { maxDataLength: 2 ** 21 })
  const request = discover(namespace)

  return async () => {
    stream.send(request)
    const { discoverResponse } = Message.decode(await responses.read())

    if (discoverResponse?.status !== Message.ResponseStatus.OK) {
      throw new Error(`Not answered, but ${discoverResponse?.status}`)
    }
  }
}
