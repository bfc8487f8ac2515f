import { ProtocolError } from '@libp2p/interface'
import { errorFromStatus, InvalidCookieError, InvalidNamespaceError, NotAuthorizedError, RendezvousError, Status } from '../protocol/errors.ts'
import { Message } from '../protocol/message.ts'
import { fromWireTtl, toWireTtl } from '../protocol/ttl.ts'
import { NO_TOKENS } from './tokens.ts'
import type { SealedRecord } from './own-record.ts'
import type { Session, Turn } from './session.ts'
import type { Tokens } from './tokens.ts'
import type { Logger, PeerId } from '@libp2p/interface'

/** Cookies longer than this are not kept: eight bytes and a namespace are usual. */
const MAX_COOKIE_LENGTH = 1_024

/**
 * What becomes of a REGISTER with a record of a form that the point does not know: Go's points say so,
 * rust-libp2p's reset the stream.
 */
const UNREADABLE = new Set(['InvalidSignedPeerRecordError', 'StreamResetError'])

/** Bytes of records that every point reads, the longest namespace beside them: nim-libp2p's read 4096 in all. */
const READ_BY_ALL = 3_800

/** This node's record as it is signed by choice, or for the other domain. */
type Form = 'own' | 'other'

type RegisteredRecords = Pick<Message.Register, 'signedPeerRecord' | 'otherSignedPeerRecord'>
type Shown = string | undefined

/** A page as the point sent it: nothing in it is verified. */
export interface UnverifiedPage {
  registrations: Message.Register[]
  cookie: Uint8Array | undefined
}

/**
 * A rendezvous point, seen from here: the protocol's requests as calls.
 */
export class RemotePoint {
  readonly peerId: PeerId
  readonly #session: Session
  /** The form of records that was understood last; until one was, this node's own. */
  #form: Form = 'own'
  readonly #readsBoth: () => boolean | undefined
  readonly #log: Logger
  readonly #tokens: Pick<Tokens, 'get' | 'isKept' | 'refused'>
  /** The last cookie that it gave for each namespace that this node asked it to register. */
  readonly #cookies = new Map<string, Uint8Array | undefined>()

  /**
   * @param readsBoth - whether the point takes a record in both forms at once (docs/extensions.md); undefined
   * while it has not said what it speaks
   * @param tokens - what is shown to it
   */
  constructor (peerId: PeerId, session: Session, readsBoth: () => boolean | undefined, log: Logger, tokens: Pick<Tokens, 'get' | 'isKept' | 'refused'> = NO_TOKENS) {
    this.peerId = peerId
    this.#session = session
    this.#readsBoth = readsBoth
    this.#log = log
    this.#tokens = tokens
  }

  /** Whether nothing is being asked of it. */
  get isIdle (): boolean {
    return this.#session.isIdle
  }

  /** The last cookie that it gave for a namespace that it was asked to register; it may have given none. */
  cookieOf (namespace: string): Uint8Array | undefined {
    return this.#cookies.get(namespace)
  }

  /**
   * The record goes out in both forms where the point takes both, so that it can list to each reader the one that it
   * reads; a point that has not said yet what it speaks is sent both if any point could read so much. One that
   * cannot read the record is sent the same in the other form, once, and in the same step: what is sent
   * afterwards, to unregister for example, does not overtake it.
   *
   * @param ttl - milliseconds
   * @returns the TTL in milliseconds, at the most the one asked for: to renew too early does no harm
   * @throws {RendezvousError} of the status that the point answered with
   * @throws {ProtocolError} when the response is not one
   */
  async register (namespace: string, record: SealedRecord, ttl: number, signal?: AbortSignal): Promise<number> {
    this.#cookies.set(namespace, this.#cookies.get(namespace))

    return this.#session.step(async turn => this.#shown(turn, async token => {
      const form = this.#form
      const second = otherOf(form)

      try {
        return await this.#register(turn, namespace, await this.#records(record, form, token), token, ttl)
      } catch (err: any) {
        if (!UNREADABLE.has(err.name)) {
          throw err
        }

        this.#log('point %p cannot read the record for "%s" (%s): it is sent in the other form', this.peerId, namespace, err.message)
        const granted = await this.#register(turn, namespace, { signedPeerRecord: await inForm(record, second) }, token, ttl).catch(later => {
          // only an answer to the second says more than what became of the first
          throw later instanceof RendezvousError && later.status !== Status.E_INVALID_SIGNED_PEER_RECORD ? later : err
        })
        this.#form = second

        return granted
      }
    }), signal)
  }

  /** What is sent of the record: in the given form, and beside it in the other where the point may take both. */
  async #records (record: SealedRecord, form: Form, token: Shown): Promise<RegisteredRecords> {
    const readsBoth = this.#readsBoth()
    const signedPeerRecord = await inForm(record, form)

    if (readsBoth === false) {
      return { signedPeerRecord }
    }

    const otherSignedPeerRecord = await inForm(record, otherOf(form))
    const isReadByAll = signedPeerRecord.byteLength + otherSignedPeerRecord.byteLength + (token?.length ?? 0) <= READ_BY_ALL

    return { signedPeerRecord, ...(readsBoth === true || isReadByAll ? { otherSignedPeerRecord } : {}) }
  }

  async #register (turn: Turn, namespace: string, records: RegisteredRecords, token: Shown, ttl: number): Promise<number> {
    this.#log('asking %p to register "%s" for %d s', this.peerId, namespace, ttl / 1_000)
    const { registerResponse } = await this.#request(turn, {
      type: Message.MessageType.REGISTER,
      register: { ns: namespace, ttl: toWireTtl(ttl), ...records, ...(token == null ? {} : { token }) }
    }, Message.MessageType.REGISTER_RESPONSE, 0)

    this.#checkStatus(registerResponse, namespace)

    const granted = registerResponse?.ttl

    if (granted === 0n) {
      throw this.#protocolError('granted a registration that has already expired')
    }

    // a point that names none has accepted the one asked for
    return granted == null ? ttl : Math.min(fromWireTtl(granted), ttl)
  }

  async unregister (namespace: string, signal?: AbortSignal): Promise<void> {
    this.#cookies.delete(namespace)
    this.#log('telling %p to unregister "%s"', this.peerId, namespace)
    await this.#session.step(async turn => turn.tell(Message.encode({
      type: Message.MessageType.UNREGISTER,
      unregister: { ns: namespace }
    })), signal)
  }

  /**
   * @param namespace - absent for all namespaces
   * @param sample - whether any will do, rather than those that follow the cookie; not all points heed it
   * @throws {RendezvousError} of the status that the point answered with
   * @throws {ProtocolError} when the response is not one, or lists more than was asked for
   */
  async discover (namespace: string | undefined, limit: number, cookie: Uint8Array | undefined, signal?: AbortSignal, sample = false): Promise<UnverifiedPage> {
    try {
      return await this.#discover(namespace, limit, cookie, signal, sample)
    } catch (err) {
      // how nim-libp2p says that nobody is registered there
      if (namespace != null && err instanceof InvalidNamespaceError) {
        return { registrations: [], cookie: undefined }
      }

      throw err
    }
  }

  /**
   * Asks whether the point still has what it had when it gave a cookie: one that has lost its
   * registrations does not know its cookies either.
   *
   * @param cookie - absent to get one for the next time
   * @throws what `discover` throws
   */
  async isUnchanged (namespace: string, cookie: Uint8Array | undefined, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#discover(namespace, 1, cookie, signal)

      return true
    } catch (err) {
      if (err instanceof InvalidCookieError || err instanceof InvalidNamespaceError) {
        return false
      }

      throw err
    }
  }

  async #discover (namespace: string | undefined, limit: number, cookie: Uint8Array | undefined, signal?: AbortSignal, sample = false): Promise<UnverifiedPage> {
    this.#log('asking %p for %d of "%s" %s', this.peerId, limit, namespace ?? '', cookie == null ? 'from the beginning' : 'after a cookie')
    const discoverResponse = await this.#session.step(async turn => this.#shown(turn, async token => {
      const { discoverResponse } = await this.#request(turn, {
        type: Message.MessageType.DISCOVER,
        discover: {
          limit: BigInt(limit),
          bothForms: true,
          ...(namespace == null ? {} : { ns: namespace }),
          ...(cookie == null ? {} : { cookie: cookie as Uint8Array<ArrayBuffer> }),
          ...(sample ? { sample } : {}),
          ...(token == null ? {} : { token })
        }
      }, Message.MessageType.DISCOVER_RESPONSE, limit)

      this.#checkStatus(discoverResponse, namespace)

      return discoverResponse
    }), signal)
    const next = discoverResponse?.cookie
    const page = {
      registrations: discoverResponse?.registrations ?? [],
      // a copy, so that it does not hold the whole response
      cookie: next == null || next.byteLength === 0 || next.byteLength > MAX_COOKIE_LENGTH ? undefined : new Uint8Array(next)
    }

    if (namespace != null && this.#cookies.has(namespace)) {
      this.#cookies.set(namespace, page.cookie)
    }

    this.#log('%p listed %d of "%s"', this.peerId, page.registrations.length, namespace ?? '')

    return page
  }

  /** Asks with the token that there is, and with another where that was kept from before and is refused. */
  async #shown <T> (turn: Turn, ask: (token: Shown) => Promise<T>): Promise<T> {
    const token = this.#tokens.get()
    const isKept = this.#tokens.isKept(token instanceof Promise ? undefined : token)
    const shown = token instanceof Promise ? await turn.wait(token) : token

    try {
      return await ask(shown)
    } catch (err) {
      if (!(err instanceof NotAuthorizedError)) {
        throw err
      }

      this.#tokens.refused(shown)
      const other = isKept ? await turn.wait(Promise.resolve(this.#tokens.get())) : shown

      if (other === shown) {
        throw err
      }

      return ask(other)
    }
  }

  /**
   * @param reason - what requests on their way are rejected with; AbortError when absent
   */
  close (reason?: Error): void {
    this.#session.close(reason)
  }

  /**
   * @param limit - registrations in the response, at the most: more are not even read
   */
  async #request (turn: Turn, request: Message, expected: Message.MessageType, limit: number): Promise<Message> {
    const bytes = await turn.request(Message.encode(request))
    let response: Message

    try {
      response = Message.decode(bytes, { limits: { discoverResponse: { registrations: limit } } })
    } catch (err: any) {
      turn.reset()

      if (err.name === 'MaxLengthError') {
        throw this.#protocolError(`listed more registrations than the ${limit} asked for`)
      }

      throw this.#protocolError(`sent a malformed response: ${err.message}`)
    }

    if (response.type !== expected) {
      // it answers something else, so what follows on this stream cannot be told apart
      turn.reset()
      throw this.#protocolError(`answered with ${response.type ?? 'a message without a type'} instead of ${expected}`)
    }

    return response
  }

  #checkStatus (response: Message.RegisterResponse | Message.DiscoverResponse | undefined, namespace: string | undefined): void {
    if (response == null) {
      throw this.#protocolError('answered with an empty message')
    }

    // writers of proto3, such as py-libp2p, leave out a zero, which is OK
    if (response.status != null && response.status !== Status.OK) {
      throw errorFromStatus(response.status, response.statusText, {
        point: this.peerId,
        ...(namespace == null ? {} : { namespace })
      })
    }
  }

  #protocolError (what: string): ProtocolError {
    return new ProtocolError(`The point ${this.peerId} ${what}`)
  }
}

function otherOf (form: Form): Form {
  return form === 'own' ? 'other' : 'own'
}

async function inForm (record: SealedRecord, form: Form): Promise<Uint8Array<ArrayBuffer>> {
  return (form === 'own' ? record.envelope : record.inOtherForm()) as Promise<Uint8Array<ArrayBuffer>>
}
