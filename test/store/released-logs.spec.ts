import { readFile } from 'node:fs/promises'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { expect, it } from 'vitest'
import { persistentStore } from '../../src/store/persistent.ts'

const NOW = 1_750_000_000_000

/** Each form in which this package has written registrations: what was stored, and the cursor of a page of two. */
for (const form of [1]) {
  it(`reads a log of form ${form} as it was written, and goes on with its cursors`, async () => {
    const { entries, cursor } = JSON.parse(await readFile(new URL(`../fixtures/logs/${form}.json`, import.meta.url), 'utf8'))
    const datastore = new MemoryDatastore()

    for (const [key, value] of Object.entries<string>(entries)) {
      await datastore.put(new Key(key), Uint8Array.from(Buffer.from(value, 'base64')))
    }

    const store = persistentStore({ datastore })
    await store.start?.()
    const listed = await store.list({ limit: 10 }, NOW)

    expect(store.corruptEntries).to.equal(0)
    expect(listed?.registrations.map(({ namespace, peer, signedPeerRecord, expires }) => [namespace, peer, new TextDecoder().decode(signedPeerRecord), expires - NOW])).to.deep.equal([
      ['ü/@%', 'peer-1', '', 7_200_000],
      ['chat', 'peer-2', 'second', 3_600_500],
      ['chat', 'peer-1', 'refreshed', 7_200_000]
    ])
    expect((await store.list({ limit: 10, after: cursor }, NOW))?.registrations.map(({ peer }) => peer)).to.deep.equal(['peer-1'])
    await store.stop?.()
  })
}
