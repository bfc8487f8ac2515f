import { errorFromStatus, Status } from '../protocol/errors.ts'
import { keyProblem } from '../protocol/public-key.ts'
import { toWireTtl } from '../protocol/ttl.ts'
import { checkCookie, checkNamespace, Refusal } from './checks.ts'
import { encodeCookie } from './cookie.ts'
import { refuse } from './handler.ts'
import { run, wait } from './steps.ts'
import { verifyingWork } from './verification.ts'
import { DirectWatch } from './watch/direct-watch.ts'
import type { Allowance } from './allowance.ts'
import type { Answer, Find, Outcome, RequestContext, RequestHandler } from './handler.ts'
import type { Overload } from './overload.ts'
import type { PointSettings } from './settings.ts'
import type { Steps } from './steps.ts'
import type { Asker, DirectNews, DirectPage, DirectQuery, DirectRegistration, Origin, RateLimit } from './types.ts'
import type { Watch } from './watch/watch.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { Network } from '../store/fair-shares.ts'
import type { RegistrationStore, StoredRegistration } from '../store/types.ts'
import type { Logger, PeerId, PublicKey } from '@libp2p/interface'

/** One request too many. */
class Excess extends Refusal {
  constructor ({ requests, interval }: RateLimit, readonly retryAfter: number) {
    super(Status.E_UNAVAILABLE, `rateLimit (${requests} requests in ${interval} ms) is reached`)
  }
}

type Registered = Extract<Outcome, { displaced: StoredRegistration[] }>

/** What one of these requests has the handler do. */
type Ask = (context: RequestContext) => MaybePromise<Answer>

interface DirectAnswer extends Answer {
  /** Why it was not even looked at. */
  excess?: Excess
}

export interface DirectInit {
  store: RegistrationStore
  handler: RequestHandler
  settings: PointSettings
  allowance: Allowance | undefined
  overload: Pick<Overload, 'list'> | undefined
  watch: Watch | undefined
  networkOf: (origin: Origin) => Network
  now: () => number
  /** Aborts when the point stops. */
  stopping: () => AbortSignal
  /** Counts what an answer has cost, and tells of what it has led to. */
  settle: (asking: PeerId | string, peer: PeerId | undefined, answer: Answer) => void
  log: Logger
}

/**
 * What is asked of a point in another way than over libp2p. There is no connection that could be held back or closed, so who asks
 * too much is told so at once, and it is counted for the network it asks from: peer ids cost nothing.
 */
export class Direct {
  readonly #init: DirectInit

  constructor (init: DirectInit) {
    this.#init = init
  }

  async register ({ namespace, signedPeerRecord, otherSignedPeerRecord, ttl }: DirectRegistration, asker: Asker & { peer: PeerId }): Promise<StoredRegistration> {
    const request = {
      type: 'register',
      namespace,
      signedPeerRecord,
      otherRecord: otherSignedPeerRecord,
      ttl: ttl == null ? undefined : toWireTtl(ttl),
      token: asker.token
    } as const
    const { outcome } = await this.#ask(request, asker, context => this.#init.handler.handle(asker.peer, request, this.#init.now(), context))

    return (outcome as Registered).registration
  }

  async unregister (namespace: string, asker: Asker & { peer: PeerId }): Promise<boolean> {
    const request = { type: 'unregister', namespace } as const
    const { outcome } = await this.#ask(request, asker, context => this.#init.handler.handle(asker.peer, request, this.#init.now(), context))

    return outcome.type === 'registration:removed'
  }

  async list ({ namespace, cookie, limit, sample = false }: DirectQuery, asker: Asker): Promise<DirectPage> {
    const request = { type: 'discover', namespace, limit, cookie, sample, bothForms: true, token: asker.token } as const
    const { page } = await this.#ask(request, asker, context => this.#init.handler.discover(asker.peer, request, this.#init.now(), context))
    const { registrations, cursor } = page as NonNullable<typeof page>

    return { registrations, cookie: encodeCookie({ cursor, namespace: namespace ?? '' }) }
  }

  async find (peer: string, namespace: string | undefined, asker: Asker): Promise<StoredRegistration[]> {
    const request: Find = { type: 'discover', of: peer, namespace, token: asker.token }
    const { page } = await this.#ask(request, asker, context => this.#init.handler.find(asker.peer, request, this.#init.now(), context))

    return page?.registrations ?? []
  }

  async * watch (namespace: string, cookie: Uint8Array | undefined, asker: Asker): AsyncGenerator<DirectNews, void> {
    const { store, watch, settings, handler, networkOf, now, stopping, log } = this.#init
    const network = networkOf(asker.origin)

    try {
      const retryAfter = this.#init.allowance?.request(network) ?? 0

      if (retryAfter > 0) {
        throw new Excess(this.#init.settings.rateLimit as RateLimit, retryAfter)
      }

      if (watch == null) {
        throw new Refusal(Status.E_UNAVAILABLE, 'nobody may watch at this point')
      }

      checkNamespace(namespace, settings.maxNamespaceLength)
      const watching = new DirectWatch({
        namespace,
        cursor: cookie == null ? undefined : checkCookie(cookie, namespace),
        asker,
        store,
        patience: settings.requestTimeout,
        now,
        authorize: async signal => handler.authorize({ peer: asker.peer, action: 'discover', namespace, token: asker.token, origin: asker.origin, signal }, now()),
        sit: leave => watch.sit(network, leave)
      })

      yield * watching.news(AbortSignal.any([stopping(), ...(asker.signal == null ? [] : [asker.signal])]))
    } catch (err) {
      log('a watch of "%s" has ended: %s', namespace, err instanceof Refusal ? err.message : String(err))
      throw asError(err, namespace)
    }
  }

  verifying (key: PublicKey, { origin }: Asker): void {
    const { handler, allowance, networkOf, now } = this.#init
    const account = handler.account(origin, now())
    const problem = keyProblem(key)

    if (problem != null) {
      throw asError(new Refusal(Status.E_NOT_AUTHORIZED, problem), undefined)
    }

    if (!account.hasRoom()) {
      throw asError(new Refusal(Status.E_UNAVAILABLE, 'this point is sent more than it can verify'), undefined)
    }

    account.spend(verifyingWork(key))
    allowance?.answer(networkOf(origin), { response: undefined, work: account.spent })
  }

  /**
   * @throws {RendezvousError} where it is refused
   */
  async #ask (request: Parameters<typeof refuse>[0], asker: Asker, ask: Ask): Promise<Answer> {
    const controller = new AbortController()
    const onAbort = (): void => { controller.abort() }
    const answering = run(this.#answer(request, asker, ask, controller.signal))
    let answer: DirectAnswer

    if (answering instanceof Promise) {
      const timer = setTimeout(onAbort, this.#init.settings.requestTimeout)
      asker.signal?.addEventListener('abort', onAbort)

      try {
        answer = await answering
      } finally {
        clearTimeout(timer)
        asker.signal?.removeEventListener('abort', onAbort)
      }
    } else {
      answer = answering
    }

    if ('status' in answer.outcome) {
      throw asError(answer.excess ?? new Refusal(answer.outcome.status, answer.outcome.statusText), answer.outcome.namespace)
    }

    return answer
  }

  * #answer (request: Parameters<typeof refuse>[0], { origin, peer }: Asker, ask: Ask, signal: AbortSignal): Steps<DirectAnswer> {
    const { allowance, overload, networkOf, settings, settle } = this.#init
    const network = networkOf(origin)
    const retryAfter = allowance?.request(network) ?? 0
    let answer: DirectAnswer

    if (retryAfter > 0) {
      const excess = new Excess(settings.rateLimit as RateLimit, retryAfter)
      answer = { ...refuse(request, excess), excess }
    } else if (request.type === 'discover' && !(yield * wait(overload?.list() ?? true))) {
      answer = refuse(request, new Refusal(Status.E_UNAVAILABLE, 'there is more to do than can be done'))
    } else {
      answer = yield * wait(ask({ origin, asPage: true, signal }))
    }

    settle(network, peer, answer)

    return answer
  }
}

function asError (reason: unknown, namespace: string | undefined): unknown {
  return reason instanceof Refusal
    ? errorFromStatus(reason.status, reason.message, { ...(namespace == null ? {} : { namespace }), ...(reason instanceof Excess ? { retryAfter: reason.retryAfter } : {}) })
    : reason
}
