import type { Script } from './scripts.ts'

/** What a script answers with. */
export type Reply = null | number | Buffer | Reply[]

/** What a store needs of a server. */
export interface Connection {
  /** Rejects where the server has not answered. The script may or may not have run then. */
  run: (script: Script, key: string, args: Array<string | Buffer>) => Promise<Reply[]>
  /** What is said on a channel from now on, and whenever something may have been missed. */
  subscribe: (channel: string, onMessage: (message: string) => void, onMissing: () => void) => Promise<void>
  readonly isReady: boolean
  close: () => Promise<void>
}

/** Of a client of `@redis/client`: it is asked for another like it, and never used itself. */
export interface RedisClient {
  duplicate: (overrides?: any) => any
  readonly options?: any
}

/** The type of a reply in the protocol, as `RESP_TYPES` has it. */
const BLOB_STRING = 36

/**
 * Opens a connection as a client does. Where it is lost, it is made anew for as long as it takes, and what is asked
 * meanwhile fails at once: it might otherwise be done long after it was given up.
 *
 * @throws what keeps it from being made the first time
 */
export async function connect (client: RedisClient, onError: (err: Error) => void): Promise<Connection> {
  const { socket } = client.options ?? {}
  let isConnected = false
  const own = client.duplicate({
    RESP: 3,
    disableOfflineQueue: true,
    socket: {
      ...socket,
      reconnectStrategy: (retries: number, cause: Error) => isConnected ? Math.min(2 ** retries * 20, 2_000) * (0.5 + Math.random() / 2) : cause
    }
  })
  own.on('error', (err: Error) => {
    if (isConnected) {
      onError(err)
    }
  })

  try {
    await own.connect()
    isConnected = true
  } catch (err: any) {
    throw err.originalError ?? err
  }

  const send = async (args: Array<string | Buffer>): Promise<any> => own.sendCommand(args, { typeMapping: { [BLOB_STRING]: Buffer } })

  return {
    get isReady () {
      return own.isReady
    },

    async run (script, key, args) {
      try {
        return await send(['EVALSHA', script.sha1, '1', key, ...args])
      } catch (err: any) {
        if (!String(err.message).startsWith('NOSCRIPT')) {
          throw err
        }

        return send(['EVAL', script.source, '1', key, ...args])
      }
    },

    async subscribe (channel, onMessage, onMissing) {
      // the client subscribes again by itself before it is ready
      own.on('ready', onMissing)
      await own.sSubscribe(channel, onMessage)
    },

    async close () {
      own.destroy()
    }
  }
}
