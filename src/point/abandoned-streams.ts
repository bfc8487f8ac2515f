import type { Connection, Stream, TypedEventTarget } from '@libp2p/interface'

/** So many streams on one connection within a window, without a protocol, and it is closed. */
const MOST = 1_000

/** Milliseconds. */
const WINDOW = 10_000

/** The streams on one connection that ended before a protocol was agreed. */
export class AbandonedStreams {
  #window = -Infinity
  #count = 0

  /** Counts one, and returns whether it is one too many. */
  add (now: number): boolean {
    if (now - this.#window >= WINDOW) {
      this.#window = now
      this.#count = 0
    }

    return ++this.#count > MOST
  }
}

/**
 * Calls back for each stream that the other side opens. A service sees its own alone, once their protocol is agreed. The
 * muxer tells of all, and is no part of what a Connection promises; where there is none, there is no call.
 */
export function onInboundStream (connection: Connection, callback: (stream: Stream) => void): void {
  const { muxer, streams } = connection as Connection & { muxer?: TypedEventTarget<{ stream: CustomEvent<Stream> }> }
  // one that was opened early may be told of as well
  const seen = new WeakSet<Stream>()
  const see = (stream: Stream): void => {
    if (!seen.has(stream)) {
      seen.add(stream)
      callback(stream)
    }
  }

  streams.filter(({ direction }) => direction === 'inbound').forEach(see)
  muxer?.addEventListener('stream', ({ detail: stream }) => { see(stream) })
}
