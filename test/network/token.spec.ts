import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { jwtVerify, SignJWT, importJWK } from 'jose'
import { toString } from 'uint8arrays/to-string'
import { beforeAll, describe, expect, it } from 'vitest'
import { createNetwork, InvalidTokenError, issueToken } from '../../src/network/index.ts'
import { isFor, parseToken } from '../../src/network/token.ts'
import { TokenVerifier } from '../../src/network/verifier.ts'
import type { Claim, Membership, OwnedNetwork, TokenInit, Trust } from '../../src/network/index.ts'

const NOW = 1_750_000_000_000
const HOUR = 3_600_000

let network: OwnedNetwork
let other: OwnedNetwork
let alice: string
let bob: string
let token: string

beforeAll(async () => {
  [network, other] = [await createNetwork(), await createNetwork()];
  [alice, bob] = [await somebody(), await somebody()]
  token = await issue()
})

async function somebody (): Promise<string> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
}

async function issue (init: Partial<TokenInit> = {}): Promise<string> {
  return issueToken({ privateKey: network.privateKey, peer: alice, notBefore: NOW, lifetime: HOUR, ...init })
}

/** A token with other parts, signed by a network. */
async function forge (payload: unknown, { header = { alg: 'EdDSA', typ: 'rendezvous+jwt' } as unknown, by = network } = {}): Promise<string> {
  const signed = [header, payload].map(part => encode(part)).join('.')

  return `${signed}.${toString(await by.privateKey.sign(new TextEncoder().encode(signed)), 'base64url')}`
}

function encode (part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

function claims (): Record<string, unknown> {
  return { iss: network.id, sub: alice, jti: 'one', nbf: NOW / 1_000, exp: NOW / 1_000 + 3_600, ns: ['*'], act: ['register', 'discover'] }
}

/** What is wrong with a token; undefined when it is good. */
async function problem (token: string | undefined, claim: Partial<Claim> = {}, now = NOW, trust: Partial<Trust> = {}): Promise<string | undefined> {
  try {
    await new TokenVerifier({ issuers: [network.id], ...trust }).verify(token, { peer: alice, ...claim }, now)
  } catch (err) {
    expect(err).toBeInstanceOf(InvalidTokenError)

    return (err as InvalidTokenError).problem
  }
}

const to = (action: 'register' | 'discover', namespace: string | undefined): Partial<Claim> => ({ request: { action, namespace } })

describe('a token', () => {
  it('is good for the peer that it was issued to, and says what it says', async () => {
    const token = await issue({ id: 'one', namespaces: ['chat/*', 'news'], actions: ['discover'] })

    expect(await new TokenVerifier({ issuers: [other.id, network.id] }).verify(token, { peer: alice, ...to('discover', 'chat/1') }, NOW)).toEqual<Membership>({
      id: 'one', issuer: network.id, peer: alice, namespaces: ['chat/*', 'news'], actions: ['discover'], notBefore: NOW, expires: NOW + HOUR
    })
  })

  it('is a JSON Web Token as others read it', async () => {
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: toString(network.privateKey.publicKey.raw, 'base64url') }, 'EdDSA')
    const { payload, protectedHeader } = await jwtVerify(token, key, { algorithms: ['EdDSA'], issuer: network.id, subject: alice, typ: 'rendezvous+jwt', currentDate: new Date(NOW) })

    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'rendezvous+jwt' })
    expect(payload).toMatchObject({ ns: ['*'], act: ['register', 'discover'] })
  })

  it('may have been made by others, with headers that say more', async () => {
    const { privateKey: { raw } } = network
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', d: toString(raw.subarray(0, 32), 'base64url'), x: toString(raw.subarray(32), 'base64url') }, 'EdDSA')
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'EdDSA', typ: 'rendezvous+jwt', kid: 'any' }).sign(key)

    expect(await problem(token)).toBe(undefined)
  })

  it.each<[string, () => Promise<unknown>, string | undefined]>([
    ['missing', async () => undefined, 'missing'],
    ['of another network', async () => issue({ privateKey: other.privateKey }), 'issuer'],
    ['that names this network and is signed by another', async () => forge(claims(), { by: other }), 'signature'],
    ['with one bit of its claims changed', async () => token.replace(/\.(.{20})(.)/, (_, before: string, one: string) => `.${before}${one === 'A' ? 'B' : 'A'}`), undefined],
    ['that is not signed, and says so', async () => `${encode({ alg: 'none', typ: 'rendezvous+jwt' })}.${encode(claims())}.`, 'malformed'],
    ['that says it is not signed, with a signature', async () => forge(claims(), { header: { alg: 'none', typ: 'rendezvous+jwt' } }), 'malformed'],
    ['of another algorithm', async () => forge(claims(), { header: { alg: 'HS256', typ: 'rendezvous+jwt' } }), 'malformed'],
    ['signed with the public key as a secret', async () => new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', typ: 'rendezvous+jwt' }).sign(network.privateKey.publicKey.raw), 'malformed'],
    ['of another kind', async () => forge(claims(), { header: { alg: 'EdDSA', typ: 'JWT' } }), 'malformed'],
    ['whose header says nothing', async () => forge(claims(), { header: {} }), 'malformed'],
    ['with an extension that has to be understood', async () => forge(claims(), { header: { alg: 'EdDSA', typ: 'rendezvous+jwt', crit: ['b64'], b64: false } }), 'malformed'],
    ['that brings its own key', async () => forge({ ...claims(), iss: other.id }, { header: { alg: 'EdDSA', typ: 'rendezvous+jwt', jwk: { kty: 'OKP', crv: 'Ed25519', x: toString(other.privateKey.publicKey.raw, 'base64url') } }, by: other }), 'issuer'],
    ['with a fourth part', async () => `${token}.${token}`, 'malformed'],
    ['that is too long', async () => forge({ ...claims(), more: 'x'.repeat(1_500) }), 'malformed'],
    ['with padding', async () => `${token}==`, 'malformed'],
    ['in other bytes', async () => new TextEncoder().encode('a.b.c'), 'malformed']
  ])('%s is refused', async (_, make, expected) => {
    const found = await problem(await make() as string)
    expect(found).toBeDefined()
    expect(found).toBe(expected ?? found)
  })

  it('has one form: a signature in other characters for the same bytes is malformed', async () => {
    const last = token.at(-1) as string
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const same = alphabet[alphabet.indexOf(last) ^ 1] as string

    expect(await problem(token.slice(0, -1) + same)).toBe('malformed')
  })

  it.each<[string, () => Record<string, unknown>]>([
    ['no object', () => [] as any],
    ['not JSON', () => '{' as any],
    ['without an issuer', () => ({ ...claims(), iss: undefined })],
    ['without a peer', () => ({ ...claims(), sub: undefined })],
    ['without an id', () => ({ ...claims(), jti: undefined })],
    ['with an id that is not for a terminal', () => ({ ...claims(), jti: 'a\u001b[2J' })],
    ['without an end', () => ({ ...claims(), exp: undefined })],
    ['with an end that is text', () => ({ ...claims(), exp: '9' })],
    ['that never ends', () => ({ ...claims(), exp: 1e308 })],
    ['with half of a second', () => ({ ...claims(), nbf: 0.5 })],
    ['without namespaces', () => ({ ...claims(), ns: [] })],
    ['with one namespace that is no list', () => ({ ...claims(), ns: '*' })],
    ['with too many namespaces', () => ({ ...claims(), ns: Array.from({ length: 33 }, () => 'a') })],
    ['with an empty namespace', () => ({ ...claims(), ns: [''] })],
    ['without actions', () => ({ ...claims(), act: [] })],
    ['with an action that there is not', () => ({ ...claims(), act: ['rule'] })],
    ['with an action that every object has', () => ({ ...claims(), act: ['toString'] })]
  ])('whose claims are %s is malformed, whoever signed it', async (_, make) => {
    expect(await problem(await forge(make()))).toBe('malformed')
  })

  it('is good from its beginning to its end, give or take what clocks differ by', async () => {
    const at = async (ms: number, tolerance?: number): Promise<string | undefined> => problem(token, {}, NOW + ms, tolerance == null ? {} : { tolerance })

    expect([await at(-60_001), await at(-60_000), await at(HOUR + 59_999), await at(HOUR + 60_000)]).toEqual(['early', undefined, undefined, 'expired'])
    expect([await at(-1, 0), await at(0, 0), await at(HOUR - 1, 0), await at(HOUR, 0)]).toEqual(['early', undefined, undefined, 'expired'])
  })

  it('is worth nothing to another', async () => {
    expect(await problem(token, { peer: bob })).toBe('peer')
  })

  it('is for its namespaces and actions, and all of them only where it is for all', async () => {
    const reader = await issue({ namespaces: ['chat/*', 'news'], actions: ['discover'] })

    expect(await problem(reader)).toBe(undefined)
    expect(await problem(reader, to('discover', 'news'))).toBe(undefined)
    expect(await problem(reader, to('register', 'news'))).toBe('action')
    expect(await problem(reader, to('discover', 'news2'))).toBe('namespace')
    expect(await problem(reader, to('discover', undefined))).toBe('namespace')
    expect(await problem(token, to('discover', undefined))).toBe(undefined)
  })

  it('can be revoked, and its peer, also after it was good', async () => {
    const revoked = new Set<string>()
    const one = await issue({ id: 'one' })
    const verifier = new TokenVerifier({ issuers: [network.id], revoked })
    await verifier.verify(one, { peer: alice }, NOW)
    revoked.add('one')
    expect(() => verifier.verify(one, { peer: alice }, NOW)).toThrow(expect.objectContaining({ problem: 'revoked' }))
    await verifier.verify(token, { peer: alice }, NOW)
    revoked.add(alice)
    expect(() => verifier.verify(token, { peer: alice }, NOW)).toThrow(expect.objectContaining({ problem: 'revoked' }))
  })

  it('is verified once, and asked about its claims each time', async () => {
    const verifier = new TokenVerifier({ issuers: [network.id] })
    let verified = 0
    const verifying = (): void => { verified++ }
    expect(verifier.verify(token, { peer: alice }, NOW, verifying)).toBeInstanceOf(Promise)
    await null
    await verifier.verify(token, { peer: alice }, NOW, verifying)
    const before = verified
    expect(verifier.verify(token, { peer: alice }, NOW, verifying)).toMatchObject({ peer: alice })
    expect(() => verifier.verify(token, { peer: bob }, NOW, verifying)).toThrow(expect.objectContaining({ problem: 'peer' }))
    expect(() => verifier.verify(token, { peer: alice }, NOW + 2 * HOUR, verifying)).toThrow(expect.objectContaining({ problem: 'expired' }))
    expect(verified).toBe(before)
    // it is not remembered beyond its end
    expect(verifier.verify(token, { peer: alice }, NOW, verifying)).toBeInstanceOf(Promise)
    expect(verified).toBe(before + 1)
  })

  it('costs a signature only where nothing else is wrong, and none where there is no time for it', async () => {
    const verifier = new TokenVerifier({ issuers: [network.id] })
    const never = (): void => { throw new Error('no time') }

    for (const [bad, claim, now] of [[token, { peer: bob }, NOW], [token, { peer: alice }, 0], [await issue({ privateKey: other.privateKey }), { peer: alice }, NOW]] as const) {
      expect(() => verifier.verify(bad, claim, now, never)).toThrow(InvalidTokenError)
    }

    expect(() => verifier.verify(token, { peer: alice }, NOW, never)).toThrow('no time')
  })

  it('that nobody could use is not issued', async () => {
    for (const init of [{ namespaces: [] }, { namespaces: [''] }, { namespaces: ['x'.repeat(256)] }, { namespaces: Array.from({ length: 31 }, (_, i) => `${i}${'x'.repeat(200)}`) }, { actions: ['rule'] as any }, { id: 'a b' }, { lifetime: 0 }, { lifetime: Infinity }, { privateKey: await generateKeyPair('secp256k1') }]) {
      await expect(issue(init), JSON.stringify(Object.keys(init))).rejects.toMatchObject({ name: 'InvalidParametersError' })
    }
  })
})

it('issuers are keys of Ed25519, each in the one form that it has', async () => {
  const { publicKey } = await generateKeyPair('secp256k1')

  for (const issuers of [[], ['x'], [network.id, ''], [toString(publicKey.raw, 'base58btc')], network.id as unknown as string[], [`z${network.id}`]]) {
    expect(() => new TokenVerifier({ issuers })).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  }

  expect(() => new TokenVerifier({ issuers: [network.id], tolerance: NaN })).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
})

describe('any text', () => {
  it('is a token or malformed, and says nothing of what it is', () => {
    const piece = fc.oneof(fc.string(), fc.base64String(), fc.json().map(encode), fc.constantFrom(...token.split('.')))
    const text = fc.oneof(fc.string(), fc.array(piece, { maxLength: 5 }).map(parts => parts.join('.')))

    fc.assert(fc.property(text, text => {
      try {
        parseToken(text)
      } catch (err: any) {
        expect([err.name, err.message]).toEqual(['InvalidTokenError', 'the token is malformed'])
      }
    }), { numRuns: 2_000 })
  })

  it('that was a token is none after any change', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(...'ABCdef019-_.= {'), async (place, character) => {
      const changed = token.slice(0, place) + character + token.slice(place + 1)

      if (changed !== token) {
        expect(await problem(changed)).toBeDefined()
      }
    }), { numRuns: 500 })
  })

  it('that is issued is read as it was meant', async () => {
    const namespace = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })

    await fc.assert(fc.asyncProperty(fc.array(namespace, { minLength: 1, maxLength: 8 }), fc.subarray(['register', 'discover'] as const, { minLength: 1 }), fc.integer({ min: 1, max: 1e6 }), async (namespaces, actions, seconds) => {
      const { membership } = parseToken(await issue({ namespaces, actions, lifetime: seconds * 1_000 }))
      expect(membership).toMatchObject({ peer: alice, issuer: network.id, namespaces, actions, notBefore: NOW, expires: NOW + seconds * 1_000 })
    }), { numRuns: 50 })
  })
})

describe('a pattern', () => {
  it.each<[string, string | undefined, boolean]>([
    ['*', undefined, true], ['*', 'a', true], ['a*', undefined, false], ['a*', 'a', true], ['a*', 'ab', true], ['a*', 'ba', false],
    ['a', 'a', true], ['a', 'ab', false], ['a', undefined, false], ['a*b', 'a*b', true], ['a*b', 'axb', false], ['**', '*x', true], ['**', 'x', false], ['.*', 'x', false]
  ])('%s for %s: %s', (pattern, namespace, expected) => {
    expect(isFor(pattern, namespace)).toBe(expected)
  })
})
