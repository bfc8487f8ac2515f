import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import { LevelDatastore } from 'datastore-level'
import { memoryStore, persistentStore } from 'libp2p-rendezvous'
import { valkeyStore } from 'libp2p-rendezvous-valkey'
import { startPoint } from './nodes.ts'
import { madeUp, NO_LIMITS, real } from './registrations.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

export interface PointTask {
  store: 'memory' | 'persistent' | 'valkey'
  /** Of the server of a store that is shared. */
  url?: string
  /** Registrations of peers that do not exist, in namespaces that nobody asks for. */
  held: number
  /** For each of these, a namespace `of-…` with so many peers in it. */
  listings: number[]
}

/** The first message; then, for each message to this process, the processor time that it has used. */
export interface PointReady {
  address: string
}

export interface PointUsage {
  /** Microseconds. */
  processorTime: number
}

const { store: kind, url, held, listings } = JSON.parse(process.argv[2] ?? '') as PointTask
const directory = kind === 'persistent' ? await mkdtemp(join(tmpdir(), 'rendezvous-bench-')) : undefined
const datastore = directory == null ? undefined : new LevelDatastore(directory)
await datastore?.open()
const store = url != null ? valkeyStore({ client: createClient({ url }) }) : datastore == null ? memoryStore() : persistentStore({ datastore })
const node = await startPoint(store, datastore)

for (const size of listings) {
  await register(await real(size, `of-${size}`))
}

for (let index = 0; index < held; index += 1_000) {
  await register(Array.from({ length: 1_000 }, (_, i) => madeUp(index + i, `held-${index + i % 100}`)))
}

// the end of the process that started this one is the end of this one
process.on('disconnect', () => {
  (directory == null ? Promise.resolve() : rm(directory, { recursive: true, force: true })).finally(() => { process.exit() })
})

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ processorTime: user + system } satisfies PointUsage)
})

process.send?.({ address: String(node.getMultiaddrs()[0]) } satisfies PointReady)

async function register (registrations: Array<Parameters<RegistrationStore['register']>[0]>): Promise<void> {
  await Promise.all(registrations.map(registration => store.register(registration, NO_LIMITS, Date.now())))
}
