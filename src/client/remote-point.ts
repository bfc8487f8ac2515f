import { ProtocolError } from '@libp2p/interface'
import { errorFromStatus, RendezvousError, Status } from '../protocol/errors.ts'
import { Message } from '../protocol/message.ts'
import { fromWireTtl, toWireTtl } from '../protocol/ttl.ts'
import type { SealedRecord } from './own-record.ts'
import type { Session } from './session.ts'
import type { PeerId } from '@libp2p/interface'

/** Cookies longer than this are not kept: eight bytes and a namespace are usual. */
const MAX_COOKIE_LENGTH = 1_024

/**
 * What becomes of a REGISTER with a record of a form that the point does not know: Go's points say so,
 * rust-libp2p's reset the stream.
 */
const UNREADABLE = new Set(['InvalidSignedPeerRecordError', 'StreamResetError'])

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
  #form: 'own' | 'other' = 'own'

  constructor (peerId: PeerId, session: Session) {
    this.peerId = peerId
    this.#session = session
  }

  /**
   * A point that cannot read the record is sent the same in the other form, once.
   *
   * @param ttl - milliseconds
   * @returns the TTL in milliseconds, at the most the one asked for: to renew too early does no harm
   * @throws {RendezvousError} of the status that the point answered with
   * @throws {ProtocolError} when the response is not one
   */
  async register (namespace: string, record: SealedRecord, ttl: number, signal?: AbortSignal): Promise<number> {
    const form = this.#form

    try {
      return await this.#register(namespace, form === 'own' ? record.envelope : await record.inOtherForm(), ttl, signal)
    } catch (err: any) {
      if (signal?.aborted === true || !UNREADABLE.has(err.name)) {
        throw err
      }

      const granted = await this.#register(namespace, form === 'own' ? await record.inOtherForm() : record.envelope, ttl, signal).catch(second => {
        // only an answer to the second says more than what became of the first
        throw second instanceof RendezvousError && second.status !== Status.E_INVALID_SIGNED_PEER_RECORD ? second : err
      })
      this.#form = form === 'own' ? 'other' : 'own'

      return granted
    }
  }

  async #register (namespace: string, signedPeerRecord: Uint8Array, ttl: number, signal?: AbortSignal): Promise<number> {
    const { registerResponse } = await this.#request({
      type: Message.MessageType.REGISTER,
      register: { ns: namespace, signedPeerRecord: signedPeerRecord as Uint8Array<ArrayBuffer>, ttl: toWireTtl(ttl) }
    }, Message.MessageType.REGISTER_RESPONSE, 0, signal)

    this.#checkStatus(registerResponse, namespace)

    const granted = registerResponse?.ttl

    if (granted === 0n) {
      throw this.#protocolError('granted a registration that has already expired')
    }

    // a point that names none has accepted the one asked for
    return granted == null ? ttl : Math.min(fromWireTtl(granted), ttl)
  }

  async unregister (namespace: string, signal?: AbortSignal): Promise<void> {
    await this.#session.tell(Message.encode({
      type: Message.MessageType.UNREGISTER,
      unregister: { ns: namespace }
    }), signal)
  }

  /**
   * @param namespace - absent for all namespaces
   * @throws {RendezvousError} of the status that the point answered with
   * @throws {ProtocolError} when the response is not one, or lists more than was asked for
   */
  async discover (namespace: string | undefined, limit: number, cookie: Uint8Array | undefined, signal?: AbortSignal): Promise<UnverifiedPage> {
    const { discoverResponse } = await this.#request({
      type: Message.MessageType.DISCOVER,
      discover: {
        limit: BigInt(limit),
        ...(namespace == null ? {} : { ns: namespace }),
        ...(cookie == null ? {} : { cookie: cookie as Uint8Array<ArrayBuffer> })
      }
    }, Message.MessageType.DISCOVER_RESPONSE, limit, signal)

    // how nim-libp2p says that nobody is registered there
    if (namespace != null && discoverResponse?.status === Status.E_INVALID_NAMESPACE) {
      return { registrations: [], cookie: undefined }
    }

    this.#checkStatus(discoverResponse, namespace)

    const next = discoverResponse?.cookie

    return {
      registrations: discoverResponse?.registrations ?? [],
      // a copy, so that it does not hold the whole response
      cookie: next == null || next.byteLength === 0 || next.byteLength > MAX_COOKIE_LENGTH ? undefined : new Uint8Array(next)
    }
  }

  close (): void {
    this.#session.close()
  }

  /**
   * @param limit - registrations in the response, at the most: more are not even read
   */
  async #request (request: Message, expected: Message.MessageType, limit: number, signal?: AbortSignal): Promise<Message> {
    const bytes = await this.#session.request(Message.encode(request), signal)
    let response: Message

    try {
      response = Message.decode(bytes, { limits: { discoverResponse: { registrations: limit } } })
    } catch (err: any) {
      this.#session.reset()

      if (err.name === 'MaxLengthError') {
        throw this.#protocolError(`listed more registrations than the ${limit} asked for`)
      }

      throw this.#protocolError(`sent a malformed response: ${err.message}`)
    }

    if (response.type !== expected) {
      // it answers something else, so what follows on this stream cannot be told apart
      this.#session.reset()
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
