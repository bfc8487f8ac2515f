import { StreamResetError } from '@libp2p/interface'
import { pEvent } from 'p-event'
import type { AbortOptions, Stream, StreamCloseEvent } from '@libp2p/interface'

/**
 * What `Stream.onDrain` is for. That of @libp2p/utils 7 keeps its first promise, so from the second time on it
 * resolves at once; and it resolves whenever the other side has made room, however little.
 *
 * @throws what the stream was aborted with, or StreamResetError when the other side reset it
 */
export async function untilSent (stream: Stream, options?: AbortOptions): Promise<void> {
  if (stream.writeBufferLength > 0) {
    await untilEvent(stream, 'idle', options)
  }

  if (stream.writableNeedsDrain) {
    await untilEvent(stream, 'drain', options)
  }
}

async function untilEvent (stream: Stream, type: 'idle' | 'drain', options?: AbortOptions): Promise<void> {
  // made when it is needed: an error holds on to what is on the stack, the message for example
  let reason: Error | undefined
  const onClose = (event: StreamCloseEvent): void => { reason = event.error }
  stream.addEventListener('close', onClose)

  try {
    await pEvent(stream, type, { ...options, rejectionEvents: ['close'] })
  } catch (err) {
    throw err instanceof Error ? err : reason ?? closedEarly()
  } finally {
    stream.removeEventListener('close', onClose)
  }

  // a stream that is aborted drops what it has not sent, and is idle then
  if (stream.writeStatus === 'closed') {
    throw reason ?? closedEarly()
  }
}

function closedEarly (): Error {
  return new StreamResetError('The stream closed before the message was sent')
}
