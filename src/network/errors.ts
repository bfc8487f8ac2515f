import { RendezvousError } from '../protocol/errors.ts'

/** What can be wrong with a token. */
export type TokenProblem = 'missing' | 'malformed' | 'issuer' | 'expired' | 'early' | 'peer' | 'action' | 'namespace' | 'revoked' | 'signature'

/** In the order in which a token is looked at. */
const PROBLEMS: Record<TokenProblem, string> = {
  missing: 'a token of its network is required, and none was shown',
  malformed: 'the token is malformed',
  issuer: 'the token is of another network',
  expired: 'the token has expired',
  early: 'the token is not valid yet',
  peer: 'the token was issued to another peer',
  action: 'the token does not allow this action',
  namespace: 'the token does not allow this namespace',
  revoked: 'the token has been revoked',
  signature: 'the signature of the token is wrong'
}

/**
 * A token does not do. Its message is one sentence for each `problem`, and has nothing of what was shown: it may be told to
 * whoever showed it, and be written to logs.
 */
export class InvalidTokenError extends RendezvousError {
  static override name = 'InvalidTokenError'

  readonly problem: TokenProblem

  constructor (problem: TokenProblem) {
    super(PROBLEMS[problem])
    this.problem = problem
  }
}
