import { yamux } from '@libp2p/yamux'
import type { YamuxMuxerInit } from '@libp2p/yamux'
import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * What @libp2p/yamux 8 does wrong with what comes in, and this file is for until it does not:
 *
 * - It gathers a frame of data until it is whole, of whatever length it says it is, up to 4 GiB, and looks at the window of
 *   its stream only then. In small pieces it takes many times its size.
 * - It answers any number of pings, in one go, and its answers wait without bound where the other side does not read.
 */

/** Bytes that a stream may be sent before they are read, and so the longest frame that anybody has a reason to send. */
const WINDOW = 256 * 1024

const HEADER_SIZE = 12

/** Frames without data that wait to be read at a time. */
const MAX_WAITING_FRAMES = 1_000

/** Pings within so many milliseconds. Implementations send one each half minute, or for each round trip that they measure. */
const MAX_PINGS = 1_000
const PING_WINDOW = 10_000

/** The beginning of a frame is put together each time it has come in so many pieces. */
const MAX_PIECES = 32

/** What is relied upon here, and not promised. */
interface Muxer extends StreamMuxer {
  decoder: { buffer: Uint8ArrayList }
  onData: (data: Uint8Array | Uint8ArrayList) => void
  send: (data: Uint8Array | Uint8ArrayList) => boolean
  handlePing: (header: object) => void
}

/** Yamux that survives what others send. */
export function hardenedYamux (init: YamuxMuxerInit = {}): () => StreamMuxerFactory {
  const createFactory = yamux({ ...init, streamOptions: { maxStreamWindowSize: WINDOW } })

  return () => {
    const factory = createFactory()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)

    factory.createStreamMuxer = connection => {
      const muxer = createStreamMuxer(connection)
      boundFrames(muxer as unknown as Muxer)
      boundPings(muxer as unknown as Muxer, connection)
      boundAnswers(muxer as unknown as Muxer, connection)

      return muxer
    }

    return factory
  }
}

function boundFrames (muxer: Muxer): void {
  const { decoder: { buffer } } = muxer
  const onData = muxer.onData.bind(muxer)
  let pieces = 0

  muxer.onData = data => {
    onData(data)
    pieces = buffer.byteLength === 0 ? 0 : pieces + 1

    if (buffer.byteLength > HEADER_SIZE + WINDOW) {
      throw new Error(`A frame is longer than the window of ${WINDOW} bytes`)
    }

    // a copy, for a piece holds on to all that was read with it
    if (pieces % MAX_PIECES === 1) {
      const beginning = Uint8Array.from(buffer.subarray())
      buffer.consume(buffer.byteLength)
      buffer.append(beginning)
    }
  }
}

function boundPings (muxer: Muxer, connection: MessageStream): void {
  const handlePing = muxer.handlePing.bind(muxer)
  let begun = -Infinity
  let count = 0

  muxer.handlePing = header => {
    const now = performance.now()

    if (now - begun >= PING_WINDOW) {
      begun = now
      count = 0
    }

    if (++count <= MAX_PINGS) {
      handlePing(header)
    } else if (connection.status === 'open') {
      connection.abort(new Error(`More than ${MAX_PINGS} pings came in ${PING_WINDOW} ms`))
    }
  }
}

function boundAnswers (muxer: Muxer, connection: MessageStream): void {
  const send = muxer.send.bind(muxer)
  let waiting = 0
  connection.addEventListener('drain', () => { waiting = 0 })

  muxer.send = data => {
    const canSendMore = send(data)
    waiting = canSendMore ? 0 : waiting + (data.byteLength === HEADER_SIZE ? 1 : 0)

    if (waiting > MAX_WAITING_FRAMES && connection.status === 'open') {
      // to throw would have it say farewell, which throws as well
      connection.abort(new Error('Too many answers wait to be read'))
    }

    return canSendMore
  }
}
