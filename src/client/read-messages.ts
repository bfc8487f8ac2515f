import * as lp from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { MAX_LENGTH_LENGTH } from '../protocol/constants.ts'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface FramedOptions {
  /** Bytes of one message. A longer length prefix ends the reading before its message is buffered. */
  maxMessageSize: number
}

/**
 * The messages on a stream, without their length prefixes.
 *
 * The stream is paused while a message is worked on, so a peer that sends faster than it is served
 * fills its own send window and then waits. What is inside the window counts against the stream's
 * `maxReadBufferLength`.
 *
 * @throws when the stream is reset, a length prefix is broken or too long, or the stream ends inside
 * a message
 */
export function readMessages (stream: Stream, { maxMessageSize }: FramedOptions): AsyncGenerator<Uint8ArrayList> {
  return pipe(
    readChunks(stream),
    source => lp.decode(source, { maxDataLength: maxMessageSize, maxLengthLength: MAX_LENGTH_LENGTH })
  )
}

/**
 * What `stream[Symbol.asyncIterator]` yields, except that the stream is paused whenever nobody waits
 * for its next bytes: the iterator of js-libp2p queues without bound.
 */
async function * readChunks (stream: Stream): AsyncGenerator<Uint8Array> {
  let chunk: Uint8Array | Uint8ArrayList | undefined
  let failure: Error | undefined
  let isResuming = false
  let wake: (() => void) | undefined

  const onMessage = (event: StreamMessageEvent): void => {
    chunk = event.data

    // paused in the middle of resuming, yamux would go on making room
    if (!isResuming) {
      pause(stream)
    }

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
        isResuming = true
        resume(stream)
        isResuming = false
      }

      if (failure != null) {
        throw failure
      }

      if (chunk != null) {
        const next = chunk
        chunk = undefined
        pause(stream)
        // in one piece: a list of a thousand small ones takes many times their size
        yield next.subarray()
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
