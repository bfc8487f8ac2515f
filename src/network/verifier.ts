import { InvalidParametersError } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { InvalidTokenError } from './errors.ts'
import { isFor, parseToken } from './token.ts'
import type { ParsedToken } from './token.ts'
import type { Claim, Membership, Trust } from './types.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { PublicKey } from '@libp2p/interface'

/** Tokens that are remembered as verified. With the longest, 16 MiB of them. */
const REMEMBERED = 4_096

const TOLERANCE = 60_000

/**
 * Says whether tokens are good, and remembers whose signature was verified until they end. It is told the time.
 */
export class TokenVerifier {
  readonly #keys: Map<string, PublicKey>
  readonly #revoked: Pick<ReadonlySet<string>, 'has'>
  readonly #known = new Map<string, Membership>()
  /** Milliseconds by which clocks may differ. */
  readonly tolerance: number

  /**
   * @throws {InvalidParametersError} when an issuer is not a key of Ed25519
   */
  constructor ({ issuers, revoked = new Set(), tolerance = TOLERANCE }: Trust) {
    if (!Array.isArray(issuers) || issuers.length === 0) {
      throw new InvalidParametersError('issuers must be a list of the public keys of networks, as peer ids')
    }

    if (!(tolerance >= 0 && tolerance < Infinity)) {
      throw new InvalidParametersError(`tolerance must be a number of milliseconds of at least 0, not ${tolerance}`)
    }

    this.#keys = new Map(issuers.map(issuer => [issuer, keyOf(issuer)]))
    this.#revoked = revoked
    this.tolerance = tolerance
  }

  /**
   * Whether a token is good for what it is shown for; the cheap checks first. There is a promise only where a signature is
   * verified.
   *
   * @param now - milliseconds since the epoch
   * @param verifying - called before a signature is verified; what it throws is thrown
   * @throws {InvalidTokenError}
   */
  verify (token: string | undefined, claim: Claim, now: number, verifying = (): void => {}): MaybePromise<Membership> {
    if (token == null) {
      throw new InvalidTokenError('missing')
    }

    const known = this.#known.get(token)

    if (known != null) {
      try {
        return this.check(known, claim, now)
      } catch (err) {
        if (now >= known.expires + this.tolerance) {
          this.#known.delete(token)
        }

        throw err
      }
    }

    const parsed = parseToken(token)
    const key = this.#keys.get(parsed.membership.issuer)

    if (key == null) {
      throw new InvalidTokenError('issuer')
    }

    this.check(parsed.membership, claim, now)
    verifying()

    return this.#certify(token, parsed, key)
  }

  async #certify (token: string, { membership, signed, signature }: ParsedToken, key: PublicKey): Promise<Membership> {
    if (await key.verify(signed, signature) !== true) {
      throw new InvalidTokenError('signature')
    }

    const [oldest] = this.#known.keys()

    if (this.#known.size >= REMEMBERED && oldest != null) {
      this.#known.delete(oldest)
    }

    this.#known.set(token, membership)

    return membership
  }

  /**
   * Whether it is good for what it is shown for, its signature aside.
   *
   * @throws {InvalidTokenError}
   */
  check (membership: Membership, { peer, request }: Claim, now: number): Membership {
    const { id, namespaces, actions, notBefore, expires } = membership

    if (now >= expires + this.tolerance) {
      throw new InvalidTokenError('expired')
    }

    if (now < notBefore - this.tolerance) {
      throw new InvalidTokenError('early')
    }

    if (membership.peer !== peer.toString()) {
      throw new InvalidTokenError('peer')
    }

    if (request != null && !actions.includes(request.action)) {
      throw new InvalidTokenError('action')
    }

    if (request != null && !namespaces.some(pattern => isFor(pattern, request.namespace))) {
      throw new InvalidTokenError('namespace')
    }

    if (this.#revoked.has(id) || this.#revoked.has(membership.peer)) {
      throw new InvalidTokenError('revoked')
    }

    return membership
  }
}

/** A network is named by its key, which its peer id holds. */
function keyOf (issuer: string): PublicKey {
  let key: PublicKey | undefined

  try {
    const peerId = peerIdFromString(issuer)
    key = peerId.toString() === issuer ? peerId.publicKey : undefined
  } catch {}

  if (key?.type !== 'Ed25519') {
    throw new InvalidParametersError('each issuer is the public key of a network, as a peer id: 12D3Koo…')
  }

  return key
}
