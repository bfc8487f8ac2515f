import * as lp from 'it-length-prefixed'
import { untilSent } from './patches/until-sent.ts'
import type { MaybePromise } from './maybe-promise.ts'
import type { AbortOptions, Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * Sends one message with its length prefix. There is a promise when not all of it could be sent at once;
 * it resolves when nothing of it is left in this process: whoever reads slowly is written to slowly,
 * whatever they ask for meanwhile.
 *
 * @throws what the stream was aborted with, or StreamResetError when the other side reset it
 */
export function writeMessage (stream: Stream, message: Uint8Array, options?: AbortOptions): MaybePromise<void> {
  return writeFramed(stream, lp.encode.single(message), options)
}

/** The same of a message that has its length prefix. */
export function writeFramed (stream: Stream, framed: Uint8Array | Uint8ArrayList, options?: AbortOptions): MaybePromise<void> {
  if (!stream.send(framed)) {
    return untilSent(stream, options)
  }
}
