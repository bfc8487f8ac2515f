import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, it } from 'vitest'
import { signWithOneKeyObject } from '../../src/patches/private-key.ts'
import { Uint8ArrayList } from 'uint8arraylist'

const MESSAGE = new Uint8Array([1, 2, 3, 4])

describe('a private key with one key object', () => {
  it('signs as it did before', async () => {
    const key = await generateKeyPair('Ed25519')
    const before = await key.sign(MESSAGE)

    const signed = await signWithOneKeyObject(key).sign(MESSAGE)

    expect(new Uint8Array(signed)).toEqual(new Uint8Array(before))
    expect(await key.publicKey.verify(MESSAGE, signed)).toBe(true)
  })

  it('signs what is in several pieces', async () => {
    const key = signWithOneKeyObject(await generateKeyPair('Ed25519'))

    const signed = await key.sign(new Uint8ArrayList(MESSAGE.subarray(0, 1), MESSAGE.subarray(1)))

    expect(await key.publicKey.verify(MESSAGE, signed)).toBe(true)
  })

  it('signs nothing that nobody wants any more', async () => {
    const key = signWithOneKeyObject(await generateKeyPair('Ed25519'))

    expect(() => key.sign(MESSAGE, { signal: AbortSignal.abort() })).toThrow()
  })

  it('is the same key', async () => {
    const key = await generateKeyPair('Ed25519')

    expect(signWithOneKeyObject(key)).toBe(key)
  })
})

describe('a private key of another kind', () => {
  it('is left alone', async () => {
    const key = await generateKeyPair('secp256k1')
    const { sign } = key

    expect(signWithOneKeyObject(key).sign).toBe(sign)
  })
})
