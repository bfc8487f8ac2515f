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

/**
 * A number of 32 bits: an enum, a uint32, a bool. Where one has more than five bytes, its reader takes it to have
 * ten, and goes on elsewhere than others do; of a length that needs more bits, it drops those.
 */
export const SHORT = 'short'
const MAX_SHORT_LENGTH = 5

/** Bytes of a number of 64 bits, of which the last has one. */
const MAX_LENGTH = 10

/** What nobody writes any more. */
const START_GROUP = 3

/** The content of a field: a number, bytes or a string, or a message of its own. */
type Content = typeof VARINT | typeof SHORT | typeof BYTES | Shape

/** What a message holds under each field number. In an array: any number of times, otherwise once at the most. */
export interface Shape {
  readonly [field: number]: Content | readonly [Content]
}

/**
 * The field numbers of a message, each as often as it occurs.
 *
 * Generated decoders take it on trust that a field has the type of its number, and that a message
 * inside another ends where it says. What breaks either is read as something that nobody meant, and by
 * another decoder as something else; so is a field that is there twice, of which some take the first and
 * others the last. Here all of it is an error, as are groups, which not everybody can pass over. Unknown
 * fields are passed over.
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
    const tag = readShort(input)
    const field = tag >>> 3
    const wireType = tag & 7
    const expected = shape[field]
    const content = isRepeated(expected) ? expected[0] : expected

    if (field === 0) {
      throw new TypeError('a field has no number')
    }

    if (wireType === START_GROUP) {
      throw new TypeError(`field ${field} is a group`)
    }

    if (content != null && content === expected && fields.includes(field)) {
      throw new TypeError(`field ${field} is there twice`)
    }

    if (content != null && wireType !== (content === VARINT || content === SHORT ? VARINT : BYTES)) {
      throw new TypeError(`field ${field} has the wrong type`)
    }

    fields.push(field)

    if (content === SHORT) {
      readShort(input)
    } else if (wireType === VARINT) {
      skipNumber(input)
    } else if (wireType !== BYTES) {
      input.skipType(wireType)
    } else if (typeof content === 'object') {
      const length = readShort(input)
      readFields(input, input.pos + length, content)
    } else {
      input.skip(readShort(input))
    }

    if (input.pos > end) {
      throw new RangeError(`field ${field} is longer than its message`)
    }
  }

  return fields
}

function readShort (input: Reader): number {
  const start = input.pos
  const value = input.uint32()
  // of five bytes, the last has four bits; the reader drops what else is there
  checkBits(input, start, MAX_SHORT_LENGTH, 0b1111)

  return value
}

/** A number of 64 bits. The reader passes over one of any length, at which others fail, whoever has listed it. */
function skipNumber (input: Reader): void {
  const start = input.pos
  input.skipType(VARINT)
  checkBits(input, start, MAX_LENGTH, 0b1)
}

/** A number has so many bytes at the most, and no more than `last` in the last of those. */
function checkBits ({ buf, pos }: Reader, start: number, most: number, last: number): void {
  const length = pos - start

  if (length > most || (length === most && (buf[pos - 1] as number) > last)) {
    throw new RangeError('a number has more bits than it can')
  }
}

function isRepeated (content: Shape[number] | undefined): content is readonly [Content] {
  return Array.isArray(content)
}
