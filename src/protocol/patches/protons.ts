import { reader } from 'protons-runtime'
import type { Reader } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * What protons-runtime 7 reads as something else than was sent. What a decoder that it generates is given should pass
 * here first; a version of it that refuses these makes this file superfluous.
 */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A reader that refuses strings that are not UTF-8, where that of protons reads some other string. */
export function strictReader (message: Uint8Array): Reader {
  const input = reader(message)
  input.string = () => utf8.decode(input.bytes())

  return input
}

/** The wire types that the messages of this protocol use. */
export const VARINT = 0
export const BYTES = 2

/** What a message holds under each field number: a number, bytes or a string, or a message of its own. */
export interface Shape {
  readonly [field: number]: typeof VARINT | typeof BYTES | Shape
}

/**
 * The field numbers of a message, each as often as it occurs.
 *
 * Generated decoders take it on trust that a field has the type of its number, and that a message
 * inside another ends where it says. What breaks either is read as something that nobody meant, and by
 * another decoder as something else; here it is an error. Unknown fields are passed over.
 *
 * @throws when the bytes are not a message of this shape
 */
export function fieldsOf (message: Uint8Array | Uint8ArrayList, shape: Shape = {}): number[] {
  const input = reader(message)

  return readFields(input, input.len, shape)
}

function readFields (input: Reader, end: number, shape: Shape): number[] {
  const fields: number[] = []

  while (input.pos < end) {
    const tag = input.uint32()
    const field = tag >>> 3
    const wireType = tag & 7
    const expected = shape[field]
    fields.push(field)

    if (expected == null) {
      input.skipType(wireType)
    } else if (wireType !== (typeof expected === 'number' ? expected : BYTES)) {
      throw new TypeError(`field ${field} has the wrong type`)
    } else if (typeof expected === 'number') {
      input.skipType(wireType)
    } else {
      const length = input.uint32()
      readFields(input, input.pos + length, expected)
    }

    if (input.pos > end) {
      throw new RangeError(`field ${field} is longer than its message`)
    }
  }

  return fields
}
