import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAll } from '../../src/patches/level.ts'

let directory: string
let level: LevelDatastore

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rendezvous-level-'))
  level = new LevelDatastore(directory)
  await level.open()
})

afterEach(async () => {
  await level.close()
  await rm(directory, { recursive: true })
})

async function fill (count: number): Promise<void> {
  const batch = level.batch()
  const keys = ['/before', '/kept', '/keptnot', '/later', ...Array.from({ length: count }, (_, i) => `/kept/${i}é`)]
  keys.forEach(key => { batch.put(new Key(key), new TextEncoder().encode(key)) })
  await batch.commit()
}

describe('readAll', () => {
  it('has what a query has, in pages', async () => {
    await fill(2_500)
    const expected: string[] = []
    const read: string[] = []
    let pages = 0

    for await (const { key } of level.query({ prefix: '/kept/' })) {
      expected.push(key.toString())
    }

    for await (const page of readAll(level, '/kept/')) {
      pages++

      for (const [key, value] of page) {
        read.push(key)
        expect(new TextDecoder().decode(value)).to.equal(key)
      }
    }

    expect(read).to.deep.equal(expected)
    expect(read).to.have.lengthOf(2_500)
    expect(pages).to.equal(3)
  })

  it('may be left in the midst of it, and the database closed', async () => {
    await fill(2_500)

    const pages = readAll(level, '/kept/')
    expect((await pages.next()).value).to.have.lengthOf(1_000)
    await pages.return(undefined)
    await level.close()
    await level.open()
  })

  it('fails when the database does', async () => {
    await fill(1)
    await level.close()

    await expect(readAll(level, '/kept/').next()).rejects.toThrow(/not open/)
    await level.open()
  })
})
