import crc32 from 'crc-32'
import type { ReadableDomain } from './types.ts'

/** An entry of the log: two numbers, some bytes, and what else a registration has. */
export interface LogEntry {
  numbers: [number, number]
  bytes: Uint8Array
  domain?: ReadableDomain
  network?: string
  otherRecord?: Uint8Array | undefined
}

/**
 * The form in which entries are written now: this number; big-endian, the CRC-32 of the name and of all
 * that follows, and the length of a header; the header, as JSON; the bytes, and those of the other record.
 * What a later version adds to the header, this one passes over.
 */
const FORM = 2
const CHECKSUM = 1
const HEADER_LENGTH = 5
const HEADER = 7

interface Header extends Pick<LogEntry, 'numbers' | 'domain' | 'network'> {
  /** How much belongs to the bytes, when there is another record behind them. */
  length?: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const DOMAINS: unknown[] = [undefined, 'libp2p-peer-record', 'libp2p-routing-state', 'none'] satisfies Array<ReadableDomain | undefined>

/** The name is that of the key: a value that got under another one is corrupt as well. */
export function encodeEntry (name: string, { bytes, otherRecord, ...fields }: LogEntry): Uint8Array {
  const header: Header = otherRecord == null ? fields : { ...fields, length: bytes.byteLength }
  const encoded = encoder.encode(JSON.stringify(header))
  const value = new Uint8Array(HEADER + encoded.byteLength + bytes.byteLength + (otherRecord?.byteLength ?? 0))
  const view = new DataView(value.buffer)
  value[0] = FORM
  view.setUint16(HEADER_LENGTH, encoded.byteLength)
  value.set(encoded, HEADER)
  value.set(bytes, HEADER + encoded.byteLength)
  value.set(otherRecord ?? [], HEADER + encoded.byteLength + bytes.byteLength)
  view.setInt32(CHECKSUM, checksum(name, value.subarray(HEADER_LENGTH)))

  return value
}

/** Undefined when the value is not as it was written, in any form. */
export function decodeEntry (name: string, value: Uint8Array): LogEntry | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)

  if (value.byteLength < HEADER || value[0] !== FORM || view.getInt32(CHECKSUM) !== checksum(name, value.subarray(HEADER_LENGTH))) {
    return decodeFirstForm(name, value)
  }

  const start = HEADER + view.getUint16(HEADER_LENGTH)
  const header = parseHeader(value.subarray(HEADER, start))

  if (header == null) {
    return
  }

  const { length, ...fields } = header
  const end = length == null ? value.byteLength : start + length

  return {
    ...fields,
    bytes: part(value, start, end),
    otherRecord: length == null ? undefined : part(value, end, value.byteLength)
  }
}

/** Undefined when it is none that this version can make use of: one such entry is not to keep a store from starting. */
function parseHeader (bytes: Uint8Array): Header | undefined {
  let header: Partial<Record<keyof Header, unknown>> | null

  try {
    header = JSON.parse(decoder.decode(bytes))
  } catch {
    return
  }

  const { numbers, domain, network, length } = header ?? {}

  if (isNumbers(numbers) && DOMAINS.includes(domain) && ['string', 'undefined'].includes(typeof network) && (length == null || isLength(length))) {
    return header as Header
  }
}

function isNumbers (value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && Number.isFinite(value[0]) && Number.isSafeInteger(value[1])
}

function isLength (value: unknown): boolean {
  return Number.isSafeInteger(value) && value as number >= 0
}

/**
 * What was written before entries had a number for their form: the CRC-32 of the name and of all that
 * follows, the two numbers, the bytes.
 */
function decodeFirstForm (name: string, value: Uint8Array): LogEntry | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)

  if (value.byteLength >= 20 && view.getInt32(0) === checksum(name, value.subarray(4))) {
    return { numbers: [view.getFloat64(4), view.getFloat64(12)], bytes: part(value, 20, value.byteLength) }
  }
}

/** A copy only where a datastore hands out a part of something larger, which would be held with it; `slice` of a Buffer is none. */
function part (value: Uint8Array, start: number, end: number): Uint8Array {
  const { buffer, byteOffset, byteLength } = value.subarray(start, end)

  return value.byteLength === buffer.byteLength ? new Uint8Array(buffer, byteOffset, byteLength) : new Uint8Array(value.subarray(start, end))
}

function checksum (name: string, bytes: Uint8Array): number {
  return crc32.buf(bytes, crc32.str(name))
}

const REGISTRATION = 'registrations/'

/**
 * The name of a registration's entry. Slashes mean something in keys, datastores differ in what else
 * they bear, and the prefix queries of some miss what is not ASCII; hence the escapes. They also make
 * the `@` in the middle the only one.
 *
 * @throws {URIError} when the namespace or the peer is not well-formed Unicode
 */
export function registrationName (namespace: string, peer: string): string {
  return `${REGISTRATION}${encodeURIComponent(namespace)}@${encodeURIComponent(peer)}`
}

/** The namespace and the peer, or undefined when it is not the name of a registration's entry. */
export function parseRegistrationName (name: string): [namespace: string, peer: string] | undefined {
  const at = name.indexOf('@')

  if (!name.startsWith(REGISTRATION) || at === -1 || at !== name.lastIndexOf('@')) {
    return
  }

  try {
    return [decodeURIComponent(name.slice(REGISTRATION.length, at)), decodeURIComponent(name.slice(at + 1))]
  } catch {}
}
