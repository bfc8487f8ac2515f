import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import { Uint8ArrayList } from 'uint8arraylist'
import { decodeStrictly, decodeRequest } from '../../src/point/codec.ts'
import { MessageDecoder } from '../../src/protocol/message-decoder.ts'
import { decodeWatchRequest } from '../../src/point/watch/codec.ts'
import { Message } from '../../src/protocol/message.ts'
import { WatchRequest } from '../../src/protocol/watch.ts'
import { mutated, parse } from '../fields.ts'
import { MESSAGE, NAMESPACES, pageOf, requestOf } from '../messages.ts'
import { PEERS } from '../pool.ts'
import { pointThatSays, refused } from '../remote.ts'
import { hex, unhex } from '../target.ts'
import type { Nesting } from '../fields.ts'
import type { Choice, Target } from '../target.ts'
import type { PeerId } from '@libp2p/interface'

interface DecoderMessage {
  decoder: keyof typeof DECODERS
  bytes: string
  /** How many registrations are asked for, or for how many seconds, or bytes that come at a time. */
  number: number
}

const WATCH_REQUEST: Nesting = { 1: {}, 2: {}, 3: {} }
const FRAMES: Nesting = {}

/** Bytes of a message, or of a stream: more takes long, and finds nothing else. */
const MAX_LENGTH = 16 * 1024

function typeOf (file: string, type: string): protobuf.Type {
  return protobuf.parse(readFileSync(new URL(`../../proto/${file}`, import.meta.url), 'utf8'), { keepCase: true }).root.lookupType(type)
}

const SpecifiedMessage = typeOf('rendezvous.proto', 'Message')
const SpecifiedWatchRequest = typeOf('watch.proto', 'WatchRequest')

/** What a point or a client reads. Each takes its message, or refuses it as it is to be refused; nothing else happens. */
const DECODERS = {
  request: (bytes: Uint8Array) => {
    const read = attempt(['InvalidMessageError'], () => decodeStrictly(bytes))

    if (read == null) {
      assert.equal(attempt(['InvalidMessageError'], () => decodeRequest(bytes)), undefined, 'a malformed message is a request')

      return
    }

    attempt(['InvalidMessageError'], () => decodeRequest(new Uint8ArrayList(bytes.subarray(0, 3), bytes.subarray(3))))
    assertReadAs(read, SpecifiedMessage, bytes)
  },

  watch: (bytes: Uint8Array) => {
    const read = attempt(['InvalidMessageError'], () => decodeWatchRequest(bytes))

    if (read != null) {
      assertReadAs(WatchRequest.decode(bytes), SpecifiedWatchRequest, bytes)
    }
  },

  listing: async (bytes: Uint8Array, limit: number) => {
    const page = await refused(async () => pointThatSays(PEERS[0]?.peerId as PeerId, bytes).discover(NAMESPACES[0], limit, undefined))

    if (page != null) {
      assert.ok(page.registrations.length <= limit, 'more is listed than was asked for')
      assert.ok(page.cookie == null || (page.cookie.byteLength > 0 && page.cookie.byteLength <= 1_024 && page.cookie.buffer.byteLength === page.cookie.byteLength), 'the cookie')
    }
  },

  grant: async (bytes: Uint8Array, seconds: number) => {
    const ttl = (1 + seconds) * 1_000
    const record = { envelope: PEERS[0]!.envelopes[0] as Uint8Array, inOtherForm: async () => PEERS[0]!.envelopes[1] as Uint8Array }
    const granted = await refused(async () => pointThatSays(PEERS[0]?.peerId as PeerId, bytes).register('ns-0', record as any, ttl))
    assert.ok(granted == null || (granted > 0 && granted <= ttl), `${granted} ms are granted where ${ttl} were asked for`)
  },

  frames: (bytes: Uint8Array, chunk: number) => {
    const decoder = new MessageDecoder(1_000)
    const messages: string[] = []
    const error = attempt(['InvalidDataLengthError', 'InvalidDataLengthLengthError'], () => {
      for (let at = 0; at < bytes.byteLength; at += 1 + chunk) {
        decoder.push(bytes.subarray(at, at + 1 + chunk))

        for (let message; (message = decoder.take()) != null;) {
          messages.push(hex(message.subarray()))
        }
      }

      return decoder.isInside ? 'inside' : 'between'
    })
    const expected = framesOf(bytes, 1_000)
    assert.deepEqual([messages, error], expected, 'the messages in a stream')
  }
}

/** What is in a stream, said simply. */
function framesOf (bytes: Uint8Array, max: number): [string[], 'inside' | 'between' | undefined] {
  const messages: string[] = []
  let at = 0

  while (at < bytes.byteLength) {
    const end = bytes.subarray(at, at + 9).findIndex(byte => byte < 128)

    if (end === -1) {
      // a length of more bytes than any has
      return [messages, bytes.byteLength - at > 5 ? undefined : 'inside']
    }

    if (end > 0 && bytes[at + end] === 0) {
      // longer than it has to be, as multiformats' unsigned varints may not be
      return [messages, undefined]
    }

    const length = [...bytes.subarray(at, at + end + 1)].reduceRight((length, byte) => length * 128 + (byte & 127), 0)

    if (length > max) {
      return [messages, undefined]
    }

    at += end + 1

    if (at + length > bytes.byteLength) {
      return [messages, 'inside']
    }

    messages.push(hex(bytes.subarray(at, at += length)))
  }

  return [messages, 'between']
}

/** Both decoders, of requests and of responses, and what takes messages out of a stream. */
export function decodersTarget (): Target<DecoderMessage> {
  return {
    begin: () => ({
      message: makeMessage,

      send: async ({ decoder, bytes, number }) => {
        await DECODERS[decoder](unhex(bytes), number)
      }
    })
  }
}

function makeMessage (choice: Choice): DecoderMessage {
  const { what, which, more, mutations } = choice
  const decoder = Object.keys(DECODERS)[what % 5] as keyof typeof DECODERS
  const [make, nesting] = MAKERS[decoder]
  const message = mutated(make(choice), () => make({ ...choice, which: more, more: which }), nesting, mutations).subarray(0, MAX_LENGTH)

  return { decoder, bytes: hex(message), number: more % 12 }
}

const bytes = (choice: Choice): Uint8Array => Message.encode(requestOf({ ...choice, what: choice.more % 20 }, []).message)

const MAKERS: Record<keyof typeof DECODERS, [make: (choice: Choice) => Uint8Array, nesting: Nesting]> = {
  request: [bytes, MESSAGE],
  watch: [({ which, more }) => WatchRequest.encode([
    { subscribe: { id: more, ns: NAMESPACES[which % NAMESPACES.length] as string, cookie: new Uint8Array(more % 20), bothForms: more % 3 === 0, ...(more % 5 === 0 ? { token: 'a.b.c' } : {}) } },
    { unsubscribe: { id: more } },
    { presence: { live: more % 2 === 0 } }
  ][which % 3] as WatchRequest), WATCH_REQUEST],
  listing: [choice => Message.encode(pageOf(choice, NAMESPACES[0])), MESSAGE],
  grant: [({ which, more }) => Message.encode({
    type: Message.MessageType.REGISTER_RESPONSE,
    registerResponse: which % 4 === 3 ? { status: STATUSES[more % STATUSES.length] as Message.ResponseStatus, statusText: NAMESPACES[more % NAMESPACES.length] as string } : { status: Message.ResponseStatus.OK, ttl: BigInt(more % 20) }
  }), MESSAGE],
  // lengths and what they are of, without tags: a field of it reads as one of a message, mostly
  frames: [choice => {
    const frames = [bytes(choice), new Uint8Array(), new Uint8Array(choice.more % 1_100)].slice(choice.which % 3)

    return Buffer.concat(frames.flatMap(frame => [frame.byteLength < 128 ? Uint8Array.of(frame.byteLength) : Uint8Array.of(frame.byteLength & 127 | 128, frame.byteLength >> 7), frame]))
  }, FRAMES]
}

const STATUSES = Object.values(Message.ResponseStatus).filter(status => typeof status === 'string')

function attempt <T> (refusals: string[], read: () => T): T | undefined {
  try {
    return read()
  } catch (err: any) {
    if (!refusals.includes(err.name)) {
      throw err
    }
  }
}

function assertReadAs (read: unknown, type: protobuf.Type, bytes: Uint8Array): void {
  assert.deepEqual(plain(read), plain(simplyRead(bytes, type)), 'what is read is not what is there')
}

/** A reader of any schema that has nothing to do with those of libraries, which have each other's faults. */
function simplyRead (bytes: Uint8Array, type: protobuf.Type): Record<string, unknown> {
  const message: Record<string, unknown> = {}

  for (const { number, content } of parse(bytes, {})) {
    const field = type.fieldsById[number]?.resolve()

    if (field != null) {
      const value = simplyReadValue(content as bigint | Uint8Array, field)
      message[field.name] = field.repeated ? [...message[field.name] as unknown[] ?? [], value] : value
    }
  }

  return message
}

function simplyReadValue (content: bigint | Uint8Array, { type, resolvedType }: protobuf.Field): unknown {
  if (typeof content === 'bigint') {
    return resolvedType instanceof protobuf.Enum
      ? resolvedType.valuesById[Number(BigInt.asIntN(32, content))]
      : type === 'bool' ? content !== 0n : BigInt.asUintN(type === 'uint64' ? 64 : 32, content)
  }

  return resolvedType instanceof protobuf.Type
    ? simplyRead(content, resolvedType)
    : type === 'string' ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(content) : content
}

/** The same for both: numbers as text, bytes as hex, and no empty lists. */
function plain (value: any): unknown {
  if (value instanceof Uint8Array) {
    return hex(value)
  } else if (Array.isArray(value)) {
    return value.map(plain)
  } else if (typeof value === 'object' && value != null) {
    return Object.fromEntries(Object.entries(value).filter(([, value]) => value != null && !(Array.isArray(value) && value.length === 0)).map(([name, value]) => [name, plain(value)]))
  }

  return typeof value === 'boolean' ? value : String(value)
}
