import { InvalidParametersError } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { MAX_NAMESPACE_LENGTH, MAX_TOKEN_LENGTH } from '../protocol/constants.ts'
import { namespaceProblem } from '../protocol/namespace.ts'
import { ACTIONS } from './actions.ts'
import { InvalidTokenError } from './errors.ts'
import type { Action } from './actions.ts'
import type { Membership, TokenInit } from './types.ts'

/**
 * The form of a token (docs/networks.md): a JSON Web Token (RFC 7519) in its compact form, signed with Ed25519. Of what
 * JOSE lets the header choose nothing is left to it, so there is nothing to be confused about (RFC 8725).
 */
const ALGORITHM = 'EdDSA'
const TYPE = 'rendezvous+jwt'

/** Characters of a signature of 64 bytes. */
const SIGNATURE = /^[\w-]{86}$/
const PART = /^[\w-]+$/
const ID = /^[\w.:-]{1,64}$/

const MAX_PATTERNS = 32
const DAY = 24 * 60 * 60_000

/** The last second that a date can name. */
const MAX_SECONDS = 8_640_000_000_000

/** A token as it was written: nobody has looked yet whether it is true. */
export interface ParsedToken {
  membership: Membership
  /** What the signature is made for. */
  signed: Uint8Array
  signature: Uint8Array
}

/**
 * Gives a peer what lets it in: a token that nobody else can use.
 *
 * @throws {InvalidParametersError} when something of it is out of its range, or the token would be too long
 */
export async function issueToken ({ privateKey, peer, namespaces = ['*'], actions = [...ACTIONS], lifetime = 30 * DAY, notBefore = Date.now(), id = randomId() }: TokenInit): Promise<string> {
  check(privateKey.type === 'Ed25519', 'a network has a key of Ed25519')
  check(lifetime >= 1_000, 'lifetime must be a number of milliseconds, at least 1000')
  const nbf = Math.floor(notBefore / 1_000)
  const payload = {
    iss: peerIdFromPrivateKey(privateKey).toString(),
    sub: (typeof peer === 'string' ? peerIdFromString(peer) : peer).toString(),
    jti: id,
    nbf,
    exp: Math.ceil((notBefore + lifetime) / 1_000),
    ns: namespaces,
    act: actions
  }
  const signed = `${encode({ alg: ALGORITHM, typ: TYPE })}.${encode(payload)}`
  const token = `${signed}.${toString(await privateKey.sign(new TextEncoder().encode(signed)), 'base64url')}`
  check(token.length <= MAX_TOKEN_LENGTH, `the token would be longer than ${MAX_TOKEN_LENGTH} characters: give it fewer namespaces, or patterns`)

  try {
    parseToken(token)
  } catch (err) {
    throw new InvalidParametersError(`namespaces are up to ${MAX_PATTERNS}, each of 1 to ${MAX_NAMESPACE_LENGTH} bytes, actions are of ${ACTIONS.join(' and ')}, an id has up to 64 letters, digits and "-_.:", and times are dates`)
  }

  return token
}

/**
 * Reads a token, and takes nothing that is not exactly what one is made of.
 *
 * @throws {InvalidTokenError} when it is malformed
 */
export function parseToken (token: string): ParsedToken {
  const parts = typeof token === 'string' && token.length <= MAX_TOKEN_LENGTH ? token.split('.', 4) : []
  const [header = '', payload = '', signature = ''] = parts

  if (parts.length !== 3 || !PART.test(header) || !PART.test(payload) || !SIGNATURE.test(signature)) {
    throw new InvalidTokenError('malformed')
  }

  const { alg, typ, crit } = decode(header)

  if (alg !== ALGORITHM || typ !== TYPE || crit !== undefined) {
    throw new InvalidTokenError('malformed')
  }

  return {
    membership: membershipOf(decode(payload)),
    signed: new TextEncoder().encode(token.slice(0, header.length + 1 + payload.length)),
    signature: bytesOf(signature)
  }
}

/** Whether a pattern of a token is for a namespace; undefined is for all namespaces. */
export function isFor (pattern: string, namespace: string | undefined): boolean {
  if (pattern === '*') {
    return true
  }

  return namespace != null && (pattern.endsWith('*') ? namespace.startsWith(pattern.slice(0, -1)) : namespace === pattern)
}

function membershipOf ({ iss, sub, jti, nbf, exp, ns, act }: Record<string, unknown>): Membership {
  const isSound = isText(iss) && isText(sub) && typeof jti === 'string' && ID.test(jti) && isTime(nbf) && isTime(exp) &&
    Array.isArray(ns) && ns.length > 0 && ns.length <= MAX_PATTERNS && ns.every(pattern => typeof pattern === 'string' && namespaceProblem(pattern) == null) &&
    Array.isArray(act) && act.length > 0 && act.length <= ACTIONS.length && act.every(action => ACTIONS.includes(action))

  if (!isSound) {
    throw new InvalidTokenError('malformed')
  }

  return { id: jti, issuer: iss, peer: sub, namespaces: ns as string[], actions: act as Action[], notBefore: nbf * 1_000, expires: exp * 1_000 }
}

/** As peer ids are. */
function isText (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 128
}

function isTime (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0 && value as number <= MAX_SECONDS
}

/** Not randomUUID, which pages without https do not have. */
function randomId (): string {
  return toString(crypto.getRandomValues(new Uint8Array(16)), 'base58btc')
}

function encode (value: object): string {
  return toString(new TextEncoder().encode(JSON.stringify(value)), 'base64url')
}

function decode (part: string): Record<string, unknown> {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(part)))

    if (typeof value === 'object' && value != null && !Array.isArray(value)) {
      return value
    }
  } catch {}

  throw new InvalidTokenError('malformed')
}

/** One text for the same bytes alone: what is left over of the last character has to be nothing. */
function bytesOf (part: string): Uint8Array {
  try {
    return fromString(part, 'base64url')
  } catch {
    throw new InvalidTokenError('malformed')
  }
}

function check (condition: boolean, problem: string): void {
  if (!condition) {
    throw new InvalidParametersError(problem)
  }
}
