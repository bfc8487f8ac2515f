import type { PublicKey } from '@libp2p/interface'

/** 65537, as a JSON Web Key has it: the exponent of all keys in use. With a long one, to verify takes a hundred times as long. */
const RSA_EXPONENT = 'AQAB'
const MIN_RSA_BITS = 2_048
const MAX_RSA_BITS = 8_192

/**
 * Why nobody should verify what was signed with a key; undefined where that is all right. To other kinds of
 * keys, such as ECDSA, js-libp2p gives no peer id, so nobody can connect with one.
 */
export function keyProblem (key: PublicKey): string | undefined {
  switch (key.type) {
    case 'Ed25519':
    case 'secp256k1':
      return
    case 'RSA': {
      // base64url: four characters for three bytes
      const bits = 8 * Math.floor((key.jwk.n?.length ?? 0) * 3 / 4)

      return key.jwk.e === RSA_EXPONENT && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS
        ? undefined
        : `an RSA key has to have ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits, and the exponent 65537`
    }
    default:
      return `a key of this kind is not supported: ${key.type}`
  }
}
