import crc32 from 'crc-32'

/** An entry of the log: two numbers and some bytes. */
export interface LogEntry {
  numbers: [number, number]
  bytes: Uint8Array
}

/** Big-endian: the CRC-32 of the name and of all that follows here, and the two numbers. */
const CHECKSUM = 0
const NUMBERS = 4
const BYTES = 20

/** The name is that of the key: a value that got under another one is corrupt as well. */
export function encodeEntry (name: string, { numbers, bytes }: LogEntry): Uint8Array {
  const value = new Uint8Array(BYTES + bytes.byteLength)
  const view = new DataView(value.buffer)
  value.set(bytes, BYTES)
  view.setFloat64(NUMBERS, numbers[0])
  view.setFloat64(NUMBERS + 8, numbers[1])
  view.setInt32(CHECKSUM, checksum(name, value))

  return value
}

/** Undefined when the value is not as it was written. */
export function decodeEntry (name: string, value: Uint8Array): LogEntry | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)

  if (value.byteLength >= BYTES && view.getInt32(CHECKSUM) === checksum(name, value)) {
    return {
      numbers: [view.getFloat64(NUMBERS), view.getFloat64(NUMBERS + 8)],
      // a copy, for a datastore may hand out a part of something larger; `slice` of a Buffer is none
      bytes: new Uint8Array(value.subarray(BYTES))
    }
  }
}

function checksum (name: string, value: Uint8Array): number {
  return crc32.buf(value.subarray(NUMBERS), crc32.str(name))
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
  const parts = name.slice(REGISTRATION.length).split('@')

  if (!name.startsWith(REGISTRATION) || parts.length !== 2) {
    return
  }

  try {
    return parts.map(decodeURIComponent) as [string, string]
  } catch {}
}
