import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { persistentStore } from 'libp2p-rendezvous'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isDamage, openDataDirectory } from '../src/data-directory.ts'
import { salvage } from '../src/salvage.ts'
import type { PersistentStore, StoredRegistration } from 'libp2p-rendezvous'

const NOW = Date.UTC(2030, 0, 1)
const HOUR = 3_600_000
const LIMITS = { maxRegistrationsPerPeer: 1_000_000, maxRegistrationsPerNamespace: 1_000_000, maxNamespaces: 1_000_000, maxRegistrations: 1_000_000, maxBytes: Infinity }

let root: string
let registrations: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rendezvous-salvage-'))
  registrations = join(root, 'registrations')
})

afterEach(async () => {
  await rm(root, { recursive: true })
})

/** Does something with the store of a data directory. */
async function withStore <T> (work: (store: PersistentStore) => Promise<T>): Promise<T> {
  const data = await openDataDirectory(root)

  try {
    const store = persistentStore({ datastore: data.datastore })
    await store.start?.()
    const result = await work(store)
    await store.stop?.()

    return result
  } finally {
    await data.close()
  }
}

async function fill (count: number): Promise<void> {
  await withStore(async store => {
    for (let i = 0; i < count; i++) {
      await store.register({ domain: 'libp2p-peer-record', network: 'memory', namespace: `namespace ${i % 7}`, peer: `peer ${i}`, signedPeerRecord: new Uint8Array(500).fill(i), ttl: (i + 1) * HOUR }, LIMITS, NOW)
    }
  })
}

async function listed (): Promise<StoredRegistration[]> {
  return withStore(async store => (await store.list({ limit: 1_000_000 }, NOW))?.registrations.map(({ namespace, peer, signedPeerRecord, domain, network, expires, sequence }) =>
    ({ namespace, peer, signedPeerRecord, domain, network, expires, sequence })) ?? [])
}

const withoutSequence = ({ sequence, ...registration }: StoredRegistration): object => registration

async function fileNamed (pattern: RegExp): Promise<string> {
  return join(registrations, (await readdir(registrations)).filter(name => pattern.test(name)).sort().at(-1) ?? '')
}

describe('what is salvaged of a database', () => {
  it.each([
    ['lost CURRENT', async () => rm(join(registrations, 'CURRENT'))],
    ['has a CURRENT of nonsense', async () => writeFile(join(registrations, 'CURRENT'), 'nonsense')],
    ['lost its MANIFEST', async () => rm(await fileNamed(/^MANIFEST/))],
    ['has a MANIFEST of nonsense', async () => writeFile(await fileNamed(/^MANIFEST/), 'nonsense')]
  ])('that %s is all of it, in its order and with its lifetimes', async (_, damage) => {
    await fill(20)
    const before = await listed()
    await damage()
    await expect(listed()).rejects.toThrow(`the database in ${root} is damaged`)
    const names = await readdir(registrations)

    const { registrations: kept, damaged, backup } = await salvage(root, NOW)
    expect({ kept, damaged }).to.deep.equal({ kept: 20, damaged: 0 })
    expect((await listed()).map(withoutSequence)).to.deep.equal(before.map(withoutSequence))
    expect(await readdir(backup)).to.have.members(names)
    expect(await readdir(root)).to.have.members(['identity.key', 'registrations', backup.slice(root.length + 1)])
  })

  it('of which a part is overwritten is the rest', async () => {
    await fill(200)
    // from the log to a table
    await listed()
    const table = await fileNamed(/\.ldb$/)
    const bytes = await readFile(table)
    bytes.fill(0xff, 20_000, 40_000)
    await writeFile(table, bytes)
    expect(await listed().then(() => false, isDamage)).to.equal(true)

    const { registrations: kept } = await salvage(root, NOW)
    expect(kept).to.be.within(100, 199)
    expect(await listed()).to.have.lengthOf(kept)
  })

  it('is what is as it was written, and has not expired', async () => {
    await fill(10)
    const data = await openDataDirectory(root)
    await data.datastore.put(new Key('/rendezvous/registrations/x@y'), Uint8Array.of(1, 2, 3))
    await data.close()
    expect(await withStore(async store => store.corruptEntries)).to.equal(1)

    expect(await salvage(root, NOW + 4 * HOUR)).to.include({ registrations: 6, damaged: 1 })
    expect(await withStore(async store => store.corruptEntries)).to.equal(0)
    expect(await listed()).to.have.lengthOf(6)
  })

  it('begins a new life, in which cursors of before are not valid', async () => {
    await fill(3)
    const cursor = (await listed()).at(-1)?.sequence
    await salvage(root, NOW)

    expect(await withStore(async store => store.list({ after: cursor, limit: 1 }, NOW))).to.equal(undefined)
  })

  it('is nothing while a point uses it, and where there is none', async () => {
    await fill(1)
    const data = await openDataDirectory(root)
    await expect(salvage(root, NOW)).rejects.toThrow(`the data directory ${root} is in use by another process`)
    await data.close()
    expect(await readdir(root)).to.have.members(['identity.key', 'registrations'])

    const elsewhere = join(root, 'elsewhere')
    await expect(salvage(elsewhere, NOW)).rejects.toThrow(`there are no registrations in ${elsewhere}: name the data directory of a point with --data DIR`)
  })
})
