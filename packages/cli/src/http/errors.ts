import { RendezvousError } from 'libp2p-rendezvous'
import type { HttpEnv, HttpValues } from './types.ts'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** What is wrong with a request, before the point is asked. */
export class BadRequest extends Error {
  readonly status: ContentfulStatusCode
  readonly headers: Record<string, string>

  constructor (status: ContentfulStatusCode, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** What a refusal of the point is over HTTP. */
const STATUS: Record<string, ContentfulStatusCode> = {
  E_INVALID_NAMESPACE: 400,
  E_INVALID_COOKIE: 400,
  E_INVALID_SIGNED_PEER_RECORD: 422,
  E_INVALID_TTL: 422,
  E_NOT_AUTHORIZED: 403,
  E_INTERNAL_ERROR: 500,
  E_UNAVAILABLE: 503
}

/** When to try again what may be possible later, where nothing says it. Seconds. */
const RETRY_AFTER = '5'

/** Seconds before a request that is one too many can be made again. */
export function retryAfter ({ retryAfter }: { retryAfter?: number | undefined }): string {
  return retryAfter == null ? RETRY_AFTER : String(Math.ceil(retryAfter / 1_000))
}

/**
 * What is answered where something is in the way. The words are the point's, which repeat nothing that was shown to it, or
 * those of this program; what went wrong otherwise is not for strangers.
 *
 * @param network - whose members alone are served; undefined for everybody
 * @param headers - of all answers
 */
export function errorAnswers ({ network }: Pick<HttpValues, 'network'>, headers: Record<string, string> = {}): (err: unknown, c: Context<HttpEnv>) => Response {
  return (err, c) => {
    Object.entries(headers).forEach(([name, value]) => { c.header(name, value) })

    return answerOf(err, c, network != null)
  }
}

function answerOf (err: unknown, c: Context<HttpEnv>, isForMembers: boolean): Response {
  if (err instanceof BadRequest) {
    return c.json({ message: err.message }, err.status, err.headers)
  }

  if (err instanceof RendezvousError && err.status != null) {
    const { status, statusText: message } = err

    if (status === 'E_UNAVAILABLE') {
      return c.json({ status, message }, err.retryAfter == null ? 503 : 429, { 'retry-after': retryAfter(err) })
    }

    // nothing was shown: that may be all that is wrong
    return status === 'E_NOT_AUTHORIZED' && isForMembers && c.req.header('authorization') == null
      ? c.json({ status, message }, 401, { 'www-authenticate': 'Bearer' })
      : c.json({ status, message }, STATUS[status] ?? 500)
  }

  if (err instanceof Error && 'getResponse' in err) {
    return (err as Error & { getResponse: () => Response }).getResponse()
  }

  return c.json({ message: 'internal error' }, 500)
}
