import { MemoryDatastore } from 'datastore-core'
import { describe, it } from 'vitest'
import { memoryStore } from '../../src/store/memory.ts'
import { persistentStore } from '../../src/store/persistent.ts'
import { compare } from './compare.ts'

describe('a naive model', () => {
  it('gives the same answers as memoryStore', async () => {
    await compare(memoryStore, async store => store, 120)
  })

  it('gives the same answers as persistentStore, also when that is stopped and started in between', async () => {
    let datastore: MemoryDatastore

    await compare(() => {
      datastore = new MemoryDatastore()

      return persistentStore({ datastore })
    }, async store => {
      await store.stop()
      const next = persistentStore({ datastore })
      await next.start?.()

      return store.restarted(next)
    }, 60)
  })
})
