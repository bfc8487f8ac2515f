import { peerIdFromString } from '@libp2p/peer-id'
import { encodeUint8Array, encodingLength } from 'uint8-varint'
import { toWireTtl } from '../../protocol/ttl.ts'
import { WatchEvent } from '../../protocol/watch.ts'
import { encodeCookie } from '../cookie.ts'
import { recordFor } from '../../store/form-lists.ts'
import type { RecordDomain } from '../../protocol/peer-record.ts'
import type { Page, StoredRegistration } from '../../store/types.ts'

/**
 * Bytes of registrations in an update, unless the first alone has more. Enough that what is around them
 * does not count, and little enough that many clients who do not read cost little.
 */
const MAX_REGISTRATIONS = 64 * 1024

/** Bytes around a record in an update: tags, lengths, the TTL. */
const REGISTER_OVERHEAD = 32

/** What has happened in a namespace since a cursor. */
export interface News {
  namespace: string
  page: Page
  /** Registrations that the page was asked for. */
  limit: number
  /** The only form of records that its readers can read. */
  reads?: RecordDomain | undefined
  gone: readonly string[]
  resync: boolean
}

/** News as bytes: all of an update but the id of its subscription, which is why many can share them. */
export interface EncodedNews {
  bytes: Uint8Array
  /** Where the listing stands behind it. */
  cursor: number
  /** How many registrations it holds. */
  registrations: number
  /** Whether the listing goes on. */
  more: boolean
}

export function encodeNews ({ namespace, page, limit, reads, gone, resync }: News, now: number): EncodedNews {
  const registrations = whatFits(page.registrations, namespace, reads)
  const isCut = registrations.length < page.registrations.length
  const cursor = isCut ? (registrations.at(-1) as StoredRegistration).sequence : page.cursor
  const more = isCut || page.registrations.length >= limit

  return {
    bytes: WatchEvent.Update.encode({
      gone: gone.map(peer => peerIdFromString(peer).toMultihash().bytes),
      ...(resync ? { resync } : {}),
      registrations: registrations.map(registration => ({
        ns: namespace,
        signedPeerRecord: recordFor(registration, reads) as Uint8Array<ArrayBuffer>,
        ttl: toWireTtl(registration.expires - now)
      })),
      cookie: encodeCookie({ cursor, namespace }),
      ...(more ? { more } : {})
    }),
    cursor,
    registrations: registrations.length,
    more
  }
}

function whatFits (registrations: StoredRegistration[], namespace: string, reads: RecordDomain | undefined): StoredRegistration[] {
  let left = MAX_REGISTRATIONS
  // a UTF-16 code unit takes at most three bytes
  const each = namespace.length * 3 + REGISTER_OVERHEAD
  const end = registrations.findIndex((registration, i) => (left -= recordFor(registration, reads).byteLength + each) < 0 && i > 0)

  return end < 0 ? registrations : registrations.slice(0, end)
}

/** Field tags of WatchEvent.update, which has a length, and of Update.id, which is a varint. */
const EVENT_UPDATE = 1 << 3 | 2
const UPDATE_ID = 1 << 3 | 0

/** The event that brings news to one subscription, with its length before it: in one piece, because it is sent as often as there are watchers. */
export function encodeUpdate (id: number, news: Uint8Array): Uint8Array {
  const updateLength = 1 + encodingLength(id) + news.byteLength
  const eventLength = 1 + encodingLength(updateLength) + updateLength
  const framed = new Uint8Array(encodingLength(eventLength) + eventLength)
  let at = framed.byteLength - eventLength
  encodeUint8Array(eventLength, framed, 0)
  framed[at++] = EVENT_UPDATE
  encodeUint8Array(updateLength, framed, at)
  at = framed.byteLength - updateLength
  framed[at++] = UPDATE_ID
  encodeUint8Array(id, framed, at)
  framed.set(news, framed.byteLength - news.byteLength)

  return framed
}
