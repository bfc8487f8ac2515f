import { StreamResetError } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import { pEvent } from 'p-event'
import type { MaybePromise } from './maybe-promise.ts'
import type { AbortOptions, Stream, StreamCloseEvent } from '@libp2p/interface'

/**
 * Sends one message with its length prefix. There is a promise when not all of it could be sent at once;
 * it resolves when nothing of it is left in this process: whoever reads slowly is written to slowly,
 * whatever they ask for meanwhile.
 *
 * @throws what the stream was aborted with, or StreamResetError when the other side reset it
 */
export function writeMessage (stream: Stream, message: Uint8Array, options?: AbortOptions): MaybePromise<void> {
  if (!stream.send(lp.encode.single(message))) {
    return untilSent(stream, options)
  }
}

async function untilSent (stream: Stream, options?: AbortOptions): Promise<void> {
  // `drain` comes whenever the other side makes room, however little; `idle` when all is sent
  if (stream.writeBufferLength > 0) {
    await untilEvent(stream, 'idle', options)
  }

  if (stream.writableNeedsDrain) {
    await untilEvent(stream, 'drain', options)
  }
}

async function untilEvent (stream: Stream, type: 'idle' | 'drain', options?: AbortOptions): Promise<void> {
  let reason: Error = new StreamResetError('The stream closed before the message was sent')
  const onClose = (event: StreamCloseEvent): void => { reason = event.error ?? reason }
  stream.addEventListener('close', onClose)

  try {
    await pEvent(stream, type, { ...options, rejectionEvents: ['close'] })
  } catch (err) {
    throw err instanceof Error ? err : reason
  } finally {
    stream.removeEventListener('close', onClose)
  }

  // a stream that is aborted drops what it has not sent, and is idle then
  if (stream.writeStatus === 'closed') {
    throw reason
  }
}
