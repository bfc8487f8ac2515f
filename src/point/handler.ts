import { InvalidMessageError } from '@libp2p/interface'
import { raceSignal } from 'race-signal'
import { Status } from '../protocol/errors.ts'
import { andThen, maybePromise, orElse } from '../protocol/maybe-promise.ts'
import { Message } from '../protocol/message.ts'
import { namespaceProblem } from '../protocol/namespace.ts'
import { domainOf, InvalidRecordError, PeerRecords } from '../protocol/peer-record.ts'
import { fromWireTtl, toWireTtl } from '../protocol/ttl.ts'
import { decodeStrictly } from './codec.ts'
import { decodeCookie } from './cookie.ts'
import { encodeListing } from './listing.ts'
import type { Authorize, AuthorizeRequest } from './types.ts'
import type { PointSettings } from './settings.ts'
import type { ErrorStatus } from '../protocol/errors.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { ListQuery, Page, RegisterResult, StoredRegistration, RegistrationStore } from '../store/types.ts'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** How the request got here. */
export interface RequestContext {
  connection: Connection
  /** The only form of records that the peer can read, where one in another form spoils a listing for it. */
  reads?: RecordDomain | undefined
  /** Aborts when an answer would come too late, or nobody waits for it any more. */
  signal: AbortSignal
}

/** What a request led to. */
export type Outcome =
  | { type: 'registration:added' | 'registration:refreshed' | 'registration:removed', registration: StoredRegistration }
  | { type: 'registration:rejected' | 'unregister:rejected' | 'discover:rejected', namespace: string | undefined, status: ErrorStatus, statusText: string, cause?: unknown }
  | { type: 'discover:served', namespace: string | undefined, registrations: number }
  /** Nothing was registered that could have been unregistered. */
  | { type: 'nothing' }

export interface Answer {
  /** UNREGISTER has none, whatever its outcome. */
  response: Uint8Array | undefined
  outcome: Outcome
  /** What it took beyond a request that is answered from memory, in such requests. */
  work: number
}

type Decision = Omit<Answer, 'work'>

/** Of one request, as it adds up. */
type Effort = Pick<Answer, 'work'>

/** To verify a signature takes as long as some small requests; with a key that Node has no code of its own for, many. */
const VERIFICATION = 5

/** Records that are remembered as verified, at the most twice as many: with the usual envelope, 16 MiB of them. */
const REMEMBERED_RECORDS = 4_096

/** Pages looked through for a peer that can read only some records. */
const MAX_PAGES_READ = 5

/** One of these. */
type Request = Pick<Message, 'register' | 'unregister' | 'discover'>

/** Ends a request early. */
class Refusal extends Error {
  constructor (readonly status: ErrorStatus, message: string, cause?: unknown) {
    super(message, { cause })
  }
}

/**
 * Decides what a point answers: who asks, what, and when goes in; the response and what came of it
 * come out. It knows no stream, no timer and no clock.
 */
export class RequestHandler {
  readonly #store: RegistrationStore
  readonly #settings: PointSettings
  readonly #authorize: Authorize | undefined
  readonly #records = new PeerRecords(REMEMBERED_RECORDS)

  constructor (store: RegistrationStore, settings: PointSettings, authorize?: Authorize) {
    this.#store = store
    this.#settings = settings
    this.#authorize = authorize
  }

  /**
   * Answers one request.
   *
   * @throws {InvalidMessageError} when the bytes are no request; the stream they came on is of no
   * further use
   */
  handle (peer: PeerId, request: Uint8Array | Uint8ArrayList, now: number, context: RequestContext): MaybePromise<Answer> {
    const message = decodeRequest(request)
    const effort: Effort = { work: 0 }

    const decision = orElse(
      () => this.#decide(peer, message, now, context, effort),
      err => refused(message, err instanceof Refusal
        ? err
        // its words are for the log of this node, not for a peer
        : new Refusal(Status.E_INTERNAL_ERROR, 'internal error', err))
    )

    return andThen(decision, decision => ({ ...decision, ...effort }))
  }

  /**
   * Answers a request that is not even looked into.
   *
   * @throws {InvalidMessageError} as `handle` does
   */
  refuse (request: Uint8Array | Uint8ArrayList, status: ErrorStatus, statusText: string): Answer {
    return { ...refused(decodeRequest(request), new Refusal(status, statusText)), work: 0 }
  }

  #decide (peer: PeerId, { register, discover, unregister }: Request, now: number, context: RequestContext, effort: Effort): MaybePromise<Decision> {
    if (register != null) {
      return this.#register(peer, register, now, context, effort)
    } else if (discover != null) {
      return this.#discover(peer, discover, now, context, effort)
    }

    return this.#unregister(peer, unregister, now, context)
  }

  #register (peer: PeerId, { ns, signedPeerRecord, ttl: wireTtl }: Message.Register, now: number, context: RequestContext, effort: Effort): MaybePromise<Decision> {
    const namespace = this.#checkNamespace(ns)
    const ttl = this.#checkTtl(wireTtl)

    return andThen(this.#checkRecord(peer, signedPeerRecord, namespace, context, effort), envelope => {
      const registration = { namespace, peer: peer.toString(), signedPeerRecord: envelope, ttl }

      return andThen(this.#ask(context, store => store.register(registration, this.#settings, now)), result => this.#registered(result, ttl))
    })
  }

  #registered (result: RegisterResult, ttl: number): Decision {
    if ('limit' in result) {
      throw new Refusal(Status.E_UNAVAILABLE, `${result.limit} (${this.#settings[result.limit]}) is reached`)
    }

    return {
      outcome: {
        type: result.refreshed ? 'registration:refreshed' : 'registration:added',
        registration: result.registration
      },
      response: Message.encode({
        type: Message.MessageType.REGISTER_RESPONSE,
        registerResponse: { status: Status.OK, ttl: toWireTtl(ttl) }
      })
    }
  }

  #unregister (peer: PeerId, unregister: Message.Unregister | undefined, now: number, context: RequestContext): MaybePromise<Decision> {
    return andThen(this.#ask(context, store => store.unregister(unregister?.ns ?? '', peer.toString(), now)), registration => ({
      outcome: registration == null ? { type: 'nothing' } : { type: 'registration:removed', registration },
      response: undefined
    }))
  }

  #discover (peer: PeerId, { ns, limit, cookie }: Message.Discover, now: number, context: RequestContext, effort: Effort): MaybePromise<Decision> {
    const namespace = ns == null || ns === '' ? undefined : this.#checkNamespace(ns)
    const query: ListQuery = { namespace, after: checkCookie(cookie, namespace), limit: this.#pageSize(limit) }
    const isAuthorized = this.#checkAuthorized({ peer, action: 'discover', namespace, connection: context.connection, signal: context.signal })

    return andThen(isAuthorized, () => andThen(this.#page(query, now, context, effort), page => {
      const { response, registrations } = encodeListing(page, namespace, now)

      return {
        outcome: { type: 'discover:served', namespace, registrations },
        response
      }
    }))
  }

  /**
   * A page of what the peer can read. It is empty only when there is nothing more, or nothing to read in
   * so many pages.
   */
  #page (query: ListQuery, now: number, context: RequestContext, effort: Effort): MaybePromise<Page> {
    const { reads } = context
    const limit = reads == null ? query.limit : this.#settings.maxDiscoverLimit

    return andThen(this.#ask(context, store => store.list({ ...query, limit }, now)), page => {
      if (page == null) {
        throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie was made by another store')
      }

      if (reads == null || page.registrations.length === 0) {
        return page
      }

      const registrations = page.registrations.filter(({ signedPeerRecord }) => domainOf(signedPeerRecord) === reads)

      if (registrations.length > 0 || effort.work === MAX_PAGES_READ - 1) {
        // the response's cookie is that of the last one in it
        return { registrations: registrations.slice(0, query.limit), cursor: page.cursor }
      }

      effort.work++

      return this.#page({ ...query, after: page.cursor }, now, context, effort)
    })
  }

  #checkNamespace (namespace: string | undefined): string {
    const problem = namespaceProblem(namespace, this.#settings.maxNamespaceLength)

    if (problem != null) {
      throw new Refusal(Status.E_INVALID_NAMESPACE, problem)
    }

    return namespace as string
  }

  #checkTtl (wireTtl: bigint | undefined): number {
    const { minTtl, defaultTtl, maxTtl } = this.#settings
    const ttl = wireTtl == null ? defaultTtl : fromWireTtl(wireTtl)

    if (ttl < minTtl || ttl > maxTtl) {
      throw new Refusal(Status.E_INVALID_TTL, `a TTL of ${Math.ceil(minTtl / 1000)} to ${Math.floor(maxTtl / 1000)} seconds is accepted, not ${wireTtl}`)
    }

    return ttl
  }

  /** The checks of a record, the cheap ones first: to verify a signature costs more than all others. */
  #checkRecord (peer: PeerId, envelope: Uint8Array | undefined, namespace: string, context: RequestContext, effort: Effort): MaybePromise<Uint8Array> {
    if (envelope == null) {
      throw new Refusal(Status.E_INVALID_SIGNED_PEER_RECORD, 'a signed peer record is required')
    }

    return orElse(
      () => {
        const record = this.#records.open(envelope)

        if (!record.peerId.equals(peer)) {
          throw new Refusal(Status.E_NOT_AUTHORIZED, 'a peer may register only itself')
        }

        const isAuthorized = this.#checkAuthorized({ peer, action: 'register', namespace, connection: context.connection, signal: context.signal })

        return andThen(isAuthorized, () => {
          const certified = record.certify()

          if (certified instanceof Promise) {
            effort.work += VERIFICATION
          }

          return andThen(certified, ({ envelope }) => envelope)
        })
      },
      err => { throw err instanceof InvalidRecordError ? new Refusal(Status.E_INVALID_SIGNED_PEER_RECORD, err.message) : err }
    )
  }

  #checkAuthorized (request: AuthorizeRequest): MaybePromise<void> {
    if (this.#authorize != null) {
      return checkAuthorized(this.#authorize, request)
    }
  }

  #pageSize (limit: bigint | undefined): number {
    const { maxDiscoverLimit } = this.#settings

    return limit == null || limit === 0n ? maxDiscoverLimit : Math.min(Number(limit), maxDiscoverLimit)
  }

  #ask <T> ({ signal }: RequestContext, question: (store: RegistrationStore) => MaybePromise<T>): MaybePromise<T> {
    return orElse(
      () => {
        const answer = maybePromise(question(this.#store))

        return answer instanceof Promise ? raceSignal(answer, signal) : answer
      },
      err => { throw new Refusal(Status.E_UNAVAILABLE, 'the store of this point cannot be reached', err) }
    )
  }
}

async function checkAuthorized (authorize: Authorize, request: AuthorizeRequest): Promise<void> {
  let isAuthorized = false
  let cause: unknown

  try {
    isAuthorized = await raceSignal(Promise.resolve(authorize(request)), request.signal)
  } catch (err) {
    cause = err
  }

  if (isAuthorized !== true) {
    throw new Refusal(Status.E_NOT_AUTHORIZED, 'this point does not allow it', cause)
  }
}

/**
 * A message that is a request and has the part that its type promises.
 */
function decodeRequest (bytes: Uint8Array | Uint8ArrayList): Request {
  const { type, register, unregister, discover } = decodeStrictly(bytes)

  // writers of proto3, such as py-libp2p, leave out a zero, which is REGISTER
  if ((type ?? Message.MessageType.REGISTER) === Message.MessageType.REGISTER && register != null) {
    return { register }
  } else if (type === Message.MessageType.DISCOVER && discover != null) {
    return { discover }
  } else if (type === Message.MessageType.UNREGISTER && unregister != null) {
    return { unregister }
  }

  throw new InvalidMessageError(`Not a request: ${type ?? 'a message without a type'}`)
}

function refused (message: Request, { status, message: statusText, cause }: Refusal): Decision {
  if (message.register != null) {
    return {
      outcome: { type: 'registration:rejected', namespace: message.register.ns, status, statusText, cause },
      response: Message.encode({
        type: Message.MessageType.REGISTER_RESPONSE,
        registerResponse: { status, statusText }
      })
    }
  }

  if (message.discover != null) {
    return {
      outcome: { type: 'discover:rejected', namespace: message.discover.ns, status, statusText, cause },
      response: Message.encode({
        type: Message.MessageType.DISCOVER_RESPONSE,
        discoverResponse: { registrations: [], status, statusText }
      })
    }
  }

  return {
    outcome: { type: 'unregister:rejected', namespace: message.unregister?.ns, status, statusText, cause },
    response: undefined
  }
}

/** The cursor of a cookie for this namespace; an empty cookie is what some clients send for none. */
function checkCookie (bytes: Uint8Array | undefined, namespace: string | undefined): number | undefined {
  if (bytes == null || bytes.byteLength === 0) {
    return
  }

  const cookie = decodeCookie(bytes)

  if (cookie == null) {
    throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie is malformed')
  }

  if (cookie.namespace !== (namespace ?? '')) {
    throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie was made for another namespace')
  }

  return cookie.cursor
}
