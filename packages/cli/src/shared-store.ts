import { readFile } from 'node:fs/promises'
import { describe, Failure, UsageError } from './failures.ts'
import type { StoreUrl } from './flags.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

/** How often a store that does not answer is told of. Milliseconds. */
const REMINDER = 60_000

/**
 * A store that several points use, started.
 *
 * @param file - with the password, or with the user and the password
 * @param onProblem - told in one line what is wrong, once in a while
 * @throws {Failure | UsageError}
 */
export async function sharedStore ({ url, location }: StoreUrl, file: string | undefined, onProblem: (text: string) => void): Promise<RegistrationStore> {
  // only who asks for it waits for them to load
  const { createClient } = await import('@redis/client')
  const { valkeyStore } = await import('libp2p-rendezvous-valkey')
  let told = -Infinity
  const store = valkeyStore({
    client: createClient({ url, ...(file == null ? {} : await readCredentials(file)) }),
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
    throw new Failure(`the store ${location} cannot be used: ${describe(err)}`, { cause: err })
  }

  return store
}

async function readCredentials (file: string): Promise<{ username?: string, password: string }> {
  const text = await readFile(file, 'utf8').catch(err => { throw new UsageError(`the password of the store cannot be read from ${file}: ${describe(err)}`, { cause: err }) })
  const [user, ...password] = text.trim().split(':')

  return password.length === 0 ? { password: text.trim() } : { username: user as string, password: password.join(':') }
}
