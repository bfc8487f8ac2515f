import { TimeoutError } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'

/**
 * What @libp2p/yamux 8 leaves out, and this file is for until it does not: its keep-alive waits for an answer for
 * ever. Whoever has gone without a word, as when the lid of a laptop is closed, is not noticed by it. TCP ends a socket
 * after two minutes on which nothing was sent either, which is never where there is news to tell; WebSockets, never.
 */

/** Milliseconds. */
export interface Patience {
  /** From one answer until the other side is asked again whether it is there. */
  interval: number
  /** That an answer may take. */
  timeout: number
}

/** Yamux that ends the connection of who does not answer any more. */
export function impatientYamux ({ interval, timeout }: Patience): ReturnType<typeof yamux> {
  const createFactory = yamux({ keepAliveInterval: interval })

  return () => {
    const factory = createFactory()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)

    factory.createStreamMuxer = connection => {
      const muxer = createStreamMuxer(connection)
      const ping = muxer.ping.bind(muxer)

      muxer.ping = async options => {
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
