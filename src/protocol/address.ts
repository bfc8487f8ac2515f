import { CODE_CERTHASH, CODE_GARLIC32, CODE_GARLIC64, CODE_HTTP_PATH, CODE_MEMORY, CODE_P2P, CODE_UNIX } from '@multiformats/multiaddr'
import type { Component, Multiaddr } from '@multiformats/multiaddr'

/**
 * Controls, invisible characters, separators of lines, and what stands for bytes that are no text: an
 * address ends up in logs and on terminals.
 */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\uFFFD]/u

/** What a peer id is made of: a SHA-256 hash of 32 bytes, or a key of up to 42 in full. */
const SHA2_256 = 0x12
const SHA2_256_LENGTH = 32
const IDENTITY = 0
const MAX_INLINE_KEY_LENGTH = 42

/** Bytes of the codes of /p2p, /certhash and /memory, and of the length behind them. */
const PREFIX = 3

/** rust-libp2p reads the name of a memory address, with its length, as a number of eight bytes. */
const MEMORY_NAME_IN_RUST = 7

/** rust-libp2p holds no longer hash. */
const MAX_HASH_LENGTH = 64

/**
 * Whether an address means the same to everybody: its text can be shown, and is the same address when it
 * is read again; its peer ids and hashes are some.
 */
export function isSound (address: Multiaddr): boolean {
  const components = address.getComponents()

  return components.length > 0 && components.every(component => component.value == null || isSoundValue(component, component.value))
}

/** Whether rust-libp2p, too, reads a sound address to its end. */
export function isSoundInRust (address: Multiaddr): boolean {
  return address.getComponents().every(({ code, bytes = new Uint8Array() }) => code !== CODE_MEMORY || bytes.byteLength === PREFIX + MEMORY_NAME_IN_RUST)
}

function isSoundValue ({ code, bytes }: Component, value: string): boolean {
  if (UNPRINTABLE.test(value)) {
    return false
  }

  switch (code) {
    case CODE_P2P:
      return bytes == null || isPeerId(bytes.subarray(PREFIX))
    case CODE_CERTHASH:
      return bytes == null || isHash(bytes.subarray(PREFIX))
    case CODE_UNIX:
      return true
    case CODE_HTTP_PATH:
      return value.startsWith('/')
    case CODE_GARLIC32:
    case CODE_GARLIC64:
      // bytes, which libp2p takes for text
      return false
    default:
      // what is behind it would be read as another part
      return !value.includes('/')
  }
}

function isPeerId ([code, length, ...digest]: Uint8Array): boolean {
  return length === digest.length && (code === SHA2_256 ? length === SHA2_256_LENGTH : code === IDENTITY && length <= MAX_INLINE_KEY_LENGTH)
}

/** As WebRTC and WebTransport use them, code and length are a byte each. */
function isHash ([code = 0x80, length, ...digest]: Uint8Array): boolean {
  return code < 0x80 && length === digest.length && length <= MAX_HASH_LENGTH
}
