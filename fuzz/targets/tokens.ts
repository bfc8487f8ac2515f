import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { importJWK, jwtVerify } from 'jose'
import { toString } from 'uint8arrays/to-string'
import { InvalidTokenError, issueToken } from '../../src/network/index.ts'
import { isFor } from '../../src/network/token.ts'
import { TokenVerifier } from '../../src/network/verifier.ts'
import { NAMESPACES, peerOf } from '../messages.ts'
import type { Choice, Target } from '../target.ts'
import type { Ed25519PrivateKey } from '@libp2p/interface'

const NOW = 1_750_000_000_000
const HOUR = 3_600_000
const TOLERANCE = 60_000

/** Two networks, of which one is trusted. */
const [trusted, other] = await Promise.all([101, 102].map(async seed => generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(seed)))) as [Ed25519PrivateKey, Ed25519PrivateKey]
const ISSUER = peerIdFromPrivateKey(trusted).toString()
const KEY = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: toString(trusted.publicKey.raw, 'base64url') }, 'EdDSA')

const PATTERNS = ['*', 'ns-0', 'ns-*', 'a/*', 'x*', '**']
const STRANGE: unknown[] = [null, true, 0, -1, 0.5, 1e300, '', '*', 'none', [], ['*', 1], {}, '12D3Koo', 2 ** 53, ['register', 'register'], ['__proto__']]
const HEADERS = ['{"alg":"none","typ":"rendezvous+jwt"}', '{"alg":"EdDSA","typ":"rendezvous+jwt","crit":[]}', '{"alg":"EdDSA","alg":"none","typ":"rendezvous+jwt"}', '{"alg":"EdDSA","typ":"JWT"}', '[]', 'null', '{"__proto__":{"alg":"EdDSA","typ":"rendezvous+jwt"}}']

interface TokenMessage {
  token: string
  /** Who shows it. */
  peer: string
  action: 'register' | 'discover'
  namespace: string | null
  now: number
  /** Whether it was made to be good. */
  isSound: boolean
}

/** Tokens: each is good for jose too and for what it is shown for, or is refused with a sentence that has nothing of it. */
export function tokensTarget (): Target<TokenMessage> {
  const made = new Map<string, string>()

  return {
    begin: () => {
      const verifier = new TokenVerifier({ issuers: [ISSUER], tolerance: TOLERANCE })

      return {
        message: choice => make(choice, made),

        send: async ({ token, peer, action, namespace, now, isSound }) => {
          const request = { action, namespace: namespace ?? undefined }

          try {
            const membership = await verifier.verify(token, { peer, request }, now)
            const { payload, protectedHeader } = await jwtVerify(token, KEY, {
              algorithms: ['EdDSA'], typ: 'rendezvous+jwt', issuer: ISSUER, subject: peer, currentDate: new Date(now), clockTolerance: TOLERANCE / 1_000, requiredClaims: ['exp', 'nbf', 'jti', 'ns', 'act']
            })
            assert.equal(protectedHeader.crit, undefined)
            assert.ok((payload['act'] as string[]).includes(action) && (payload['ns'] as string[]).some(pattern => isFor(pattern, request.namespace)), 'it does not allow this')
            assert.deepEqual([membership.expires, membership.notBefore, membership.id], [payload.exp! * 1_000, payload.nbf! * 1_000, payload.jti])
            assert.equal(token.split('.').map(part => Buffer.from(part, 'base64url').toString('base64url')).join('.'), token, 'there are two forms of it')
          } catch (err: any) {
            if (!(err instanceof InvalidTokenError)) {
              throw err
            }

            assert.ok(!isSound, `a good token is refused: ${err.message}`)
            assert.ok(/^[a-z ,]+$/.test(err.message), 'the refusal says more than it may')
          }
        }
      }
    }
  }
}

function make ({ what, who, which, more, mutations }: Choice, made: Map<string, string>): TokenMessage {
  const peer = peerOf(who).peerId.toString()
  const pattern = PATTERNS[more % PATTERNS.length] as string
  const action = what % 2 === 0 ? 'register' : 'discover'
  const namespace = more % 7 === 0 ? null : NAMESPACES[which] as string
  const isForeign = what === 19
  const begin = what === 18 ? NOW - 2 * HOUR : what === 17 ? NOW + HOUR : NOW
  const claims: Record<string, unknown> = {
    iss: peerIdFromPrivateKey(isForeign ? other : trusted).toString(), sub: peer, jti: `id-${more % 3}`, nbf: begin / 1_000, exp: (begin + HOUR) / 1_000, ns: [pattern], act: what < 10 ? ['register', 'discover'] : [action]
  }
  let header = '{"alg":"EdDSA","typ":"rendezvous+jwt"}'
  const [[kind, place, value] = [] as unknown as [undefined, 0, 0], ...rest] = mutations

  // what is wrong may be signed by the network itself
  if (kind != null && kind % 3 === 0) {
    claims[Object.keys(claims)[place % 7] as string] = STRANGE[value % STRANGE.length]
  } else if (kind != null && kind % 3 === 1 && place % 2 === 0) {
    header = HEADERS[value % HEADERS.length] as string
  }

  const signed = `${encode(header)}.${encode(JSON.stringify(claims))}`
  // made once: to sign takes longer than all else
  const token = made.get(signed) ?? `${signed}.${Buffer.from((isForeign ? other : trusted).sign(new TextEncoder().encode(signed)) as Uint8Array).toString('base64url')}`
  made.set(signed, token)

  return {
    token: (kind != null && kind % 3 === 2 ? mutations : rest).reduce(changed, token),
    peer,
    action,
    namespace,
    now: NOW,
    isSound: mutations.length === 0 && what < 17 && isFor(pattern, namespace ?? undefined)
  }
}

/** A character that is another, is missing or is one more, or a part that is. */
function changed (token: string, [kind, place, value]: readonly [number, number, number]): string {
  const at = (place * 37 + value) % token.length
  const parts = token.split('.')

  switch (kind % 5) {
    case 0: return token.slice(0, at) + String.fromCharCode(value) + token.slice(at + 1)
    case 1: return token.slice(0, at) + token.slice(at + 1 + value % 4)
    case 2: return token.slice(0, at) + '=A-_. é\n'[value % 8] + token.slice(at)
    case 3: return parts.map((part, i) => i === place % 3 ? parts[value % 3] : part).join('.')
    default: return [...parts, parts[value % 3]].slice(place % 3).join('.')
  }
}

function encode (text: string): string {
  return Buffer.from(text).toString('base64url')
}

// what issues tokens makes such as these
assert.equal((await issueToken({ privateKey: trusted, peer: ISSUER })).split('.')[0], encode('{"alg":"EdDSA","typ":"rendezvous+jwt"}'))
