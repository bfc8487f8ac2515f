import { Message } from '../src/protocol/message.ts'
import { PEERS, UNSOUND } from './pool.ts'
import type { Nesting } from './fields.ts'
import type { Peer } from './pool.ts'
import type { Choice } from './target.ts'

const { MessageType } = Message

/** An envelope: its key, and its payload, which is a peer record with its addresses. */
const ENVELOPE: Nesting = { 1: {}, 3: { 3: {} } }
const REGISTER: Nesting = { 2: ENVELOPE, 101: ENVELOPE }

export const MESSAGE: Nesting = { 2: REGISTER, 3: {}, 4: {}, 5: {}, 6: { 1: REGISTER } }

export const NAMESPACES = ['ns-0', 'ns-1', 'a/b', 'ü@%🜁', 'x'.repeat(255), 'ns-5']

export function peerOf (who: number): Peer {
  return PEERS[who % PEERS.length] as Peer
}

export function envelopeOf (who: number, which: number): Uint8Array<ArrayBuffer> {
  const { envelopes } = peerOf(who)

  return envelopes[which % envelopes.length] as Uint8Array<ArrayBuffer>
}

/**
 * A request that is well-formed. Most have nothing else wrong either.
 *
 * @param cookies - those that listings gave
 */
export function requestOf ({ what, who, which, more }: Choice, cookies: ReadonlyArray<{ namespace: string, cookie: Uint8Array }>): { message: Message, isSound: boolean } {
  const ns = NAMESPACES[which % NAMESPACES.length] as string

  if (what < 10) {
    // now and then somebody else's record, or a TTL that is not allowed
    const isOwn = more % 23 !== 22
    const ttl = more % 29
    const first = more >> 2
    // as a rule that of the other form, which is the next
    const second = more % 3 === 0 ? first + (more % 13 === 0 ? 2 : 1) : undefined
    const by = isOwn ? who : who + 1

    return {
      message: {
        type: MessageType.REGISTER,
        register: { ns, signedPeerRecord: envelopeOf(by, first), ...(second == null ? {} : { otherSignedPeerRecord: envelopeOf(more % 17 === 0 ? by + 1 : by, second) }), ...(ttl === 0 ? {} : { ttl: BigInt(ttl) }) }
      },
      isSound: isOwn && ttl <= 20 && first % 6 !== UNSOUND && (second == null || (second === first + 1 && second % 6 !== UNSOUND && more % 17 !== 0))
    }
  }

  if (what < 13) {
    return { message: { type: MessageType.UNREGISTER, unregister: more % 7 === 0 ? {} : { ns } }, isSound: true }
  }

  const limit = more % 9
  // now and then that of another namespace
  const isForeign = more % 19 === 18
  const usable = cookies.filter(({ namespace }) => isForeign || namespace === (what < 17 ? ns : ''))
  const cookie = more % 2 === 0 ? undefined : usable[(more >> 1) % usable.length]?.cookie as Uint8Array<ArrayBuffer>

  return {
    message: {
      type: MessageType.DISCOVER,
      discover: { ...(what < 17 ? { ns } : {}), ...(limit === 0 ? {} : { limit: BigInt(limit) }), ...(cookie == null ? {} : { cookie }), ...(what === 19 ? { sample: true } : {}), ...(more % 3 === 0 ? { bothForms: true } : {}), ...(more % 5 === 0 ? { token: 'a.b.c' } : {}) }
    },
    isSound: !isForeign
  }
}

/** A page as a point lists it, of which most can be believed. */
export function pageOf ({ what, who, which, more }: Choice, namespace: string | undefined): Message {
  return {
    type: MessageType.DISCOVER_RESPONSE,
    discoverResponse: {
      registrations: Array.from({ length: more % 5 }, (_, i) => ({
        ns: namespace ?? NAMESPACES[(which + i) % NAMESPACES.length] as string,
        signedPeerRecord: envelopeOf(who + i, (more >> 3) + i),
        ...(i === 3 ? {} : { ttl: BigInt((more >> 5) % 50 + i * 10) })
      })),
      cookie: Uint8Array.of(what, which),
      status: Message.ResponseStatus.OK
    }
  }
}
