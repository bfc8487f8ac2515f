import { InvalidMessageError } from '@libp2p/interface'
import { reader } from 'protons-runtime'
import { Message } from '../protocol/message.ts'
import { BYTES, fieldsOf, VARINT } from '../protocol/wire.ts'
import type { Shape } from '../protocol/wire.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

const REGISTER: Shape = { 1: BYTES, 2: BYTES, 3: VARINT }

/** The types of proto/rendezvous.proto. */
export const MESSAGE: Shape = {
  1: VARINT,
  2: REGISTER,
  3: { 1: VARINT, 2: BYTES, 3: VARINT },
  4: { 1: BYTES },
  5: { 1: BYTES, 2: VARINT, 3: BYTES },
  6: { 1: REGISTER, 2: BYTES, 3: VARINT, 4: BYTES }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes a message, and refuses what the generated decoder would read as something else than was
 * sent: fields of the wrong type or length, and strings that are not UTF-8, which would file a peer
 * under a namespace it did not name.
 *
 * @throws {InvalidMessageError} also for an unknown message type or status
 */
export function decodeStrictly (bytes: Uint8Array | Uint8ArrayList): Message {
  try {
    const message = bytes.subarray()
    fieldsOf(message, MESSAGE)
    const input = reader(message)
    input.string = () => utf8.decode(input.bytes())

    return Message.codec().decode(input)
  } catch (err) {
    throw new InvalidMessageError(`Malformed message: ${String(err)}`)
  }
}
