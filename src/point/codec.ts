import { InvalidMessageError } from '@libp2p/interface'
import { Message } from '../protocol/message.ts'
import { BYTES, fieldsOf, SHORT, strictReader, VARINT } from '../protocol/patches/protons.ts'
import type { Shape } from '../protocol/patches/protons.ts'
import type { Codec } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

const { MessageType } = Message

const REGISTER: Shape = { 1: BYTES, 2: BYTES, 3: VARINT, 101: BYTES, 102: BYTES }

/** The types of proto/rendezvous.proto. */
export const MESSAGE: Shape = {
  1: SHORT,
  2: REGISTER,
  3: { 1: SHORT, 2: BYTES, 3: VARINT },
  4: { 1: BYTES },
  5: { 1: BYTES, 2: VARINT, 3: BYTES, 101: SHORT, 102: SHORT, 103: BYTES },
  6: { 1: [REGISTER], 2: BYTES, 3: SHORT, 4: BYTES }
}

/**
 * What a peer asks for, as it was sent: whether it may have it is the handler's to say. An empty string,
 * an empty cookie and a limit of zero are what some clients send for none.
 */
export type Request =
  | { type: 'register', namespace: string | undefined, signedPeerRecord: Uint8Array | undefined, /** The same in the other form. */ otherRecord: Uint8Array | undefined, /** Seconds. */ ttl: bigint | undefined, /** What shows that the peer may. */ token: string | undefined }
  | { type: 'unregister', /** Undefined for all. */ namespace: string | undefined }
  | { type: 'discover', /** Undefined for all. */ namespace: string | undefined, limit: number | undefined, cookie: Uint8Array | undefined, /** Whether some are wanted, whichever. */ sample: boolean, /** Whether records of both forms can be read. */ bothForms: boolean, token: string | undefined }

/**
 * Reads a message that is a request and has the part that its type promises.
 *
 * @throws {InvalidMessageError} what came on the stream cannot be trusted any more
 */
export function decodeRequest (bytes: Uint8Array | Uint8ArrayList): Request {
  // writers of proto3, such as py-libp2p, leave out a zero, which is REGISTER
  const { type = MessageType.REGISTER, register, unregister, discover } = decodeStrictly(bytes)

  if (type === MessageType.REGISTER && register != null) {
    const { ns, signedPeerRecord, otherSignedPeerRecord, ttl, token } = register

    return { type: 'register', namespace: ns, signedPeerRecord, otherRecord: otherSignedPeerRecord?.byteLength === 0 ? undefined : otherSignedPeerRecord, ttl, token: orNone(token) }
  }

  if (type === MessageType.UNREGISTER && unregister != null) {
    return { type: 'unregister', namespace: unregister.ns === '' ? undefined : unregister.ns }
  }

  if (type === MessageType.DISCOVER && discover != null) {
    const { ns, limit = 0n, cookie, sample = false, bothForms = false, token } = discover

    return {
      type: 'discover',
      namespace: ns === '' ? undefined : ns,
      limit: limit === 0n ? undefined : Number(limit),
      cookie: cookie?.byteLength === 0 ? undefined : cookie,
      sample,
      bothForms,
      token: orNone(token)
    }
  }

  throw new InvalidMessageError(`Not a request that has its part: ${type}`)
}

/** As with cookies, an empty one is none. */
export function orNone (token: string | undefined): string | undefined {
  return token === '' ? undefined : token
}

/**
 * Decodes a message, and refuses what the generated decoder would read as something else than was
 * sent: fields of the wrong type or length, and strings that are not UTF-8, which would file a peer
 * under a namespace it did not name.
 *
 * @throws {InvalidMessageError} also for an unknown message type or status
 */
export function decodeStrictly (bytes: Uint8Array | Uint8ArrayList): Message {
  return decodeAs(bytes, MESSAGE, Message.codec())
}

/**
 * The same for messages of any kind.
 *
 * @throws {InvalidMessageError}
 */
export function decodeAs <T> (bytes: Uint8Array | Uint8ArrayList, shape: Shape, codec: Codec<T>): T {
  try {
    const message = bytes.subarray()
    fieldsOf(message, shape)

    return codec.decode(strictReader(message))
  } catch (err) {
    throw new InvalidMessageError(`Malformed message: ${String(err)}`)
  }
}
