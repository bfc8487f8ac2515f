import { MessageDecoder } from '../protocol/message-decoder.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface ServedOptions {
  /** Bytes of one message. A longer length prefix ends the reading before its message is buffered. */
  maxMessageSize: number
  /** Called when bytes arrive that leave a message unfinished. */
  onPartial: () => void
}

/**
 * Has each message on a stream served, one after the other, in the event that brings it: `pbStream` of
 * @libp2p/utils waits for a promise before each, and it is the waiting that costs (bench/README.md). While
 * one is worked on for longer than that, the stream is paused, so that whoever sends faster than they are
 * served fills their send window and waits. Resolves when the other side has ended the stream and
 * everything is served.
 *
 * @throws when the stream is reset, a message is too long or cut off, and what `serve` throws
 */
export async function serveMessages (stream: Stream, { maxMessageSize, onPartial }: ServedOptions, serve: (message: Uint8ArrayList) => MaybePromise<void>): Promise<void> {
  const decoder = new MessageDecoder(maxMessageSize)
  const ended = Promise.withResolvers<void>()
  let failure: Error | undefined
  let isServing = false

  const onMessage = ({ data }: StreamMessageEvent): void => {
    // in one piece: a list of a thousand small ones takes many times their size
    decoder.push(data.subarray())
    goOn()
  }
  const onClose = (event: StreamCloseEvent): void => {
    failure = event.error
    goOn()
  }
  // the last bytes may come with it, and right after it
  const onRemoteCloseWrite = (): void => { queueMicrotask(goOn) }

  /** Serves what is there, unless that is being done. */
  const goOn = (): void => {
    if (isServing) {
      return
    }

    // until all is served: not when one has to be waited for, and not after a failure
    isServing = true

    try {
      serveAll()
    } catch (err) {
      ended.reject(err)
    }
  }

  const serveAll = (): void => {
    for (let message = next(); message != null; message = next()) {
      const served = serve(message)

      if (served instanceof Promise) {
        pause(stream)
        served.then(serveAll).catch(ended.reject)

        return
      }
    }

    isServing = false

    if (stream.remoteWriteStatus === 'closed' && stream.readBufferLength === 0) {
      decoder.end()
      ended.resolve()
    } else if (decoder.isInside) {
      onPartial()
    }
  }

  const next = (): Uint8ArrayList | undefined => {
    if (failure != null) {
      throw failure
    }

    const message = decoder.take()

    if (message == null && stream.readStatus === 'paused') {
      // hands over what arrived meanwhile before it returns
      stream.resume()

      return decoder.take()
    }

    return message
  }

  stream.addEventListener('message', onMessage)
  stream.addEventListener('close', onClose)
  stream.addEventListener('remoteCloseWrite', onRemoteCloseWrite)
  // it may have ended before anybody listened
  queueMicrotask(goOn)

  try {
    await ended.promise
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
