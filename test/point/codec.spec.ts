import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import { decodeRequest, decodeStrictly, MESSAGE } from '../../src/point/codec.ts'
import { Message } from '../../src/protocol/message.ts'
import { BYTES, SHORT, VARINT } from '../../src/protocol/patches/protons.ts'
import * as requests from '../fixtures/requests.ts'
import type { Shape } from '../../src/protocol/patches/protons.ts'

/**
 * The schema as the specification prints it (libp2p/specs, rendezvous/README.md r3), in proto2, and the extensions: what
 * an independent implementation is generated from.
 */
const SPECIFICATION = `
syntax = "proto2";
message Message {
  enum MessageType {
    REGISTER = 0;
    REGISTER_RESPONSE = 1;
    UNREGISTER = 2;
    DISCOVER = 3;
    DISCOVER_RESPONSE = 4;
  }
  enum ResponseStatus {
    OK                            = 0;
    E_INVALID_NAMESPACE           = 100;
    E_INVALID_SIGNED_PEER_RECORD  = 101;
    E_INVALID_TTL                 = 102;
    E_INVALID_COOKIE              = 103;
    E_NOT_AUTHORIZED              = 200;
    E_INTERNAL_ERROR              = 300;
    E_UNAVAILABLE                 = 400;
  }
  message Register {
    optional string ns = 1;
    optional bytes signedPeerRecord = 2;
    optional uint64 ttl = 3;
    // docs/extensions.md
    optional bytes otherSignedPeerRecord = 101;
    optional string token = 102;
  }
  message RegisterResponse {
    optional ResponseStatus status = 1;
    optional string statusText = 2;
    optional uint64 ttl = 3;
  }
  message Unregister {
    optional string ns = 1;
  }
  message Discover {
    optional string ns = 1;
    optional uint64 limit = 2;
    optional bytes cookie = 3;
    // docs/extensions.md
    optional bool sample = 101;
    optional bool bothForms = 102;
    optional string token = 103;
  }
  message DiscoverResponse {
    repeated Register registrations = 1;
    optional bytes cookie = 2;
    optional ResponseStatus status = 3;
    optional string statusText = 4;
  }
  optional MessageType type = 1;
  optional Register register = 2;
  optional RegisterResponse registerResponse = 3;
  optional Unregister unregister = 4;
  optional Discover discover = 5;
  optional DiscoverResponse discoverResponse = 6;
}`

const { root } = protobuf.parse(SPECIFICATION, { keepCase: true })
const Specified = root.lookupType('Message')

/** The names of a generated enum, which also has its codec. */
function names <T extends string> (values: Record<string, T | unknown>): T[] {
  return Object.values(values).filter(value => typeof value === 'string') as T[]
}

const STATUSES = names<Message.ResponseStatus>(Message.ResponseStatus)
const TYPES = names<Message.MessageType>(Message.MessageType)

function encodeElsewhere (message: object): Uint8Array {
  return Uint8Array.from(Specified.encode(Specified.fromObject(plain(message))).finish())
}

function plain (value: any): any {
  if (typeof value === 'bigint') {
    return (protobuf.util.Long as any).fromString(value.toString(), true)
  } else if (Array.isArray(value)) {
    return value.map(plain)
  } else if (value?.constructor === Object) {
    return Object.fromEntries(Object.entries(value).map(([name, value]) => [name, plain(value)]))
  }

  return value
}

/** What protobufjs reads, in the form of the generated types: enums by name, 64 bits as bigint. */
function decodeElsewhere (bytes: Uint8Array): unknown {
  return generated(Specified.toObject(Specified.decode(bytes), { longs: String, enums: String, arrays: false }), 'Message')
}

function generated (object: any, type: string): any {
  const result = Object.fromEntries(Object.entries<any>(object).map(([name, value]) => {
    if (name === 'ttl' || name === 'limit') {
      return [name, BigInt(value)]
    } else if (name === 'registrations') {
      return [name, value.map((one: any) => generated(one, 'Register'))]
    }

    return [name, value?.constructor === Object ? generated(value, name) : value instanceof Uint8Array ? Uint8Array.from(value) : value]
  }))

  // a repeated field is never absent
  return type === 'discoverResponse' ? { registrations: [], ...result } : result
}

const UINT64 = [0n, 1n, 127n, 128n, 7200n, 2n ** 21n, 2n ** 28n, 2n ** 32n, 2n ** 35n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
const text = fc.string({ unit: 'grapheme' })
const bytes = fc.uint8Array({ maxLength: 300 }).map(value => Uint8Array.from(value))
const uint64 = fc.oneof(fc.constantFrom(...UINT64), fc.bigInt(0n, 2n ** 64n - 1n).filter(value => !isWrittenWrong(value)))

/** What protons-runtime 7.1 writes wrong. Nothing here writes such a number: point and client bound TTLs and limits. */
function isWrittenWrong (value: bigint): boolean {
  return value >= 2n ** 31n && value < 2n ** 32n
}
const status = fc.constantFrom(...STATUSES)

function fields <T extends Record<string, fc.Arbitrary<unknown>>> (model: T, requiredKeys: Array<keyof T> = []): fc.Arbitrary<any> {
  return fc.record(model, { requiredKeys } as any)
}

const register = fields({ ns: text, signedPeerRecord: bytes, ttl: uint64, otherSignedPeerRecord: bytes, token: text })
const message: fc.Arbitrary<Message> = fields({
  type: fc.constantFrom(...TYPES),
  register,
  registerResponse: fields({ status, statusText: text, ttl: uint64 }),
  unregister: fields({ ns: text }),
  discover: fields({ ns: text, limit: uint64, cookie: bytes, sample: fc.boolean(), bothForms: fc.boolean(), token: text }),
  discoverResponse: fields({ registrations: fc.array(register, { maxLength: 5 }), cookie: bytes, status, statusText: text }, ['registrations'])
})

const record = new Uint8Array(300).fill(7)
const everyMessage: Array<[string, Message]> = [
  ['REGISTER', { type: Message.MessageType.REGISTER, register: { ns: 'my-app', signedPeerRecord: record, ttl: 7200n } }],
  ['REGISTER in both forms', { type: Message.MessageType.REGISTER, register: { ns: 'my-app', signedPeerRecord: record, ttl: 7200n, otherSignedPeerRecord: record } }],
  ['REGISTER without fields', { type: Message.MessageType.REGISTER, register: {} }],
  ['REGISTER_RESPONSE', { type: Message.MessageType.REGISTER_RESPONSE, registerResponse: { status: Message.ResponseStatus.OK, statusText: 'welcome', ttl: 7200n } }],
  ['REGISTER_RESPONSE without fields', { type: Message.MessageType.REGISTER_RESPONSE, registerResponse: {} }],
  ['UNREGISTER', { type: Message.MessageType.UNREGISTER, unregister: { ns: 'my-app' } }],
  ['UNREGISTER without fields', { type: Message.MessageType.UNREGISTER, unregister: {} }],
  ['DISCOVER', { type: Message.MessageType.DISCOVER, discover: { ns: 'my-app', limit: 100n, cookie: Uint8Array.of(1, 2, 3) } }],
  ['DISCOVER of both forms', { type: Message.MessageType.DISCOVER, discover: { ns: 'my-app', bothForms: true } }],
  ['DISCOVER without fields', { type: Message.MessageType.DISCOVER, discover: {} }],
  ['DISCOVER_RESPONSE', { type: Message.MessageType.DISCOVER_RESPONSE, discoverResponse: { registrations: [{ ns: 'my-app', signedPeerRecord: record, ttl: 1n }, {}], cookie: Uint8Array.of(1), status: Message.ResponseStatus.E_UNAVAILABLE, statusText: 'no' } }],
  ['DISCOVER_RESPONSE without fields', { type: Message.MessageType.DISCOVER_RESPONSE, discoverResponse: { registrations: [] } }],
  ['a message without fields', {}],
  ['a message with every part', {
    type: Message.MessageType.REGISTER,
    register: {},
    registerResponse: {},
    unregister: {},
    discover: {},
    discoverResponse: { registrations: [{}] }
  }],
  ['zeros and nothing, set', {
    type: Message.MessageType.REGISTER,
    register: { ns: '', signedPeerRecord: new Uint8Array(), ttl: 0n },
    discover: { ns: '', limit: 0n, cookie: new Uint8Array() },
    registerResponse: { status: Message.ResponseStatus.OK, statusText: '', ttl: 0n }
  }],
  ...UINT64.map((ttl): [string, Message] => [`a TTL of ${ttl}`, { register: { ttl }, registerResponse: { ttl }, discover: { limit: ttl } }]),
  ...STATUSES.map((status): [string, Message] => [`the status ${status}`, { registerResponse: { status }, discoverResponse: { registrations: [], status } }]),
  ['namespaces of every script', { unregister: { ns: 'a é 漢 🜁 \u0000 \ufeff \u{10ffff}' } }]
]

describe('the schema', () => {
  it('has the numbers, types and names of the specification', async () => {
    const ours = protobuf.parse(await readFile(new URL('../../proto/rendezvous.proto', import.meta.url), 'utf8'), { keepCase: true }).root.lookupType('Message')
    const describeType = (type: protobuf.Type): unknown => ({
      fields: type.fieldsArray.map(({ id, name, type, repeated }) => ({ id, name, type, repeated })),
      nested: Object.fromEntries(type.nestedArray.map(nested => [nested.name, nested instanceof protobuf.Enum ? nested.values : describeType(nested as protobuf.Type)]))
    })

    expect(describeType(ours)).toEqual(describeType(Specified))
    expect(ours.lookupType('Unregister').reserved).toEqual([[2, 2]])
  })

  it('is the one that messages are checked against', () => {
    const shapeOf = (type: protobuf.Type): Shape => Object.fromEntries(type.fieldsArray.map(field => {
      field.resolve()

      const content = field.resolvedType instanceof protobuf.Type
        ? shapeOf(field.resolvedType)
        : field.type === 'string' || field.type === 'bytes' ? BYTES : field.type === 'uint64' ? VARINT : SHORT

      return [field.id, field.repeated ? [content] : content]
    })) as Shape

    expect(MESSAGE).toEqual(shapeOf(Specified))
  })
})

describe.each(everyMessage)('%s', (_, message) => {
  it('is written as another encoder writes it', () => {
    expect(Message.encode(message)).toEqual(encodeElsewhere(message))
  })

  it('is read by another decoder', () => {
    expect(decodeElsewhere(Message.encode(message))).toEqual(message)
  })

  it('is read as another encoder wrote it', () => {
    expect(decodeStrictly(encodeElsewhere(message))).toEqual(message)
    expect(Message.decode(encodeElsewhere(message))).toEqual(message)
  })
})

describe('any message', () => {
  it('is written and read as elsewhere', () => {
    fc.assert(fc.property(message, message => {
      const encoded = Message.encode(message)

      expect(encoded).toEqual(encodeElsewhere(message))
      expect(decodeStrictly(encoded)).toEqual(message)
      expect(decodeElsewhere(encoded)).toEqual(message)
    }), { numRuns: 500 })
  })

  it('with a bit wrong is read, or refused as malformed, and nothing else happens', () => {
    fc.assert(fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, place, change) => {
      const encoded = Message.encode(message)

      if (encoded.length > 0) {
        encoded[place % encoded.length]! ^= change
      }

      try {
        decodeStrictly(encoded)
      } catch (err: any) {
        expect(err.name).toBe('InvalidMessageError')
      }
    }), { numRuns: 2_000 })
  })
})

it('numbers that take all of 32 bits are read, though nobody here writes them', () => {
  for (const ttl of [2n ** 31n, 2n ** 32n - 1n]) {
    expect(decodeStrictly(encodeElsewhere({ register: { ttl } })).register?.ttl).toBe(ttl)
  }
})

describe('what the schema does not know', () => {
  const newer = protobuf.parse(`
    syntax = "proto2";
    message Message {
      message Register { optional string ns = 1; optional string extra = 9; optional fixed64 more = 10; optional fixed32 less = 11; optional group Old = 12 { optional string id = 1; } }
      message Unregister { optional string ns = 1; optional bytes id = 2; }
      optional int32 type = 1;
      optional Register register = 2;
      optional Unregister unregister = 4;
      optional string comment = 100;
    }`, { keepCase: true }).root.lookupType('Message')

  function encodeNewer (message: object): Uint8Array {
    return Uint8Array.from(newer.encode(newer.fromObject(message)).finish())
  }

  it('is passed over', () => {
    const encoded = encodeNewer({ type: 0, register: { ns: 'my-app', extra: 'x', more: 1, less: 2, Old: { id: 'y' } }, comment: 'from the future' })

    expect(decodeStrictly(encoded)).toEqual({ type: 'REGISTER', register: { ns: 'my-app' } })
  })

  it('includes the id that UNREGISTER once had', () => {
    expect(decodeStrictly(encodeNewer({ type: 2, unregister: { ns: 'my-app', id: new Uint8Array(34) } })))
      .toEqual({ type: 'UNREGISTER', unregister: { ns: 'my-app' } })
  })

  it.each([5, 6, 99, -1, 2 ** 31 - 1])('a message type of %d is malformed', type => {
    expect(() => decodeStrictly(encodeNewer({ type }))).toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })

  it.each([1, 99, 104, 500, -1])('a status of %d is malformed', status => {
    const encoded = Specified.encode(Specified.create({ registerResponse: { status } })).finish()

    expect(() => decodeStrictly(encoded)).toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })
})

describe('malformed messages', () => {
  it.each([
    ['a byte that starts nothing', [0xc3]],
    ['half of a character', [0xe6, 0xbc]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond the last character', [0xf4, 0x90, 0x80, 0x80]]
  ])('a namespace that is not UTF-8 is refused: %s', (_, ns) => {
    const unregister = [0x0a, ns.length, ...ns]

    expect(() => decodeStrictly(Uint8Array.of(0x08, 2, 0x22, unregister.length, ...unregister)))
      .toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })

  it('keeps a byte order mark, which is part of the namespace', () => {
    expect(decodeStrictly(encodeElsewhere({ unregister: { ns: '\ufeffmy-app' } })).unregister?.ns).toBe('\ufeffmy-app')
  })

  it.each([
    ['a field twice', [0x0a, 1, 0x61, 0x0a, 1, 0x62]],
    ['a group', [0x0a, 1, 0x61, 0x7b, 0x7c]]
  ])('what some decoders read otherwise is refused: %s', (_, unregister) => {
    expect(() => decodeStrictly(Uint8Array.of(0x08, 2, 0x22, unregister.length, ...unregister)))
      .toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })

  it('a number that is cut off is refused, whatever its length', () => {
    for (const ttl of UINT64.filter(ttl => ttl >= 128n)) {
      const encoded = Message.Register.encode({ ttl })

      for (let length = 2; length < encoded.length; length++) {
        const register = encoded.slice(0, length)

        expect(() => decodeStrictly(Uint8Array.of(0x12, register.length, ...register)), `${ttl} cut to ${length - 1} bytes`)
          .toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
      }
    }
  })

  it('every message that is cut off is refused, or is another whole one', () => {
    for (const [, message] of everyMessage) {
      const encoded = encodeElsewhere(message)

      for (let length = 0; length < encoded.length; length++) {
        const cut = encoded.slice(0, length)
        let read: Message | undefined

        try {
          read = decodeStrictly(cut)
        } catch (err: any) {
          expect(err.name).toBe('InvalidMessageError')
        }

        if (read != null) {
          expect(Message.encode(read)).toEqual(cut)
        }
      }
    }
  })

  it.each([
    ['a type that is bytes', [0x0a, 0x00]],
    ['a namespace that is a number', [0x22, 2, 0x08, 0]],
    ['a part that is a number', [0x20, 3]],
    ['a namespace longer than its part', [0x22, 3, 0x0a, 6, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66]],
    ['a part longer than the message', [0x22, 4, 0x0a, 1, 0x61]],
    ['an unknown field longer than its part', [0x22, 2, 0x7a, 4, 0x61, 0x62, 0x63, 0x64]],
    ['a wire type that there is none of', [0x0f]],
    ['a group that does not end', [0x7b]],
    ['a tag that does not end', [0x80, 0x80]],
    ['a field without a number', [0x00, 0x00]],
    ['a tag of more than 32 bits', [0xfa, 0x80, 0x80, 0x80, 0x10, 1, 0x61]],
    ['a tag that is longer than 32 bits can be', [0xfa, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 0x61]],
    ['an unknown number that is longer than 64 bits can be', [0x78, ...Array(10).fill(0x80), 0x01]],
    ['an unknown number of more than 64 bits', [0x78, ...Array(9).fill(0x80), 0x02]],
    ['an unknown length of more than 32 bits', [0x7a, 0x81, 0x80, 0x80, 0x80, 0x10, 0x61]],
    ['a length of more than 32 bits', [0x22, 8, 0x0a, 0x81, 0x80, 0x80, 0x80, 0x10, 0x61]],
    ['a part whose length has more than 32 bits', [0x22, 0x83, 0x80, 0x80, 0x80, 0x10, 0x0a, 1, 0x61]]
  ])('is refused: %s', (_, message) => {
    expect(() => decodeStrictly(Uint8Array.from(message))).toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })

  it.each([
    // what generated decoders take for the end of such a number is ten bytes from its beginning
    ['a type', [0x08, 0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 0x22, 3, 0x0a, 1, 0x61]],
    ['a type, with fields that only some see', [0x08, 0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 0x7a, 1, 0x61, 0x22, 0x22, 3, 0x0a, 1, 0x61]],
    ['a tag', [0xa2, 0x80, 0x80, 0x80, 0x80, 0x00, 3, 0x0a, 1, 0x61, 0x08, 2]],
    ['a length', [0x08, 2, 0x22, 0x83, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0a, 1, 0x61, 0x7a, 4, 0, 0, 0, 0]],
    ['a length beyond all', [0x08, 2, 0x22, 0x83, 0x80, 0x80, 0x80, 0x10, 0x0a, 1, 0x61]],
    ['an unknown tag', [0x08, 2, 0xfa, 0x80, 0x80, 0x80, 0x80, 0x00, 0, 0, 0, 0, 0x22, 3, 0x0a, 1, 0x61]],
    ['the length of something unknown', [0x08, 2, 0x7a, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 0x61, 0x22, 3, 0x0a, 1, 0x61]]
  ])('is refused: more than a number of 32 bits has, for %s', (_, message) => {
    expect(() => decodeStrictly(Uint8Array.from(message))).toThrow(expect.objectContaining({ message: expect.stringMatching('more bits') }))
  })

  it('groups inside groups end with the message, not with the stack', () => {
    expect(() => decodeStrictly(new Uint8Array(500_000).fill(0x0b)))
      .toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })
})

describe('a request', () => {
  const record = Uint8Array.of(1, 2, 3)
  const cookie = new Uint8Array(8)

  it.each([
    ['REGISTER', requests.register('my-app', record, 7_200n), { type: 'register', namespace: 'my-app', signedPeerRecord: record, ttl: 7_200n }],
    ['REGISTER in both forms', requests.register('my-app', record, 7_200n, cookie), { type: 'register', namespace: 'my-app', signedPeerRecord: record, ttl: 7_200n, otherRecord: cookie }],
    ['REGISTER with an empty record in the other form', requests.register('my-app', record, undefined, new Uint8Array()), { type: 'register', namespace: 'my-app', signedPeerRecord: record }],
    ['REGISTER of nothing', requests.register(undefined, undefined), { type: 'register' }],
    ['REGISTER without a type, as writers of proto3 leave out a zero', Message.encode({ register: { ns: 'my-app' } }), { type: 'register', namespace: 'my-app' }],
    ['REGISTER beside other parts', Message.encode({ type: Message.MessageType.REGISTER, register: { ns: 'my-app' }, discover: { ns: 'other' } }), { type: 'register', namespace: 'my-app' }],
    ['UNREGISTER', requests.unregister('my-app'), { type: 'unregister', namespace: 'my-app' }],
    ['UNREGISTER without a namespace', requests.unregister(), { type: 'unregister' }],
    ['UNREGISTER where empty is what some send for none', requests.unregister(''), { type: 'unregister' }],
    ['DISCOVER', requests.discover('my-app', { limit: 5n, cookie }), { type: 'discover', namespace: 'my-app', limit: 5, cookie, sample: false, bothForms: false }],
    ['DISCOVER of a sample', requests.discover('my-app', { sample: true }), { type: 'discover', namespace: 'my-app', sample: true, bothForms: false }],
    ['DISCOVER of both forms', requests.discover('my-app', { bothForms: true }), { type: 'discover', namespace: 'my-app', sample: false, bothForms: true }],
    ['DISCOVER with a token', Message.encode({ type: Message.MessageType.DISCOVER, discover: { token: 'a.b.c' } }), { type: 'discover', sample: false, bothForms: false, token: 'a.b.c' }],
    ['DISCOVER with an empty token', Message.encode({ type: Message.MessageType.DISCOVER, discover: { token: '' } }), { type: 'discover', sample: false, bothForms: false }],
    ['REGISTER with a token', Message.encode({ type: Message.MessageType.REGISTER, register: { token: 'a.b.c' } }), { type: 'register', token: 'a.b.c' }],
    ['DISCOVER of all namespaces', requests.discover(), { type: 'discover', sample: false, bothForms: false }],
    ['DISCOVER where empty is what some send for none', requests.discover('', { limit: 0n, cookie: new Uint8Array() }), { type: 'discover', sample: false, bothForms: false }],
    ['DISCOVER with the largest limit', requests.discover('my-app', { limit: 2n ** 64n - 1n }), { type: 'discover', namespace: 'my-app', limit: 2 ** 64, sample: false, bothForms: false }]
  ])('is read from %s', (_, message, request) => {
    expect(decodeRequest(message)).toEqual(request)
  })

  it.each(requests.OUT_OF_TURN)('is not what is none: %s', (_, message) => {
    expect(() => decodeRequest(message)).toThrow(expect.objectContaining({ name: 'InvalidMessageError' }))
  })
})
