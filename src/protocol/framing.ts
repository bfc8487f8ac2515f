import { StreamResetError } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { pEvent } from 'p-event'
import { MAX_LENGTH_LENGTH, MessageDecoder } from './message-decoder.ts'
import type { AbortOptions, Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { MaybePromise } from './maybe-promise.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface FramedOptions {
  /** Bytes of one message. A longer length prefix ends the reading before its message is buffered. */
  maxMessageSize: number
}

export interface ServedOptions extends FramedOptions {
  /** Called when bytes arrive that leave a message unfinished. */
  onPartial: () => void
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
 * Has each message on a stream served, one after the other, in the event that brings it. While one is
 * worked on for longer than that, the stream is paused, as it is for `readMessages`. Resolves when the
 * other side has ended the stream and everything is served.
 *
 * @throws what `readMessages` throws, or `serve`
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
