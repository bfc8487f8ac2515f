import { Status } from '../protocol/errors.ts'
import { namespaceProblem } from '../protocol/namespace.ts'
import { decodeCookie } from './cookie.ts'
import { wait } from './steps.ts'
import { TOKEN_VERIFIED } from './verification.ts'
import type { Steps } from './steps.ts'
import type { Authorization, Authorize, AuthorizeRequest } from './types.ts'
import type { Account } from './verification.ts'
import type { ErrorStatus } from '../protocol/errors.ts'

/** Ends a request early. The message is for the peer; the cause is for the log of this node. */
export class Refusal extends Error {
  constructor (readonly status: ErrorStatus, message: string, cause?: unknown) {
    super(message, { cause })
  }
}

/**
 * @throws {Refusal}
 */
export function checkNamespace (namespace: string | undefined, maxLength: number): string {
  const problem = namespaceProblem(namespace, maxLength)

  if (problem != null) {
    throw new Refusal(Status.E_INVALID_NAMESPACE, problem)
  }

  return namespace as string
}

/**
 * The cursor of a cookie that was made for a listing of this namespace, or of all.
 *
 * @throws {Refusal}
 */
export function checkCookie (bytes: Uint8Array, namespace: string | undefined): number {
  const cookie = decodeCookie(bytes)

  if (cookie == null) {
    throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie is malformed')
  }

  if (cookie.namespace !== (namespace ?? '')) {
    throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie was made for another namespace')
  }

  return cookie.cursor
}

/** What is asked of `authorize`, but for the account that a signature is counted on. */
export type AuthorizeQuestion = Omit<AuthorizeRequest, 'verifying'>

/**
 * @returns until when it holds, in milliseconds since the epoch
 * @throws {Refusal} unless `authorize` allows it
 */
export function * checkAuthorized (authorize: Authorize, question: AuthorizeQuestion, account: Account): Steps<number> {
  let authorization: Authorization = { isAllowed: false }
  let cause: unknown
  let excess: Refusal | undefined

  const verifying = (): void => {
    if (!account.hasRoom()) {
      excess = new Refusal(Status.E_UNAVAILABLE, 'this point is sent more tokens than it can verify')
      throw excess
    }

    account.spend(TOKEN_VERIFIED)
  }

  try {
    const answer = yield * wait(authorize({ ...question, verifying }), question.signal)
    authorization = typeof answer === 'object' ? answer : { isAllowed: answer }
  } catch (err) {
    cause = err
  }

  if (authorization?.isAllowed === true) {
    return authorization.until ?? Infinity
  }

  throw excess ?? new Refusal(Status.E_NOT_AUTHORIZED, authorization?.reason ?? 'this point does not allow it', cause)
}

/**
 * What a store answers.
 *
 * @throws {Refusal} when it does not
 */
export function * ask <T> (question: () => T | Promise<T>, signal: AbortSignal): Steps<T> {
  try {
    return yield * wait(question(), signal)
  } catch (err) {
    throw new Refusal(Status.E_UNAVAILABLE, 'the store of this point cannot be reached', err)
  }
}
