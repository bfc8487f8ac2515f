import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import { noise } from '@libp2p/noise'
import type { KeyObject } from 'node:crypto'

/**
 * @libp2p/noise 17 makes key objects out of bytes anew for each of the three agreements of a handshake, also of its own
 * static key, and throws away the one that it has just generated. These keep them for as long as the bytes are.
 * To be dropped when it does (docs/upstream/js-libp2p-keys.md).
 */

/** What is before a raw X25519 key in the form that node:crypto reads. */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

interface KeyPair {
  publicKey: Uint8Array
  privateKey: Uint8Array
}

/** What is here relied on of a connection encrypter of @libp2p/noise. */
interface NoiseCrypto {
  generateKeypair: () => KeyPair
  dh: (own: KeyPair, publicKey: unknown) => Uint8Array
}

/** Noise that keeps its key objects. */
export function noiseThatKeepsKeys (): ReturnType<typeof noise> {
  const createEncrypter = noise()

  return components => {
    const encrypter = createEncrypter(components)
    keepKeys((encrypter as { crypto?: Partial<NoiseCrypto> }).crypto)

    return encrypter
  }
}

export function keepKeys (crypto: Partial<NoiseCrypto> | undefined): void {
  const { dh, generateKeypair } = crypto ?? {}

  if (crypto == null || dh == null || generateKeypair == null) {
    return
  }

  const privateKeys = new WeakMap<Uint8Array, KeyObject>()
  const publicKeys = new WeakMap<Uint8Array, KeyObject>()

  crypto.generateKeypair = () => {
    const keys = generateKeyPairSync('x25519')
    const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(PRIVATE_PREFIX.length)
    privateKeys.set(privateKey, keys.privateKey)

    return { privateKey, publicKey: keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(PUBLIC_PREFIX.length) }
  }

  crypto.dh = (own, publicKey) => {
    // what is in several pieces is left to it
    if (!(publicKey instanceof Uint8Array && own.privateKey instanceof Uint8Array)) {
      return dh(own, publicKey)
    }

    return diffieHellman({
      privateKey: kept(privateKeys, own.privateKey, bytes => createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, bytes]), type: 'pkcs8', format: 'der' })),
      publicKey: kept(publicKeys, publicKey, bytes => createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), type: 'spki', format: 'der' }))
    })
  }
}

function kept (keys: WeakMap<Uint8Array, KeyObject>, bytes: Uint8Array, make: (bytes: Uint8Array) => KeyObject): KeyObject {
  const key = keys.get(bytes) ?? make(bytes)
  keys.set(bytes, key)

  return key
}
