import { createPrivateKey, sign } from 'node:crypto'
import { toString } from 'uint8arrays/to-string'
import type { PrivateKey } from '@libp2p/interface'

/**
 * @libp2p/crypto 5 makes a key object out of a private key's bytes for each signature, which takes longer than to sign;
 * a node signs twice for each newcomer, in the handshake and to identify itself. This makes it once. To be dropped when
 * the library does (docs/upstream/js-libp2p-keys.md).
 *
 * @returns the same key; one that is not Ed25519 unchanged
 */
export function signWithOneKeyObject (privateKey: PrivateKey): PrivateKey {
  if (privateKey.type !== 'Ed25519') {
    return privateKey
  }

  const { raw, publicKey } = privateKey
  const key = createPrivateKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'Ed25519', d: toString(raw.subarray(0, 32), 'base64url'), x: toString(publicKey.raw, 'base64url') }
  })

  privateKey.sign = (message, options) => {
    options?.signal?.throwIfAborted()

    return sign(null, message.subarray(), key)
  }

  return privateKey
}
