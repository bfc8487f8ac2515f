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
 * Calls back for each stream that the other side has opened, when it ends, with the protocol that it had: none where it
 * ended before one was agreed. A service sees its own alone: libp2p tells of a stream once its protocol is agreed. The
 * muxer tells of all, and is no part of what a Connection promises; where there is none, there is no call.
 */
export function onStreamEnd (connection: Connection, callback: (protocol: string) => void): void {
  const { muxer, streams } = connection as Connection & { muxer?: TypedEventTarget<{ stream: CustomEvent<Stream> }> }
  // one that was opened early may be told of as well
  const followed = new WeakSet<Stream>()
  const follow = (stream: Stream): void => {
    if (!followed.has(stream)) {
      followed.add(stream)
      stream.addEventListener('close', () => { callback(stream.protocol) })
    }
  }

  streams.filter(({ direction }) => direction === 'inbound').forEach(follow)
  muxer?.addEventListener('stream', ({ detail: stream }) => { follow(stream) })
}
