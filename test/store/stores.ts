import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryDatastore } from 'datastore-core'
import { LevelDatastore } from 'datastore-level'
import { memoryStore } from '../../src/store/memory.ts'
import { persistentStore } from '../../src/store/persistent.ts'
import type { RegistrationStore } from '../../src/store/types.ts'

export interface StoreKind {
  name: string
  create: () => RegistrationStore | Promise<RegistrationStore>
  destroy?: (store: RegistrationStore) => Promise<void>
}

const disposals = new WeakMap<RegistrationStore, () => Promise<void>>()

/** Every store there is. */
export const STORES: StoreKind[] = [
  { name: 'memoryStore', create: memoryStore },
  { name: 'persistentStore over a memory datastore', create: () => persistentStore({ datastore: new MemoryDatastore() }) },
  {
    name: 'persistentStore over LevelDB',
    create: async () => {
      const directory = await temporaryDirectory()
      const datastore = new LevelDatastore(directory)
      await datastore.open()
      const store = persistentStore({ datastore })
      disposals.set(store, async () => {
        await datastore.close()
        await rm(directory, { recursive: true })
      })

      return store
    },
    destroy: async store => { await disposals.get(store)?.() }
  }
]

export async function temporaryDirectory (): Promise<string> {
  return mkdtemp(join(tmpdir(), 'rendezvous-'))
}
