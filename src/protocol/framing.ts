import { StreamResetError } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { pEvent } from 'p-event'
import type { AbortOptions, Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** An unsigned varint that fits any length this protocol allows has at most five bytes. */
const MAX_LENGTH_LENGTH = 5

export interface FramedOptions {
  /** Bytes of one message. A longer length prefix ends the reading before its message is buffered. */
  maxMessageSize: number
  /** Called when bytes arrive, whether or not they complete a message. */
  onChunk?: () => void
}

/**
 * The messages on a stream, without their length prefixes.
 *
 * The stream is paused while a message is worked on, so a peer that sends faster than it is served
 * fills its own send window and not this process.
 *
 * @throws when the stream is reset, a length prefix is broken or too long, or the stream ends inside
 * a message
 */
export function readMessages (stream: Stream, { maxMessageSize, onChunk }: FramedOptions): AsyncGenerator<Uint8ArrayList> {
  return pipe(
    readChunks(stream, onChunk),
    source => lp.decode(source, { maxDataLength: maxMessageSize, maxLengthLength: MAX_LENGTH_LENGTH })
  )
}

/**
 * Sends one message with its length prefix, and waits while the stream's send buffer is full.
 */
export async function writeMessage (stream: Stream, message: Uint8Array, options?: AbortOptions): Promise<void> {
  if (!stream.send(lp.encode.single(message))) {
    await pEvent(stream, 'drain', { ...options, rejectionEvents: ['close'] }).catch(cause => {
      throw cause instanceof Error ? cause : new StreamResetError('The stream closed before the message was sent')
    })
  }
}

/**
 * What `stream[Symbol.asyncIterator]` yields, except that the stream is paused whenever nobody waits
 * for its next bytes: the iterator of js-libp2p queues without bound.
 */
async function * readChunks (stream: Stream, onChunk?: () => void): AsyncGenerator<Uint8Array | Uint8ArrayList> {
  let chunk: Uint8Array | Uint8ArrayList | undefined
  let failure: Error | undefined
  let wake: (() => void) | undefined

  const onMessage = (event: StreamMessageEvent): void => {
    chunk = event.data
    pause(stream)
    onChunk?.()
    wake?.()
  }
  const onClose = (event: StreamCloseEvent): void => {
    failure = event.error
    wake?.()
  }
  const onRemoteCloseWrite = (): void => {
    wake?.()
  }

  stream.addEventListener('message', onMessage)
  stream.addEventListener('close', onClose)
  stream.addEventListener('remoteCloseWrite', onRemoteCloseWrite)

  try {
    while (true) {
      if (chunk == null && failure == null) {
        // hands over what arrived meanwhile before it returns
        resume(stream)
      }

      if (failure != null) {
        throw failure
      }

      if (chunk != null) {
        const next = chunk
        chunk = undefined
        yield next
      } else if (stream.remoteWriteStatus === 'closed' && stream.readBufferLength === 0) {
        return
      } else {
        await new Promise<void>(resolve => { wake = resolve })
        wake = undefined
      }
    }
  } finally {
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('close', onClose)
    stream.removeEventListener('remoteCloseWrite', onRemoteCloseWrite)
  }
}

function pause (stream: Stream): void {
  if (stream.readStatus === 'readable') {
    stream.pause()
  }
}

function resume (stream: Stream): void {
  if (stream.readStatus === 'paused') {
    stream.resume()
  }
}
