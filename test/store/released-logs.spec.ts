import { readFile } from 'node:fs/promises'
import crc32 from 'crc-32'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { expect, it } from 'vitest'
import { persistentStore } from '../../src/store/persistent.ts'

const NOW = 1_750_000_000_000

/**
 * What is read of each form in which this package has written registrations, beside what all forms have: the
 * forms of the records, the network, the other record. The first did not have them: a network is the peer's own.
 */
const FORMS = {
  1: [['libp2p-peer-record', 'peer-1', undefined], ['libp2p-peer-record', 'peer-2', undefined], ['libp2p-peer-record', 'peer-1', undefined]],
  2: [['libp2p-routing-state', '20010db8/0012/0034', 'other'], ['libp2p-peer-record', 'memory', undefined], ['libp2p-peer-record', '198.51/100/7', undefined]]
}

for (const [form, more] of Object.entries(FORMS)) {
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
    expect(listed?.registrations.map(({ domain, network, otherRecord }) => [domain, network, otherRecord == null ? undefined : new TextDecoder().decode(otherRecord)])).to.deep.equal(more)
    expect((await store.list({ limit: 10, after: cursor }, NOW))?.registrations.map(({ peer }) => peer)).to.deep.equal(['peer-1'])
    await store.stop?.()
  })
}

it('knows the form of a record from a log that does not say it', async () => {
  const datastore = new MemoryDatastore()
  const key = 'registrations/a@peer'
  const record = new TextEncoder().encode('\u0008 /libp2p/routing-state-record and so on')
  // the checksum of the name and of all that follows it; two numbers; the record
  const value = new Uint8Array(20 + record.byteLength)
  const view = new DataView(value.buffer)
  value.set(record, 20)
  view.setFloat64(4, NOW + 1_000)
  view.setFloat64(12, 7)
  view.setInt32(0, crc32.buf(value.subarray(4), crc32.str(key)))
  await datastore.put(new Key(`/rendezvous/${key}`), value)
  const store = persistentStore({ datastore })
  await store.start?.()

  expect((await store.list({ limit: 1 }, NOW))?.registrations).to.have.lengthOf(1)
  expect((await store.list({ limit: 1, reads: 'libp2p-routing-state' }, NOW))?.registrations).to.have.lengthOf(1)
  expect((await store.list({ limit: 1, reads: 'libp2p-peer-record' }, NOW))?.registrations).to.have.lengthOf(0)
  await store.stop?.()
})

it('keeps what only those can read who read everything', async () => {
  const datastore = new MemoryDatastore()
  const limits = { maxRegistrationsPerPeer: 9, maxRegistrationsPerNamespace: 9, maxNamespaces: 9, maxRegistrations: 9, maxBytes: 1e6 }
  const store = persistentStore({ datastore })
  await store.start?.()
  await store.register({ namespace: 'a', peer: 'peer', signedPeerRecord: new Uint8Array(1), domain: 'none', network: 'n', ttl: 1_000 }, limits, NOW)
  await store.stop?.()
  const again = persistentStore({ datastore })
  await again.start?.()

  expect(again.corruptEntries).to.equal(0)
  expect((await again.list({ limit: 9 }, NOW))?.registrations).to.have.lengthOf(1)
  expect((await again.list({ limit: 9, reads: 'libp2p-peer-record' }, NOW))?.registrations).to.have.lengthOf(0)
  expect((await again.list({ limit: 9, reads: 'libp2p-routing-state' }, NOW))?.registrations).to.have.lengthOf(0)
  await again.stop?.()
})
