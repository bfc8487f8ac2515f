import { InvalidTokenError } from './errors.ts'
import { parseToken } from './token.ts'
import { TokenVerifier } from './verifier.ts'
import type { Claim, Membership, Trust } from './types.ts'
import type { Authorization, Authorize } from '../point/types.ts'

/**
 * Lets in who shows a token of a network: for the `authorize` of a point. Where nothing proves who asks (`peer` is undefined),
 * whoever has a token is taken for the peer that it is for.
 *
 * @throws {InvalidParametersError} when an issuer is no key
 */
export function byToken (trust: Trust): Authorize {
  const verifier = new TokenVerifier(trust)

  const allowed = ({ expires }: Membership): Authorization => ({ isAllowed: true, until: expires + verifier.tolerance })

  return ({ peer, action, namespace, token, verifying }) => {
    try {
      const membership = verifier.verify(token, { peer: peer ?? holderOf(token), request: { action, namespace } }, Date.now(), verifying)

      return membership instanceof Promise ? membership.then(allowed, refused) : allowed(membership)
    } catch (err) {
      return refused(err)
    }
  }
}

function holderOf (token: string | undefined): string {
  return token == null ? '' : parseToken(token).membership.peer
}

/**
 * What a token says, true or not.
 *
 * @throws {InvalidTokenError} when it is malformed
 */
export function readToken (token: string): Membership {
  return parseToken(token).membership
}

/**
 * Whether a token is good, and what it says.
 *
 * @param now - milliseconds since the epoch
 * @throws {InvalidTokenError} that says what is wrong with it
 * @throws {InvalidParametersError} when an issuer is no key
 */
export async function verifyToken (token: string, { peer, request, ...trust }: Trust & Claim, now: number = Date.now()): Promise<Membership> {
  return new TokenVerifier(trust).verify(token, { peer, ...(request == null ? {} : { request }) }, now)
}

function refused (err: unknown): Authorization {
  if (err instanceof InvalidTokenError) {
    return { isAllowed: false, reason: err.message }
  }

  throw err
}
