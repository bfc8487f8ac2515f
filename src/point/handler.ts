import { Status } from '../protocol/errors.ts'
import { Message } from '../protocol/message.ts'
import { InvalidRecordError } from '../protocol/peer-record.ts'
import { fromWireTtl, toWireTtl } from '../protocol/ttl.ts'
import { ask, checkAuthorized, checkCookie, checkNamespace, Refusal } from './checks.ts'
import { encodeListing } from './listing.ts'
import { networkRule } from './network-of.ts'
import { SentRecords } from './sent-records.ts'
import { run, wait } from './steps.ts'
import { RecordBudget } from './verification.ts'
import type { Request } from './codec.ts'
import type { PointSettings } from './settings.ts'
import type { Steps } from './steps.ts'
import type { AuthorizeQuestion } from './checks.ts'
import type { Account } from './verification.ts'
import type { Authorize, Origin } from './types.ts'
import type { ErrorStatus } from '../protocol/errors.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { Network } from '../store/fair-shares.ts'
import type { ListQuery, Page, StoredRegistration, RegistrationStore } from '../store/types.ts'
import type { Connection, PeerId } from '@libp2p/interface'

type Register = Extract<Request, { type: 'register' }>
type Unregister = Extract<Request, { type: 'unregister' }>
type Discover = Extract<Request, { type: 'discover' }>

/** Asks for the registrations of one peer, which the protocol has no request for: to those who see the answer it is a listing. */
export interface Find {
  type: 'discover'
  /** A peer id, in its string form. */
  of: string
  /** Undefined for all. */
  namespace: string | undefined
  token: string | undefined
}

/** How the request got here. */
export interface RequestContext {
  /** Where it comes from; over libp2p, the connection. */
  origin: Origin
  /** Undefined where it does not come over libp2p. */
  connection?: Connection | undefined
  /**
   * The only form of records that the peer can read, unless its request says that it reads both; undefined where it is
   * listed everything all the same. There is a promise while it is not known.
   */
  reads?: () => MaybePromise<RecordDomain | undefined>
  /** Before a listing is encoded: there is a promise when the peer has to read others before. */
  room?: () => MaybePromise<void>
  /** Whether what is listed is answered as it is, and not as bytes. */
  asPage?: boolean
  /** Aborts when an answer would come too late, or nobody waits for it any more. */
  signal: AbortSignal
}

/** What a request led to. */
export type Outcome =
  | { type: 'registration:added' | 'registration:refreshed', registration: StoredRegistration, /** Who made room for it. */ displaced: StoredRegistration[] }
  | { type: 'registration:removed' | 'registration:evicted', registration: StoredRegistration }
  | { type: 'registration:rejected' | 'unregister:rejected' | 'discover:rejected', namespace: string | undefined, status: ErrorStatus, statusText: string, cause?: unknown }
  | { type: 'discover:served', namespace: string | undefined, registrations: number }
  /** Nothing was registered that could have been unregistered. */
  | { type: 'nothing', namespace: string | undefined }

export interface Answer {
  /** UNREGISTER has none, whatever its outcome. */
  response: Uint8Array | undefined
  /** What is listed, where that was asked for as it is. */
  page?: Page
  outcome: Outcome
  /** What it led to before that. */
  before?: Outcome[]
  /** What it took beyond a request that is answered from memory, in such requests. */
  work: number
}

/**
 * Decides what a point answers: who asks, what, and when goes in; the response and what came of it
 * come out. It knows no stream, no timer and no clock.
 */
export class RequestHandler {
  /** Namespaces in which nobody may register; whoever has this handler adds and removes them. */
  readonly closed = new Set<string>()

  readonly #store: RegistrationStore
  readonly #settings: PointSettings
  readonly #authorize: Authorize | undefined
  readonly #networkOf: (origin: Origin) => Network
  readonly #random: () => number
  readonly #records = new SentRecords()
  readonly #budget = new RecordBudget()

  constructor (store: RegistrationStore, settings: PointSettings, authorize?: Authorize, networkOf = networkRule(), random = Math.random) {
    this.#store = store
    this.#settings = settings
    this.#authorize = authorize
    this.#networkOf = networkOf
    this.#random = random
  }

  /** Answers one request. There is a promise only where something has to be waited for. */
  handle (peer: PeerId, request: Request, now: number, context: RequestContext): MaybePromise<Answer> {
    switch (request.type) {
      case 'register': return run(this.#register(peer, request, now, context))
      case 'unregister': return run(this.#unregister(peer, request, now, context))
      case 'discover': return run(this.#discover(peer, request, now, context))
    }
  }

  /** The same for a listing that anybody may have asked for. */
  discover (peer: PeerId | undefined, request: Discover, now: number, context: RequestContext): MaybePromise<Answer> {
    return run(this.#discover(peer, request, now, context))
  }

  /** Answers which registrations a peer has, in a namespace or in all. */
  find (peer: PeerId | undefined, request: Find, now: number, context: RequestContext): MaybePromise<Answer> {
    return run(this.#find(peer, request, now, context))
  }

  /**
   * Whether somebody may discover or register, as `authorize` says.
   *
   * @returns until when it holds, in milliseconds since the epoch
   * @throws {Refusal}
   */
  authorize ({ origin, ...question }: Omit<AuthorizeQuestion, 'connection' | 'remoteAddr'> & { origin: Origin }, now: number): MaybePromise<number> {
    return run(this.#checkAuthorized({ ...question, remoteAddr: origin.remoteAddr, connection: undefined }, this.account(origin, now)))
  }

  /** What is verified for a request is counted there. */
  account (origin: Origin, now: number): Account {
    return this.#budget.open(this.#networkOf(origin), now)
  }

  /** The checks of a registration, the cheap ones first: to verify a signature costs more than all others. */
  * #register (peer: PeerId, request: Register, now: number, { origin, connection, signal }: RequestContext): Steps<Answer> {
    const network = this.#networkOf(origin)
    const account = this.#budget.open(network, now)

    try {
      const namespace = checkNamespace(request.namespace, this.#settings.maxNamespaceLength)
      this.#checkOpen(namespace)
      const wanted = this.#checkTtl(request.ttl)
      const opened = this.#records.open(this.#settings.keepBothForms ? request : { ...request, otherRecord: undefined }, peer, account)
      const until = yield * this.#checkAuthorized({ peer, action: 'register', namespace, token: request.token, remoteAddr: origin.remoteAddr, connection, signal }, account)

      // who may be here for a while is not listed for longer
      const ttl = Math.min(wanted, Math.max(until - now, 1))
      const records = yield * this.#records.certify(opened, account)
      const registration = { namespace, peer: peer.toString(), ...records, network, ttl }
      const result = yield * ask(() => this.#store.register(registration, this.#settings, now), signal)

      if ('limit' in result) {
        throw new Refusal(Status.E_UNAVAILABLE, `${result.limit} (${this.#settings[result.limit]}) is reached`)
      }

      const outcome: Outcome = {
        type: result.refreshed ? 'registration:refreshed' : 'registration:added',
        registration: result.registration,
        displaced: result.displaced
      }

      // while a store is asked, a namespace may be closed, and what is in it ended
      if (this.closed.has(namespace)) {
        const registration = yield * ask(() => this.#store.unregister(namespace, peer.toString(), now), signal)
        const before: Outcome[] = registration == null ? [outcome] : [outcome, { type: 'registration:evicted', registration }]

        return { ...refuse(request, isClosed()), before, work: account.spent }
      }

      return {
        outcome,
        response: Message.encode({
          type: Message.MessageType.REGISTER_RESPONSE,
          registerResponse: { status: Status.OK, ttl: toWireTtl(ttl) }
        }),
        work: account.spent
      }
    } catch (err) {
      return { ...refuse(request, err), work: account.spent }
    }
  }

  * #unregister (peer: PeerId, request: Unregister, now: number, { signal }: RequestContext): Steps<Answer> {
    const { namespace } = request

    if (namespace == null) {
      return yield * this.#unregisterAll(peer, request, now, signal)
    }

    try {
      const registration = yield * ask(() => this.#store.unregister(namespace, peer.toString(), now), signal)

      return {
        outcome: registration == null ? { type: 'nothing', namespace } : { type: 'registration:removed', registration },
        response: undefined,
        work: 0
      }
    } catch (err) {
      return refuse(request, err)
    }
  }

  /** As waku's client asks for it: each of the peer's registrations is removed as if it had been named. */
  * #unregisterAll (peer: PeerId, request: Unregister, now: number, signal: AbortSignal): Steps<Answer> {
    const removed: Outcome[] = []

    try {
      for (const { namespace } of yield * ask(() => this.#store.registrationsOf(peer.toString(), now), signal)) {
        const registration = yield * ask(() => this.#store.unregister(namespace, peer.toString(), now), signal)

        if (registration != null) {
          removed.push({ type: 'registration:removed', registration })
        }
      }

      const work = removed.length

      return { before: removed, outcome: removed.pop() ?? { type: 'nothing', namespace: undefined }, response: undefined, work }
    } catch (err) {
      return { ...refuse(request, err), before: removed, work: removed.length }
    }
  }

  * #discover (peer: PeerId | undefined, request: Discover, now: number, { origin, connection, reads, room, asPage, signal }: RequestContext): Steps<Answer> {
    const { maxDiscoverLimit, maxNamespaceLength } = this.#settings
    const account = this.#authorize == null ? undefined : this.account(origin, now)

    try {
      const namespace = request.namespace == null ? undefined : checkNamespace(request.namespace, maxNamespaceLength)
      const after = request.cookie == null ? undefined : checkCookie(request.cookie, namespace)
      const limit = Math.min(request.limit ?? maxDiscoverLimit, maxDiscoverLimit)
      yield * this.#checkAuthorized({ peer, action: 'discover', namespace, token: request.token, remoteAddr: origin.remoteAddr, connection, signal }, account)

      const query = { namespace, after, limit, ...(request.sample ? { sample: this.#random } : {}) }
      const form = request.bothForms ? undefined : yield * this.#formFor(query, reads?.(), now, signal)
      const page = yield * this.#list({ ...query, reads: form }, now, signal)

      if (asPage === true) {
        return served(namespace, page, account)
      }

      yield * waitForRoom(room?.(), signal)
      const { response, registrations } = encodeListing(page, namespace, now, { isSample: request.sample, reads: form })

      return { outcome: { type: 'discover:served', namespace, registrations }, response, work: account?.spent ?? 0 }
    } catch (err) {
      return { ...refuse(request, err), work: account?.spent ?? 0 }
    }
  }

  * #find (peer: PeerId | undefined, request: Find, now: number, { origin, connection, signal }: RequestContext): Steps<Answer> {
    const account = this.#authorize == null ? undefined : this.account(origin, now)

    try {
      const namespace = request.namespace == null ? undefined : checkNamespace(request.namespace, this.#settings.maxNamespaceLength)

      // as it may take them back
      if (peer?.toString() !== request.of) {
        yield * this.#checkAuthorized({ peer, action: 'discover', namespace, token: request.token, remoteAddr: origin.remoteAddr, connection, signal }, account)
      }

      const all = yield * ask(() => this.#store.registrationsOf(request.of, now), signal)
      const registrations = namespace == null ? all : all.filter(registration => registration.namespace === namespace)

      return served(namespace, { registrations, cursor: 0 }, account)
    } catch (err) {
      return { ...refuse(request, err), work: account?.spent ?? 0 }
    }
  }

  #checkTtl (wireTtl: bigint | undefined): number {
    const { minTtl, defaultTtl, maxTtl } = this.#settings
    const ttl = wireTtl == null ? defaultTtl : fromWireTtl(wireTtl)

    if (ttl < minTtl || ttl > maxTtl) {
      throw new Refusal(Status.E_INVALID_TTL, `a TTL of ${Math.ceil(minTtl / 1000)} to ${Math.floor(maxTtl / 1000)} seconds is accepted, not ${wireTtl}`)
    }

    return ttl
  }

  /** @throws {Refusal} */
  #checkOpen (namespace: string): void {
    if (this.closed.has(namespace)) {
      throw isClosed()
    }
  }

  * #checkAuthorized (question: AuthorizeQuestion, account: Account | undefined): Steps<number> {
    return this.#authorize == null || account == null ? Infinity : yield * checkAuthorized(this.#authorize, question, account)
  }

  /** Waits to know what a peer reads, unless there is nothing to list to anybody. */
  * #formFor (query: ListQuery, form: MaybePromise<RecordDomain | undefined>, now: number, signal: AbortSignal): Steps<RecordDomain | undefined> {
    if (form instanceof Promise && (yield * this.#list({ ...query, limit: 1 }, now, signal)).registrations.length === 0) {
      return
    }

    return yield * wait(form)
  }

  * #list (query: ListQuery, now: number, signal: AbortSignal): Steps<Page> {
    const page = yield * ask(() => this.#store.list(query, now), signal)

    if (page == null) {
      throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie was made by another store')
    }

    return page
  }
}

function served (namespace: string | undefined, page: Page, account: Account | undefined): Answer {
  return { outcome: { type: 'discover:served', namespace, registrations: page.registrations.length }, response: undefined, page, work: account?.spent ?? 0 }
}

/** Why nobody may register in a namespace, and why those who were registered are not any more. */
export function isClosed (): Refusal {
  return new Refusal(Status.E_NOT_AUTHORIZED, 'the operator of this point has closed this namespace')
}

function * waitForRoom (room: MaybePromise<void>, signal: AbortSignal): Steps<void> {
  try {
    yield * wait(room, signal)
  } catch {
    throw new Refusal(Status.E_UNAVAILABLE, 'what was listed before has not been read')
  }
}

/**
 * The answer to a request that is not carried out.
 *
 * @param reason - what is no Refusal is for the log of this node, and its words not for a peer
 */
export function refuse (request: Pick<Request, 'type' | 'namespace'>, reason: unknown): Answer {
  const { status, message: statusText, cause } = asRefusal(reason)
  const { type, namespace } = request

  switch (type) {
    case 'register': return {
      outcome: { type: 'registration:rejected', namespace, status, statusText, cause },
      response: Message.encode({
        type: Message.MessageType.REGISTER_RESPONSE,
        registerResponse: { status, statusText }
      }),
      work: 0
    }
    case 'unregister': return {
      outcome: { type: 'unregister:rejected', namespace, status, statusText, cause },
      response: undefined,
      work: 0
    }
    case 'discover': return {
      outcome: { type: 'discover:rejected', namespace, status, statusText, cause },
      response: Message.encode({
        type: Message.MessageType.DISCOVER_RESPONSE,
        discoverResponse: { registrations: [], status, statusText }
      }),
      work: 0
    }
  }
}

function asRefusal (reason: unknown): Refusal {
  if (reason instanceof Refusal) {
    return reason
  }

  return reason instanceof InvalidRecordError
    ? new Refusal(Status.E_INVALID_SIGNED_PEER_RECORD, reason.message)
    : new Refusal(Status.E_INTERNAL_ERROR, 'internal error', reason)
}
