// What it takes to read 100,000 entries by query, and by pages that are read ahead: node datastore-level.mjs
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'

const COUNT = 100_000
const directory = await mkdtemp(join(tmpdir(), 'datastore-level-'))
const level = new LevelDatastore(directory)
await level.open()

for (let from = 0; from < COUNT; from += 1_000) {
  const batch = level.batch()
  Array.from({ length: 1_000 }, (_, i) => batch.put(new Key(`/entries/${from + i}`), new Uint8Array(300)))
  await batch.commit()
}

const time = async (name, read) => {
  const start = performance.now()
  console.log(`${name}: ${await read()} entries in ${Math.round(performance.now() - start)} ms`)
}

for (let round = 0; round < 3; round++) {
  await time('query', async () => {
    let count = 0

    for await (const { value } of level.query({ prefix: '/entries/' })) {
      count += value.byteLength > 0 ? 1 : 0
    }

    return count
  })
  await time('pages', async () => {
    const iterator = level.db.iterator({ gte: '/entries/', lt: '/entries/\uffff', highWaterMarkBytes: 1024 * 1024 })
    let count = 0
    let next = iterator.nextv(1_000)

    for (let page = await next; page.length > 0; page = await next) {
      next = iterator.nextv(1_000)
      count += page.length
    }

    await iterator.close()

    return count
  })
}

await level.close()
await rm(directory, { recursive: true })
