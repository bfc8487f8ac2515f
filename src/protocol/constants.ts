/**
 * What the specification fixes or recommends (libp2p/specs, rendezvous/README.md r3), and the bounds
 * that other implementations make necessary. Durations are milliseconds.
 */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** The protocol both sides negotiate. */
export const PROTOCOL_ID = '/rendezvous/1.0.0'

/** The protocol that goes with it by which peers are told of changes (docs/watch.md): `watch` is put before the version. */
export function watchProtocol (protocol: string): string {
  const version = protocol.lastIndexOf('/')

  return `${protocol.slice(0, version)}/watch${protocol.slice(version)}`
}

/** The lifetime of a registration that names none ("Registration Lifetime"). */
export const DEFAULT_TTL = 2 * HOUR

/** Recommended minimum ("Recommendations for Rendezvous Points configurations"). */
export const MIN_TTL = 2 * HOUR

/** Recommended maximum, same place. */
export const MAX_TTL = 72 * HOUR

/** Bytes of UTF-8, same place. */
export const MAX_NAMESPACE_LENGTH = 255

/** Bytes of a response: rust-libp2p closes the stream on a longer message. */
export const MAX_RESPONSE_SIZE = 1024 * 1024

/** Bytes of a response that the client accepts: what go-libp2p's points may send. */
export const MAX_ACCEPTED_RESPONSE_SIZE = 4 * 1024 * 1024

/** Characters of a token (docs/networks.md): with it, a request on a watch stream has at most 4,096 bytes. */
export const MAX_TOKEN_LENGTH = 2_048

/** How long one request may take. */
export const REQUEST_TIMEOUT = 10 * SECOND

/** Bytes of a length prefix: an unsigned varint that fits any length this protocol allows has at most five. */
export const MAX_LENGTH_LENGTH = 5
