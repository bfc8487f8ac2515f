import { TimeoutError } from '@libp2p/interface'
import type { StreamMuxerFactory } from '@libp2p/interface'

/**
 * What @libp2p/yamux 8 leaves out, and this file is for until it does not: its keep-alive waits for an answer for
 * ever. Whoever has gone without a word, as when the lid of a laptop is closed, is not noticed by it. TCP ends a socket
 * after two minutes on which nothing was sent either, which is never where there is news to tell; WebSockets, never.
 */

/** What is relied upon here, and not promised. */
interface Pinging {
  ping: (options?: object) => Promise<number>
}

/**
 * Has a muxer end the connection of who does not answer its pings any more.
 *
 * @param timeout - milliseconds that an answer may take
 */
export function impatient (createFactory: () => StreamMuxerFactory, timeout: number): () => StreamMuxerFactory {
  return () => {
    const factory = createFactory()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)

    factory.createStreamMuxer = connection => {
      const muxer = createStreamMuxer(connection)
      const pinging = muxer as unknown as Pinging
      const ping = pinging.ping.bind(muxer)

      pinging.ping = async options => {
        const timer = setTimeout(() => {
          connection.abort(new TimeoutError('The other side does not answer any more'))
        }, timeout)

        try {
          return await ping(options)
        } finally {
          clearTimeout(timer)
        }
      }

      return muxer
    }

    return factory
  }
}
