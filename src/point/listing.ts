import { encodeUint8Array, encodingLength } from 'uint8-varint'
import { MAX_RESPONSE_SIZE } from '../protocol/constants.ts'
import { Status } from '../protocol/errors.ts'
import { Message } from '../protocol/message.ts'
import { toWireTtl } from '../protocol/ttl.ts'
import { encodeCookie } from './cookie.ts'
import { recordFor } from '../store/form-lists.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { Page } from '../store/types.ts'

/**
 * The response to DISCOVER, written by hand: a page is nearly all there is to encode in this protocol,
 * and the generated encoder takes four times as long for it, most of that in the bookkeeping of three
 * hundred small fields (bench/README.md). The schema is DiscoverResponse and Register in
 * proto/rendezvous.proto; what is written is byte for byte what the generated encoder writes.
 */

/** Field tags: the field number, shifted by three, and the wire type: 0 is a varint, 2 has a length. */
const MESSAGE_TYPE = 1 << 3 | 0
const MESSAGE_DISCOVER_RESPONSE = 6 << 3 | 2
const RESPONSE_REGISTRATIONS = 1 << 3 | 2
const REGISTER_NS = 1 << 3 | 2
const REGISTER_SIGNED_PEER_RECORD = 2 << 3 | 2
const REGISTER_TTL = 3 << 3 | 0

/** DISCOVER_RESPONSE, which the generated enum knows by name only. */
const DISCOVER_RESPONSE = 4

/** Room for the tags and lengths around a response, its status and its cookie. */
const RESPONSE_OVERHEAD = 512

const encoder = new TextEncoder()

export interface Listing {
  response: Uint8Array
  /** How many registrations it holds: fewer than the page had when the page is too large for one message. */
  registrations: number
}

interface EncodedRegister {
  namespace: Uint8Array
  signedPeerRecord: Uint8Array
  ttl: number
  length: number
}

/** How a page was asked for. */
export interface ListingOptions {
  /** Of a sample, the cookie stands at the end of the listing, whatever it holds. */
  isSample?: boolean
  /** The only form of records that its reader can read. */
  reads?: RecordDomain | undefined
}

/** Encodes as much of a page as one message may hold, with the cookie that continues behind it. */
export function encodeListing (page: Page, namespace: string | undefined, now: number, { isSample = false, reads }: ListingOptions = {}): Listing {
  const registers: EncodedRegister[] = []
  let length = 0
  // Stryker disable next-line StringLiteral: any name would do that is encoded as it is
  let name = ''
  let encodedName = encoder.encode(name)
  let cursor = page.cursor

  for (const registration of page.registrations) {
    // most pages are of one namespace
    // Stryker disable next-line ConditionalExpression: it saves encoding the same name again
    if (registration.namespace !== name) {
      name = registration.namespace
      encodedName = encoder.encode(name)
    }

    const register = measure(encodedName, recordFor(registration, reads), Number(toWireTtl(registration.expires - now)))
    const next = length + fieldLength(register.length)

    if (next > MAX_RESPONSE_SIZE - RESPONSE_OVERHEAD) {
      break
    }

    length = next
    cursor = isSample ? cursor : registration.sequence
    registers.push(register)
  }

  const rest = Message.DiscoverResponse.encode({
    cookie: encodeCookie({ cursor, namespace: namespace ?? '' }),
    status: Status.OK
  })
  length += rest.byteLength

  const response = new Uint8Array(2 + fieldLength(length))
  response[0] = MESSAGE_TYPE
  response[1] = DISCOVER_RESPONSE
  let at = writePrefix(response, 2, MESSAGE_DISCOVER_RESPONSE, length)

  for (const register of registers) {
    at = writeRegister(response, at, register)
  }

  response.set(rest, at)

  return { response, registrations: registers.length }
}

function measure (namespace: Uint8Array, signedPeerRecord: Uint8Array, ttl: number): EncodedRegister {
  return {
    namespace,
    signedPeerRecord,
    ttl,
    length: fieldLength(namespace.byteLength) + fieldLength(signedPeerRecord.byteLength) + 1 + encodingLength(ttl)
  }
}

function writeRegister (out: Uint8Array, at: number, { namespace, signedPeerRecord, ttl, length }: EncodedRegister): number {
  at = writePrefix(out, at, RESPONSE_REGISTRATIONS, length)
  at = writePrefix(out, at, REGISTER_NS, namespace.byteLength)
  out.set(namespace, at)
  at = writePrefix(out, at + namespace.byteLength, REGISTER_SIGNED_PEER_RECORD, signedPeerRecord.byteLength)
  out.set(signedPeerRecord, at)

  return writePrefix(out, at + signedPeerRecord.byteLength, REGISTER_TTL, ttl)
}

/** A tag, and the length or the value that follows it. */
function writePrefix (out: Uint8Array, at: number, tag: number, value: number): number {
  out[at] = tag
  encodeUint8Array(value, out, at + 1)

  return at + 1 + encodingLength(value)
}

/** Bytes of a field with a length of its own: tag, length, content. */
function fieldLength (length: number): number {
  return 1 + encodingLength(length) + length
}
