import { readFile } from 'node:fs/promises'
import { describe, Failure, UsageError } from './failures.ts'
import type { StoreUrl } from './flags.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

/** How often a store that does not answer is told of. Milliseconds. */
const REMINDER = 60_000

interface Credentials {
  username?: string
  password?: string
}

/**
 * A store that several points use, started.
 *
 * @param urls - of a server, or of several nodes of a cluster
 * @param file - with the password, or with the user and the password
 * @param onProblem - told in one line what is wrong, once in a while
 * @throws {Failure | UsageError}
 */
export async function sharedStore (urls: StoreUrl[], file: string | undefined, onProblem: (text: string) => void): Promise<RegistrationStore> {
  // only who asks for it waits for them to load
  const { createClient, createCluster } = await import('@redis/client')
  const { valkeyStore } = await import('libp2p-rendezvous-valkey')
  const location = urls.map(({ location }) => location).join(', ')
  const given = file == null ? {} : await readCredentials(file)
  const [{ url }, ...others] = urls as [StoreUrl, ...StoreUrl[]]
  let told = -Infinity
  const store = valkeyStore({
    client: others.length === 0
      ? createClient({ url, ...given })
      // other nodes than these are found through them, and reached in the same way as the first
      : createCluster({ rootNodes: urls.map(({ url }) => ({ url, ...given })), defaults: { ...accessOf(url), ...given } }),
    onError: err => {
      if (performance.now() - told > REMINDER) {
        told = performance.now()
        onProblem(`the store ${location} does not answer: ${describe(err)}`)
      }
    }
  })

  try {
    await store.start?.()
  } catch (err) {
    throw new Failure(`the store ${location} cannot be used: ${reasonOf(err)}`, { cause: err })
  }

  return store
}

/** What the server says of who may not use it is about its own commands. */
function reasonOf (err: unknown): string {
  const reason = describe(err)

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
function accessOf (text: string): Credentials & { socket?: { tls: true } } {
  const { protocol, username, password } = new URL(text)

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
