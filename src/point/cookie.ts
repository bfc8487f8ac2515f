/**
 * A cookie is the store's cursor as eight bytes, big-endian, followed by the namespace it was made for.
 * It costs the point nothing to remember, and it is the only form that the rust-libp2p client can
 * read: eight bytes and up to 255 bytes of UTF-8.
 */

const CURSOR_LENGTH = 8

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface Cookie {
  cursor: number
  /** Empty for a listing of all namespaces. */
  namespace: string
}

export function encodeCookie ({ cursor, namespace }: Cookie): Uint8Array<ArrayBuffer> {
  const name = encoder.encode(namespace)
  const cookie = new Uint8Array(CURSOR_LENGTH + name.byteLength)
  new DataView(cookie.buffer).setBigUint64(0, BigInt(cursor))
  cookie.set(name, CURSOR_LENGTH)

  return cookie
}

/**
 * Undefined when the bytes are no cookie of this form.
 */
export function decodeCookie (cookie: Uint8Array): Cookie | undefined {
  if (cookie.byteLength < CURSOR_LENGTH) {
    return
  }

  const cursor = Number(new DataView(cookie.buffer, cookie.byteOffset).getBigUint64(0))

  if (!Number.isSafeInteger(cursor)) {
    return
  }

  try {
    return { cursor, namespace: decoder.decode(cookie.subarray(CURSOR_LENGTH)) }
  } catch {}
}
