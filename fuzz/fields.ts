/**
 * A protobuf message as fields that can be made wrong, each in its own way.
 */
export interface Field {
  number: number
  /** What its tag says. How the content is written does not follow it. */
  wireType: number
  content: bigint | Uint8Array | Field[]
  /** Bytes that its number or length is longer than it has to be. */
  padding: number
  /** By how much its length is wrong. */
  excess: number
}

/** The fields that hold a message, each with those of its own. */
export interface Nesting {
  readonly [field: number]: Nesting
}

/** One change: its kind, the field that is changed, and with what. */
export type Mutation = readonly [kind: number, place: number, value: number]

const VARINT = 0
const FIXED64 = 1
const FIXED32 = 5
const BYTES = 2

/** Around each width of a number that an implementation may have. */
const NUMBERS = [0n, 1n, 2n, 3n, 4n, 5n, 100n, 127n, 128n, 400n, 16_383n, 16_384n, 7_200n, 259_200n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]

const STRINGS: Uint8Array[] = [
  ...['', '\0', 'a', 'ns-0', '/', '@', '%', '\u202e', '\u2028', '\ufeffns-0', '\ufffd', 'é', 'e\u0301', '🜁', '__proto__', 'constructor'].map(text => new TextEncoder().encode(text)),
  // no text: half a character, an overlong slash, a surrogate, beyond the last character
  ...[[0xff], [0xe6, 0xbc], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]].map(bytes => Uint8Array.from(bytes)),
  ...[7, 8, 9, 32, 255, 256, 1_024, 1_025, 4_096, 4_097].map(length => new Uint8Array(length).fill(0x61))
]

/** Bytes are shared: nothing is changed in them. */
function cloned (field: Field): Field {
  return { ...field, content: Array.isArray(field.content) ? field.content.map(cloned) : field.content }
}

export function field (number: number, content: Field['content']): Field {
  return { number, wireType: typeof content === 'bigint' ? VARINT : BYTES, content, padding: 0, excess: 0 }
}

/** Reads a message, as if what is wrong with it were not: of fields it has numbers and what has a length, and passes over others. */
export function parse (bytes: Uint8Array, nesting: Nesting): Field[] {
  const fields: Field[] = []
  let at = 0

  const number = (): bigint => {
    let value = 0n

    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0
      value |= BigInt(byte & 127) << shift

      if (byte < 128) {
        return value
      }
    }
  }

  while (at < bytes.byteLength) {
    const tag = Number(BigInt.asUintN(32, number()))

    if ((tag & 7) === FIXED64 || (tag & 7) === FIXED32) {
      at += (tag & 7) === FIXED64 ? 8 : 4
      continue
    }

    const value = number()

    if ((tag & 7) === VARINT) {
      fields.push(field(tag >>> 3, value))
    } else {
      const content = bytes.subarray(at, at += Number(value))
      const inner = nesting[tag >>> 3]
      fields.push(field(tag >>> 3, inner == null ? content : parse(content, inner)))
    }
  }

  return fields
}

export function encode (fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields.flatMap(({ number, wireType, content, padding, excess }) => {
    const tag = varint(BigInt(number) << 3n | BigInt(wireType))

    if (typeof content === 'bigint') {
      return [tag, varint(content, padding)]
    }

    const bytes = content instanceof Uint8Array ? content : encode(content)

    return [tag, varint(BigInt(Math.max(0, bytes.byteLength + excess)), padding), bytes]
  }))
}

function varint (value: bigint, padding: number = 0): Uint8Array {
  const bytes: number[] = []

  while (value > 127n) {
    bytes.push(Number(value & 127n) | 128)
    value >>= 7n
  }

  return Uint8Array.from(padding === 0 ? [...bytes, Number(value)] : [...bytes, Number(value) | 128, ...new Array(padding - 1).fill(128), 0])
}

interface Place {
  among: Field[]
  index: number
  field: Field
}

function places (among: Field[]): Place[] {
  return among.flatMap((field, index) => [{ among, index, field }, ...(Array.isArray(field.content) ? places(field.content) : [])])
}

/** What is done with a field; `other` has those of another message. */
const MUTATIONS: Array<(place: Place, value: number, other: () => Field[]) => void> = [
  ({ among, index }) => { among.splice(index, 1) },
  ({ among, index, field }) => { among.splice(index, 0, cloned(field)) },
  ({ among, index }, value) => { swap(among, index, value % among.length) },
  ({ field }, value) => { field.content = typeof field.content === 'bigint' ? NUMBERS[value % NUMBERS.length] as bigint : STRINGS[value % STRINGS.length] as Uint8Array },
  ({ field }, value) => { field.content = typeof field.content === 'bigint' ? STRINGS[value % STRINGS.length] as Uint8Array : NUMBERS[value % NUMBERS.length] as bigint },
  // cut short, with a length that is right
  ({ field }, value) => { field.content = typeof field.content === 'bigint' ? field.content >> BigInt(value % 64) : bytesOf(field).slice(0, value % (bytesOf(field).byteLength + 1)) },
  // and with one that is wrong
  ({ field }, value) => { field.excess = [1, -1, 2, 100, 127, 128, 70_000, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1_000][value % 11] as number },
  ({ field }, value) => { field.wireType = value % 8 },
  ({ field }, value) => { field.number = [0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 2 ** 29 - 1, 2 ** 29][value % 12] as number },
  ({ field }, value) => { field.padding = 1 + value % 11 },
  ({ field }, value) => {
    const bytes = Uint8Array.from(bytesOf(field))
    const place = value % (bytes.byteLength || 1)
    bytes[place] = (bytes[place] ?? 0) ^ 1 << value % 8
    field.content = bytes
  },
  ({ among, index, field }, value) => { among.splice(index, 0, { ...cloned(field), number: 7 + value % 30 }) },
  ({ field }) => { field.content = [cloned(field)] },
  ({ among, index, field }, value, other) => {
    const donors = places(other())
    among[index] = donors[value % donors.length]?.field ?? field
  },
  // many of it
  ({ among, index, field }, value) => { among.splice(index, 0, ...Array.from({ length: 2 ** (value % 8) }, () => cloned(field))) }
]

/** What is done with the bytes. */
const RAW: Array<(bytes: Uint8Array, place: number, value: number) => Uint8Array> = [
  (bytes, place, value) => {
    const flipped = Uint8Array.from(bytes)
    flipped[place % (bytes.byteLength || 1)]! ^= 1 << value % 8

    return flipped
  },
  (bytes, place) => bytes.subarray(0, place % (bytes.byteLength + 1)),
  (bytes, place, value) => Buffer.concat([bytes.subarray(0, place % (bytes.byteLength + 1)), STRINGS[value % STRINGS.length] as Uint8Array, bytes.subarray(place % (bytes.byteLength + 1))]),
  // a group that does not end, or a tag that does not
  (bytes, place, value) => Buffer.concat([bytes, new Uint8Array(1 + place % 200).fill([0x0b, 0x80, 0xff, 0x00, 0x0c, 0x7b][value % 6] as number)])
]

export const KINDS = MUTATIONS.length + RAW.length

/**
 * A message with these changes.
 *
 * @param other - one of the same kind, to take parts of
 */
export function mutated (message: Uint8Array, other: () => Uint8Array, nesting: Nesting, mutations: readonly Mutation[]): Uint8Array {
  if (mutations.length === 0) {
    return message
  }

  const fields = parse(message, nesting)
  const raw: Mutation[] = []

  for (const mutation of mutations) {
    const [kind, at, value] = mutation
    const all = places(fields)
    const place = all[at % all.length]
    const change = MUTATIONS[kind % KINDS]

    if (change == null) {
      raw.push(mutation)
    } else if (place != null) {
      change(place, value, () => parse(other(), nesting))
    }
  }

  return raw.reduce((bytes, [kind, place, value]) => (RAW[kind % KINDS - MUTATIONS.length] as typeof RAW[number])(bytes, place, value), encode(fields))
}

/** Bytes that are no message, with these changes. */
export function mutatedBytes (bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  return mutations.reduce((bytes, [kind, place, value]) => (RAW[kind % RAW.length] as typeof RAW[number])(bytes, place * 7 + kind, value), bytes)
}

function bytesOf ({ content }: Field): Uint8Array {
  return content instanceof Uint8Array ? content : typeof content === 'bigint' ? varint(content) : encode(content)
}

function swap (among: Field[], one: number, other: number): void {
  [among[one], among[other]] = [among[other] as Field, among[one] as Field]
}
