import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCookie, encodeCookie } from '../../src/point/cookie.ts'

const namespace = fc.string({ unit: 'grapheme', maxLength: 255 }).filter(name => new TextEncoder().encode(name).byteLength <= 255)
const cursor = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER))

/**
 * What the rust-libp2p client does with a cookie, whose whole response is lost when this fails: eight
 * bytes, then a namespace of UTF-8, at most 255 bytes long.
 */
function readAsRustDoes (cookie: Uint8Array): { id: bigint, namespace: string | undefined } {
  if (cookie.byteLength < 8) {
    throw new Error('cookie too short')
  }

  const name = cookie.slice(8)

  if (name.byteLength > 255) {
    throw new Error('namespace too long')
  }

  return {
    id: new DataView(cookie.buffer, cookie.byteOffset).getBigUint64(0),
    namespace: name.byteLength === 0 ? undefined : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(name)
  }
}

describe('a cookie', () => {
  it('comes back as it was made', () => {
    fc.assert(fc.property(cursor, namespace, (cursor, namespace) => {
      expect(decodeCookie(encodeCookie({ cursor, namespace }))).toEqual({ cursor, namespace })
    }))
  })

  it('can be read by rust-libp2p', () => {
    fc.assert(fc.property(cursor, namespace, (cursor, namespace) => {
      expect(readAsRustDoes(encodeCookie({ cursor, namespace }))).toEqual({ id: BigInt(cursor), namespace: namespace === '' ? undefined : namespace })
    }))
  })

  it('is read out of the middle of a buffer', () => {
    const buffer = new Uint8Array(100).fill(0xff)
    const cookie = encodeCookie({ cursor: 12345, namespace: 'my-app' })
    buffer.set(cookie, 41)

    expect(decodeCookie(buffer.subarray(41, 41 + cookie.length))).toEqual({ cursor: 12345, namespace: 'my-app' })
  })

  it.each([0, 1, 7])('is none with %d bytes', length => {
    expect(decodeCookie(new Uint8Array(length))).toBeUndefined()
  })

  it('is none with a cursor that is no exact number', () => {
    expect(decodeCookie(new Uint8Array(8).fill(0xff))).toBeUndefined()
    expect(decodeCookie(Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0))).toBeUndefined()
    expect(decodeCookie(Uint8Array.of(0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toEqual({ cursor: Number.MAX_SAFE_INTEGER, namespace: '' })
  })

  it('is none with a namespace that is not UTF-8', () => {
    expect(decodeCookie(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0xc3))).toBeUndefined()
  })

  it('of any bytes is one or none', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      const cookie = decodeCookie(bytes)

      if (cookie != null) {
        expect(encodeCookie(cookie)).toEqual(bytes)
      }
    }))
  })
})
