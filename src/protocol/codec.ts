import { InvalidMessageError } from '@libp2p/interface'
import { reader } from 'protons-runtime'
import { Message } from './message.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes a message, and refuses strings that are not UTF-8. The generated decoder reads such a string
 * as some other one, which would file a peer under a namespace it did not name.
 *
 * @throws {InvalidMessageError}
 */
export function decodeStrictly (bytes: Uint8Array | Uint8ArrayList): Message {
  const input = reader(bytes)
  input.string = () => utf8.decode(input.bytes())

  try {
    return Message.codec().decode(input)
  } catch (err) {
    throw new InvalidMessageError(`Malformed message: ${String(err)}`)
  }
}
