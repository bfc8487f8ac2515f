import { readFile } from 'node:fs/promises'
import { describe, Failure, UsageError } from './failures.ts'
import type { StoreUrl } from './flags.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'
import type { ValkeyStoreInit } from 'libp2p-rendezvous-valkey'

/** How often a store that does not answer is told of. Milliseconds. */
const REMINDER = 60_000

interface Credentials {
  username?: string
  password?: string
}

/** Where the store is, and how it is used, as flags say. */
export interface SharedStoreInit {
  /** Of a server, of several of which one is the primary, or of nodes of a cluster. */
  store?: StoreUrl[]
  /** A file with the password, or with the user and the password. */
  storePassword?: string
  partitions?: number
}

/**
 * A store that several points use, started.
 *
 * @param onProblem - told in one line what is wrong, once in a while
 * @throws {Failure | UsageError}
 */
export async function sharedStore ({ store: urls = [], storePassword: file, partitions }: SharedStoreInit, onProblem: (text: string) => void): Promise<RegistrationStore> {
  // only who asks for it waits for them to load
  const { createClient, createCluster } = await import('@redis/client')
  const { ClusterNodeError, valkeyStore } = await import('libp2p-rendezvous-valkey')
  const location = urls.map(({ location }) => location).join(', ')
  const given = file == null ? {} : await readCredentials(file)
  let told = -Infinity

  const started = async (client: ValkeyStoreInit['client']): Promise<RegistrationStore> => {
    const store = valkeyStore({
      client,
      partitions,
      onError: err => {
        if (performance.now() - told > REMINDER) {
          told = performance.now()
          onProblem(`the store ${location} does not answer: ${describe(err)}`)
        }
      }
    })
    await store.start?.()

    return store
  }

  try {
    return await started(urls.map(({ url }) => createClient({ url, ...given }))).catch(async err => {
      if (!(err instanceof ClusterNodeError)) {
        throw err
      }

      // other nodes than these are found through them, and reached in the same way as the first
      return started(createCluster({ rootNodes: urls.map(({ url }) => ({ url, ...given })), defaults: { ...accessOf(urls), ...given } }))
    })
  } catch (err: any) {
    if (err.name === 'InvalidParametersError') {
      throw new UsageError(`--${err.message}`, { cause: err })
    }

    throw new Failure(`the store ${location} cannot be used: ${reasonOf(err)}`, { cause: err })
  }
}

/** What the server says of who may not use it is about its own commands, and what the store says about its options. */
function reasonOf (err: unknown): string {
  const reason = describe(err)
  const [, begun] = /another number of partitions \((\d+)/.exec(reason) ?? []

  if (begun != null) {
    return `${reason}: give --partitions ${begun}, or another database`
  }

  switch (/^[A-Z]+/.exec(reason)?.[0]) {
    case 'NOAUTH':
      return 'a password is needed: give it in the URL, or with --store-password PATH'
    case 'WRONGPASS':
      return 'it does not know this user with this password'
    default:
      return reason
  }
}

/** How a node is reached beside its address. */
function accessOf ([first]: StoreUrl[]): Credentials & { socket?: { tls: true } } {
  const { protocol, username, password } = new URL(String(first?.url))

  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { socket: { tls: true } } : {})
  }
}

async function readCredentials (file: string): Promise<Credentials> {
  const text = await readFile(file, 'utf8').catch(err => { throw new UsageError(`the password of the store cannot be read from ${file}: ${describe(err)}`, { cause: err }) })
  const [user, ...password] = text.trim().split(':')

  return password.length === 0 ? { password: text.trim() } : { username: user as string, password: password.join(':') }
}
