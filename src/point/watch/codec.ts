import { BYTES, SHORT } from '../../protocol/patches/protons.ts'
import { WatchRequest as Message } from '../../protocol/watch.ts'
import { decodeAs, orNone } from '../codec.ts'
import type { Shape } from '../../protocol/patches/protons.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

/** The types of WatchRequest in proto/watch.proto. */
const WATCH_REQUEST: Shape = {
  1: { 1: SHORT, 2: BYTES, 3: BYTES, 4: SHORT, 5: BYTES },
  2: { 1: SHORT },
  3: { 1: SHORT }
}

/** What a peer asks for, as it was sent. */
export type WatchRequest =
  | { type: 'subscribe', id: number, namespace: string | undefined, cookie: Uint8Array | undefined, /** Whether records of both forms can be read. */ bothForms: boolean, /** What shows that the peer may. */ token: string | undefined }
  | { type: 'unsubscribe', id: number }
  | { type: 'presence', live: boolean }
  /** What a later revision may have; it is passed over. */
  | { type: 'unknown' }

/**
 * @throws {InvalidMessageError} what came on the stream cannot be trusted any more
 */
export function decodeWatchRequest (bytes: Uint8Array | Uint8ArrayList): WatchRequest {
  const { subscribe, unsubscribe, presence } = decodeAs(bytes, WATCH_REQUEST, Message.codec())

  if (subscribe != null) {
    const { id = 0, ns, cookie, bothForms = false, token } = subscribe

    return { type: 'subscribe', id, namespace: ns, cookie: cookie?.byteLength === 0 ? undefined : cookie, bothForms, token: orNone(token) }
  }

  if (unsubscribe != null) {
    return { type: 'unsubscribe', id: unsubscribe.id ?? 0 }
  }

  return presence == null ? { type: 'unknown' } : { type: 'presence', live: presence.live ?? false }
}
