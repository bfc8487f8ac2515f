import assert from 'node:assert/strict'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { decodeRequest } from '../../src/point/codec.ts'
import { decodeCookie } from '../../src/point/cookie.ts'
import { RequestHandler } from '../../src/point/handler.ts'
import { pointSettings } from '../../src/point/settings.ts'
import { Status } from '../../src/protocol/errors.ts'
import { Message } from '../../src/protocol/message.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { ModelledStore } from '../../test/store/model.ts'
import { mutated } from '../fields.ts'
import { MESSAGE, NAMESPACES, requestOf } from '../messages.ts'
import { PEERS, signerOf } from '../pool.ts'
import { hex, unhex } from '../target.ts'
import type { Answer } from '../../src/point/handler.ts'
import type { Request } from '../../src/point/codec.ts'
import type { PointSettings } from '../../src/point/settings.ts'
import type { MaybePromise } from '../../src/protocol/maybe-promise.ts'
import type { RecordDomain } from '../../src/protocol/peer-record.ts'
import type { RegistrationStore, StoredRegistration } from '../../src/store/types.ts'
import type { Choice, Run, Target } from '../target.ts'
import type { Connection, PeerId } from '@libp2p/interface'

const SECOND = 1_000
const DAY = 24 * 60 * 60 * SECOND
const START = 1_750_000_000_000

/** Bytes of a request, as a point takes them. */
const MAX_REQUEST = 16 * 1024

interface HandlerMessage {
  /** Seconds since the message before. */
  pass: number
  peer: string
  /** Where the peer is connected from. */
  from: string
  reads?: RecordDomain
  request: string
  /** Nothing is wrong with it, so only a limit may be in its way. */
  isSound?: boolean
  /** How many expired registrations are removed beforehand. */
  expire?: number
}

const READS = [undefined, undefined, undefined, 'libp2p-peer-record', 'libp2p-routing-state'] as const

const peerIds = new Map<string, PeerId>()
const connections = new Map<string, Connection>()

function remembered <T> (all: Map<string, T>, name: string, make: (name: string) => T): T {
  const value = all.get(name) ?? make(name)
  all.set(name, value)

  return value
}

/**
 * The request handler over a memory store with so little room that peers have to make it for each other. Bytes go
 * in, the response comes out; a naive model is asked the same as the store.
 */
export function handlerTarget (): Target<HandlerMessage> {
  const settings = pointSettings({ minTtl: SECOND, defaultTtl: 10 * SECOND, maxTtl: 20 * SECOND, maxDiscoverLimit: 6 })
  const { signal } = new AbortController()
  let store: ModelledStore
  let epoch = START
  // one for all runs, as it remembers whose signatures it has verified
  const handler = new RequestHandler(new Proxy<RegistrationStore>({} as any, {
    get: (_, name: keyof RegistrationStore) => {
      const value = store[name as keyof ModelledStore]

      return typeof value === 'function' ? (value as any).bind(store) : value
    }
  }), settings)

  return {
    begin: ([perPeer = 0, perNamespace = 0, namespaces = 0, all = 0, bytes = 0]): Run<HandlerMessage> => {
      Object.assign(settings, {
        maxRegistrationsPerPeer: 1 + perPeer % 4,
        maxRegistrationsPerNamespace: 1 + perNamespace % 8,
        maxNamespaces: 1 + namespaces % 5,
        maxRegistrations: 1 + all % 20,
        maxBytes: bytes % 3 === 0 ? 1e9 : 1_500 + bytes % 13 * 1_000
      })
      store = new ModelledStore(new MemoryStore({ origin: 2 ** 40, last: 2 ** 40 }))
      epoch += DAY
      let now = epoch
      const cookies: Array<{ namespace: string, cookie: Uint8Array }> = []

      return {
        message: choice => makeMessage(choice, cookies),

        send: ({ pass, peer, from, reads, request: text, isSound, expire }) => {
          now += pass * SECOND

          if (expire != null) {
            store.expire(now, expire)
          }

          let request: Request

          try {
            request = decodeRequest(unhex(text))
          } catch (err: any) {
            assert.equal(err.name, 'InvalidMessageError', String(err))
            assert.ok(isSound !== true, `a sound request is malformed: ${String(err)}`)

            return
          }

          const answered = handler.handle(remembered(peerIds, peer, peerIdFromString), request, now, {
            origin: remembered(connections, from, from => ({ remoteAddr: multiaddr(from) } as any)),
            reads: () => reads,
            signal
          })

          const check = (answer: Answer): MaybePromise<void> => {
            if ('cause' in answer.outcome && answer.outcome.cause != null) {
              throw answer.outcome.cause
            }

            const statusOf = checkResponse(answer, request, peer, now, settings)
            assert.ok(isSound !== true || statusOf === Status.OK || (statusOf === Status.E_UNAVAILABLE && request.type === 'register'), `a sound ${request.type} is answered with ${statusOf}`)
            store.checkSize(now)
            store.list({ limit: 1_000 }, now)
            store.list({ namespace: request.namespace ?? NAMESPACES[0], limit: 1_000, reads }, now)
            const held = store.registrationsOf(peer, now) as StoredRegistration[]
            assert.ok(request.type !== 'unregister' || request.namespace != null || held.length === 0, 'some of a peer are left when all are removed')

            if (request.type === 'discover' && statusOf === Status.OK) {
              cookies.push({ namespace: request.namespace ?? '', cookie: checkListing(answer, request, reads, now, store, settings) })
            }

            if (request.type === 'register' && statusOf === Status.OK) {
              return checkSigner(request, peer)
            }
          }

          return answered instanceof Promise ? answered.then(check) : check(answered)
        }
      }
    }
  }
}

function makeMessage (choice: Choice, cookies: Array<{ namespace: string, cookie: Uint8Array }>): HandlerMessage {
  const { who, more, mutations } = choice
  const { peerId, address } = PEERS[who % PEERS.length] as typeof PEERS[number]
  const { message, isSound } = requestOf(choice, cookies)
  const reads = READS[more % READS.length]
  const other = (): Uint8Array => Message.encode(requestOf({ ...choice, what: more % 20, who: more }, []).message)
  const request = mutated(Message.encode(message), other, MESSAGE, mutations).subarray(0, MAX_REQUEST)

  return {
    pass: more % 7 === 0 ? more % 5 : 0,
    peer: peerId.toString(),
    from: address,
    request: hex(request),
    ...(reads == null ? {} : { reads }),
    ...(isSound && mutations.length === 0 ? { isSound } : {}),
    ...(more % 11 === 10 ? { expire: 1 + more % 3 } : {})
  }
}

/** Checks the form of a response, and that it says what came of the request. */
function checkResponse ({ response, outcome, work }: Answer, request: Request, peer: string, now: number, settings: PointSettings): Message.ResponseStatus {
  assert.ok(Number.isSafeInteger(work) && work >= 0, `the work is ${work}`)

  if (request.type === 'unregister') {
    assert.equal(response, undefined, 'UNREGISTER has no response')

    return Status.OK
  }

  const { type, registerResponse, discoverResponse } = Message.decode(response as Uint8Array)
  const part = request.type === 'register' ? registerResponse : discoverResponse
  assert.equal(type, request.type === 'register' ? 'REGISTER_RESPONSE' : 'DISCOVER_RESPONSE', 'the type of the response')
  assert.ok(part?.status != null, 'the response has no status')

  if (part.status === Status.OK) {
    assert.ok(!outcome.type.endsWith(':rejected'), 'a refused request is answered with OK')
  } else {
    assert.ok('status' in outcome && outcome.status === part.status && outcome.statusText === part.statusText, 'the response does not say what came of it')
    assert.notEqual(part.status, Status.E_INTERNAL_ERROR, part.statusText)
    assert.ok(part.statusText?.isWellFormed(), 'the text of a refusal')
  }

  if (request.type === 'register' && part.status === Status.OK) {
    const granted = request.ttl ?? BigInt(settings.defaultTtl / SECOND)
    assert.equal(registerResponse?.ttl, granted, 'the TTL')
    assert.ok(granted >= 1n && granted <= 20n, 'a TTL that is not allowed')
    assert.ok('registration' in outcome && outcome.registration.peer === peer && outcome.registration.namespace === request.namespace && outcome.registration.expires === now + Number(granted) * SECOND, 'what was registered')
  }

  return part.status
}

/** @returns the cookie */
function checkListing ({ response, outcome }: Answer, { namespace, limit, cookie, sample, bothForms }: Extract<Request, { type: 'discover' }>, peerReads: RecordDomain | undefined, now: number, store: ModelledStore, { maxDiscoverLimit }: PointSettings): Uint8Array {
  const message = Message.decode(response as Uint8Array)
  const reads = bothForms ? undefined : peerReads
  const page = store.list({
    namespace,
    after: cookie == null ? undefined : decodeCookie(cookie)?.cursor,
    limit: Math.min(limit ?? maxDiscoverLimit, maxDiscoverLimit),
    reads
  }, now) as Exclude<Awaited<ReturnType<ModelledStore['list']>>, undefined>
  assert.ok(cookie == null || decodeCookie(cookie)?.namespace === (namespace ?? ''), 'the cookie of another namespace is accepted')
  const { registrations, cookie: next } = message.discoverResponse as Message.DiscoverResponse

  if (sample) {
    // whom it has is chance, and the model has looked at it
    return next as Uint8Array
  }

  assert.deepEqual(registrations.map(({ ns, signedPeerRecord, ttl }) => [ns, hex(signedPeerRecord as Uint8Array), ttl]), page.registrations.map(one => [one.namespace, hex(reads == null || reads === one.domain ? one.signedPeerRecord : one.otherRecord as Uint8Array), BigInt((one.expires - now) / SECOND)]), 'what is listed')
  assert.ok('registrations' in outcome && outcome.registrations === registrations.length, 'how many are listed')
  assert.deepEqual(decodeCookie(next as Uint8Array), { cursor: page.cursor, namespace: namespace ?? '' }, 'the cookie')
  assert.ok(Buffer.compare(Message.encode(message), response as Uint8Array) === 0, 'the response is not written as it is elsewhere')

  return next as Uint8Array
}

async function checkSigner ({ signedPeerRecord, otherRecord }: Extract<Request, { type: 'register' }>, peer: string): Promise<void> {
  for (const envelope of [signedPeerRecord, otherRecord]) {
    const signer = envelope == null ? undefined : await signerOf(envelope)
    assert.equal(envelope == null ? peer : signer?.toString(), peer, 'the record of a peer who did not sign it was accepted')
  }
}
