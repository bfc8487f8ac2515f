import { rm } from 'node:fs/promises'
import { MemoryDatastore } from 'datastore-core'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { encodeEntry } from '../../src/store/log-entry.ts'
import { persistentStore } from '../../src/store/persistent.ts'
import { temporaryDirectory } from './stores.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { ListQuery, Page, RegisterResult, StoredRegistration } from '../../src/store/types.ts'
import type { CorruptEntry, PersistentStore, PersistentStoreInit } from '../../src/store/persistent.ts'
import type { Batch, Datastore } from 'interface-datastore'

const NOW = 1_750_000_000_000
const HOUR = 3_600_000
const LIMITS = { maxRegistrationsPerPeer: 1e6, maxRegistrationsPerNamespace: 1e6, maxNamespaces: 1e6, maxRegistrations: 1e6, maxBytes: 1e12 }

/** A datastore whose batches can be made to fail or to wait. */
class ControlledDatastore extends MemoryDatastore {
  commits = 0
  error: Error | undefined
  #held: PromiseWithResolvers<void> | undefined

  hold (): void {
    this.#held = Promise.withResolvers()
  }

  release (): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  override batch (): Batch {
    const batch = super.batch()

    return {
      ...batch,
      commit: async () => {
        this.commits++
        await this.#held?.promise

        if (this.error != null) {
          throw this.error
        }

        await batch.commit()
      }
    }
  }

  /** What a crash at this moment would leave. */
  async copy (): Promise<ControlledDatastore> {
    const copy = new ControlledDatastore()

    for await (const { key, value } of this.query({})) {
      await copy.put(key, value.slice())
    }

    return copy
  }

  async keys (): Promise<string[]> {
    const keys: string[] = []

    for await (const key of this.queryKeys({})) {
      keys.push(key.toString())
    }

    return keys
  }

  async registrationKeys (): Promise<string[]> {
    return (await this.keys()).filter(key => key.includes('@'))
  }
}

async function open (datastore: Datastore, init: Partial<PersistentStoreInit> = {}): Promise<PersistentStore> {
  const store = persistentStore({ datastore, ...init })
  await store.start?.()

  return store
}

async function register (store: PersistentStore, namespace: string, peer: string, { now = NOW, ttl = HOUR, limits = LIMITS, record = peer } = {}): Promise<StoredRegistration> {
  const result = await tryRegister(store, namespace, peer, { now, ttl, limits, record })

  if ('limit' in result) {
    throw new Error(result.limit)
  }

  return result.registration
}

async function tryRegister (store: PersistentStore, namespace: string, peer: string, { now = NOW, ttl = HOUR, limits = LIMITS, record = peer } = {}): Promise<RegisterResult> {
  return store.register({ ...ORIGIN, namespace, peer, signedPeerRecord: new TextEncoder().encode(record), ttl }, limits, now)
}

async function list (store: PersistentStore, query: Partial<ListQuery> = {}, now = NOW): Promise<Page | undefined> {
  return store.list({ limit: 1_000_000, ...query }, now)
}

/** A listing as text, in its order. */
async function listing (store: PersistentStore, query: Partial<ListQuery> = {}, now = NOW): Promise<string[] | undefined> {
  return (await list(store, query, now))?.registrations.map(({ namespace, peer, signedPeerRecord, expires }) =>
    `${namespace} ${peer} ${new TextDecoder().decode(signedPeerRecord)} ${expires - NOW}`)
}

/** Lets everything happen that waits for nothing but promises. */
async function turn (): Promise<void> {
  await new Promise(resolve => { setImmediate(resolve) })
}

afterEach(() => { vi.useRealTimers() })

describe('persistentStore after a restart', () => {
  it('has the same registrations, records, lifetimes and order', async () => {
    const datastore = new MemoryDatastore()
    const before = await open(datastore)
    await register(before, 'b', 'peer-1', { ttl: 3 * HOUR })
    await register(before, 'a', 'peer-2')
    await register(before, 'b', 'peer-3', { record: '' })
    await register(before, 'a', 'peer-1')
    await register(before, 'a', 'peer-2', { record: 'refreshed', now: NOW + 5 })
    await register(before, 'a', 'gone')
    await before.unregister('a', 'gone', NOW)
    const expected = await listing(before)
    await before.stop?.()
    const after = await open(datastore)

    expect(await listing(after)).to.deep.equal(expected)
    expect(expected).to.have.lengthOf(4)
    expect(await listing(after, { namespace: 'a' })).to.deep.equal(['a peer-1 peer-1 3600000', 'a peer-2 refreshed 3600005'])
    expect(after.size).to.deep.equal({ registrations: 4, namespaces: 2, peers: 3, bytes: 4 * 640 + 21 })
    expect(after.corruptEntries).to.equal(0)
  })

  it('goes on where its cursors were', async () => {
    const datastore = new MemoryDatastore()
    const before = await open(datastore)
    const empty = await list(before)

    for (const peer of ['1', '2', '3', '4']) {
      await register(before, 'a', peer)
    }

    const page = await list(before, { limit: 2 })
    const end = await list(before)
    await before.unregister('a', '2', NOW)
    await before.stop?.()
    const after = await open(datastore)

    expect(await listing(after, { after: empty?.cursor as number })).to.have.lengthOf(3)
    expect(await listing(after, { after: page?.cursor as number })).to.deep.equal(['a 3 3 3600000', 'a 4 4 3600000'])
    expect(await listing(after, { after: end?.cursor as number })).to.deep.equal([])

    await register(after, 'a', '5')
    expect(await listing(after, { after: end?.cursor as number })).to.deep.equal(['a 5 5 3600000'])
  })

  it('counts what it read against the limits', async () => {
    const datastore = new MemoryDatastore()
    const before = await open(datastore)
    await register(before, 'a', '1')
    await register(before, 'b', '1')
    await before.stop?.()
    const after = await open(datastore)

    for (const limit of Object.keys(LIMITS) as Array<keyof typeof LIMITS>) {
      const most = limit === 'maxRegistrationsPerNamespace' ? 1 : 2
      const [namespace, peer] = limit === 'maxRegistrationsPerNamespace' ? ['a', '2'] : ['c', '1']
      expect(await tryRegister(after, namespace, peer, { limits: { ...LIMITS, [limit]: most } })).to.deep.equal({ limit })
    }

    expect(await tryRegister(after, 'a', '1', { limits: { ...LIMITS, maxRegistrations: 1 } })).to.have.property('refreshed', true)
  })

  it('is read in the way that it is told to', async () => {
    const datastore = new MemoryDatastore()
    const before = await open(datastore)
    await register(before, 'a', '1')
    await register(before, 'a', '2')
    await before.stop?.()
    const entries: Array<[string, Uint8Array]> = []

    for await (const { key, value } of datastore.query({})) {
      entries.push([key.toString(), value])
    }

    const prefixes: string[] = []
    const after = await open(datastore, {
      async * readAll (prefix) {
        prefixes.push(prefix)
        yield entries.slice(0, 2)
        yield []
        yield entries.slice(2)
      }
    })

    expect(prefixes).to.deep.equal(['/rendezvous/'])
    expect(await listing(after)).to.deep.equal(['a 1 1 3600000', 'a 2 2 3600000'])
  })

  describe('of very many', () => {
    const MANY = 10_001
    const limits = { ...LIMITS, maxRegistrations: MANY }

    async function restarted (): Promise<PersistentStore> {
      const datastore = new MemoryDatastore()
      const before = await open(datastore)
      await Promise.all(Array.from({ length: MANY }, async (_, i) => register(before, 'a', String(i))))
      await before.stop?.()

      return persistentStore({ datastore })
    }

    it('lets others have their turn while it starts', async () => {
      const store = await restarted()
      let turns = 0
      let timer: NodeJS.Immediate
      const others = (): void => {
        turns++
        timer = setImmediate(others)
      }
      timer = setImmediate(others)
      await store.start?.()
      clearImmediate(timer)

      expect(turns).to.be.at.least(5)
      expect(await listing(store)).to.have.lengthOf(MANY)
      await store.stop?.()
    })

    it('refuses newcomers where it is full, until it knows who is to make room for them', async () => {
      const store = await restarted()
      await store.start?.()
      const newcomer = async (): Promise<RegisterResult> => store.register({ ...ORIGIN, network: 'other', namespace: 'a', peer: 'newcomer', signedPeerRecord: new Uint8Array(1), ttl: HOUR }, limits, NOW)

      expect(await newcomer()).to.deep.equal({ limit: 'maxRegistrations' })
      expect(await register(store, 'a', '1', { limits })).to.have.property('peer', '1')
      await vi.waitFor(async () => { expect(await newcomer()).to.have.property('registration') }, { timeout: 20_000 })
      await store.stop?.()
    }, 30_000)
  })

  it('reports what expired meanwhile, and deletes it then', async () => {
    const datastore = new ControlledDatastore()
    const before = await open(datastore)
    await register(before, 'a', 'short', { ttl: 1_000 })
    await register(before, 'a', 'long')
    await before.stop?.()
    const after = await open(datastore)

    expect(await listing(after, {}, NOW + 2_000)).to.deep.equal(['a long long 3600000'])
    expect((await after.expire(NOW + 2_000, 10)).map(({ peer }) => peer)).to.deep.equal(['short'])
    await turn()
    expect(await datastore.registrationKeys()).to.deep.equal(['/rendezvous/registrations/a@long'])
  })

  it('tells all namespaces and peers apart, over LevelDB', async () => {
    const directory = await temporaryDirectory()
    const names = ['a', 'A', 'a/', '/a', 'a//b', '.', '..', '../..', '@', 'a@b', '%40', '%', ' ', '\u0000', '\u00ff', 'é', 'e\u0301', '日本語', '🦀'.repeat(63), 'ÿ/'.repeat(85), '\uffff', 'x'.repeat(255)]

    try {
      const datastore = new LevelDatastore(directory)
      await datastore.open()
      const before = await open(datastore)
      await Promise.all(names.flatMap(namespace => names.map(async peer => register(before, namespace, peer, { record: namespace }))))
      const expected = await listing(before)
      await before.stop?.()
      await datastore.close()
      await datastore.open()
      const after = await open(datastore)

      expect(await listing(after)).to.deep.equal(expected)
      expect(expected).to.have.lengthOf(names.length ** 2)
      await after.stop?.()
      await datastore.close()
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('refuses what has no UTF-8 form before anything is changed', async () => {
    const store = await open(new MemoryDatastore())

    await expect(register(store, '\ud800', 'peer')).rejects.toThrow(URIError)
    await expect(register(store, 'a', '\udfff')).rejects.toThrow(URIError)
    expect(store.size.registrations).to.equal(0)
  })

  it('shares a datastore with stores of other prefixes', async () => {
    const datastore = new ControlledDatastore()
    const prefixes = ['/rendezvous', '/rendezvous-2', '/another/place/', 'no-slash']

    for (const prefix of prefixes) {
      const store = await open(datastore, { prefix })
      await register(store, 'a', prefix)
      await store.stop?.()
    }

    for (const prefix of prefixes) {
      const store = await open(datastore, { prefix })
      expect(await listing(store)).to.deep.equal([`a ${prefix} ${prefix} 3600000`])
      expect(store.corruptEntries).to.equal(0)
      await store.stop?.()
    }

    expect((await datastore.keys()).sort()).to.deep.equal(['/rendezvous', '/rendezvous-2', '/another/place', '/no-slash']
      .flatMap((prefix, i) => [`${prefix}/registrations/a@${encodeURIComponent(prefixes[i] as string)}`, `${prefix}/sequence`]).sort())
  })

  it('may have the whole datastore', async () => {
    const datastore = new ControlledDatastore()
    const before = await open(datastore, { prefix: '/' })
    await register(before, 'a', 'peer')
    await before.stop?.()

    expect((await datastore.keys()).sort()).to.deep.equal(['/registrations/a@peer', '/sequence'])
    expect(await listing(await open(datastore, { prefix: '/' }))).to.deep.equal(['a peer peer 3600000'])
  })
})

describe('persistentStore writing', () => {
  it('answers when the datastore has it, and not before', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.hold()
    let answered = ''
    const registered = register(store, 'a', 'peer').then(() => { answered += 'registered ' })
    await turn()
    expect(answered).to.equal('')
    datastore.release()
    await registered
    expect(await datastore.registrationKeys()).to.have.lengthOf(1)

    datastore.hold()
    const unregistered = Promise.resolve(store.unregister('a', 'peer', NOW)).then(() => { answered += 'unregistered' })
    await turn()
    expect(answered).to.equal('registered ')
    datastore.release()
    await unregistered
    expect(await datastore.registrationKeys()).to.have.lengthOf(0)
  })

  it('writes what arrives together in one batch', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.commits = 0
    await Promise.all(Array.from({ length: 100 }, async (_, i) => register(store, 'a', `peer-${i}`)))

    expect(datastore.commits).to.equal(1)
    expect(await datastore.registrationKeys()).to.have.lengthOf(100)
  })

  it('gathers what arrives during a batch for the next', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.commits = 0
    datastore.hold()
    const first = register(store, 'a', 'first')
    const others: Array<Promise<unknown>> = []

    for (let i = 0; i < 20; i++) {
      await turn()
      others.push(register(store, 'a', `peer-${i}`), Promise.resolve(store.unregister('a', `peer-${i - 1}`, NOW)))
    }

    expect(datastore.commits).to.equal(1)
    datastore.release()
    await Promise.all([first, ...others])
    expect(datastore.commits).to.equal(2)
    expect(await datastore.registrationKeys()).to.have.lengthOf(2)
  })

  it('begins anew when something arrives in the very moment a batch ends', async () => {
    const store = await open(new MemoryDatastore())

    for (let i = 0; i < 100; i++) {
      await register(store, 'a', 'peer')
      await Promise.all([register(store, 'a', 'peer'), Promise.resolve().then(async () => register(store, 'a', 'other'))])
    }

    expect(store.size.registrations).to.equal(2)
  })

  it('does not say that something is gone while it could still come back', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'peer')
    datastore.hold()
    let isAnswered = false
    const first = store.unregister('a', 'peer', NOW)
    const second = Promise.resolve(store.unregister('a', 'peer', NOW)).then(() => { isAnswered = true })
    await turn()
    expect(isAnswered).to.equal(false)
    datastore.release()
    await Promise.all([first, second])
    expect(await datastore.registrationKeys()).to.have.lengthOf(0)
  })

  it('deletes what expired, but not what its peer registered since', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'gone', { ttl: 1_000 })
    await register(store, 'a', 'back', { ttl: 1_000 })
    await register(store, 'a', 'back', { now: NOW + 1_000 })

    expect(await store.expire(NOW + 1_000, 10)).to.have.lengthOf(2)
    await turn()
    expect(await datastore.registrationKeys()).to.deep.equal(['/rendezvous/registrations/a@back'])
    expect(await listing(await open(await datastore.copy()), {}, NOW + 1_000)).to.deep.equal(['a back back 3601000'])
  })

  it('never uses a sequence number again that a page has shown, also when it crashes before the registration is written', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.hold()
    register(store, 'a', 'lost').catch(() => {})
    await turn()
    const shown = await list(store)
    expect(shown?.registrations).to.have.lengthOf(1)

    const after = await open(await datastore.copy())
    expect(await listing(after)).to.deep.equal([])
    await register(after, 'a', 'new')
    expect(await listing(after, { after: shown?.cursor as number })).to.deep.equal(['a new new 3600000'])
    datastore.release()
  })

  it('sets more sequence numbers aside before it has used those it had', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    let last = 0

    for (let i = 0; i < 250; i++) {
      const registered = await Promise.all(Array.from({ length: 100 }, async (_, j) => register(store, 'a', `peer-${j}`)))
      expect(Math.min(...registered.map(({ sequence }) => sequence))).to.be.greaterThan(last)
      last = Math.max(...registered.map(({ sequence }) => sequence))
    }

    const after = await open(await datastore.copy())
    expect((await register(after, 'a', 'peer-0')).sequence).to.be.greaterThan(last)
    expect(await listing(after, { after: last })).to.have.lengthOf(1)
  })
})

describe('persistentStore when its datastore fails', () => {
  it('rejects with the error, goes on listing, and makes up for it with the next change', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'kept')
    await register(store, 'a', 'leaves')
    datastore.error = new Error('disk full')

    await expect(Promise.all([
      register(store, 'a', 'new'),
      store.unregister('a', 'leaves', NOW)
    ])).rejects.toThrow('disk full')
    expect(await listing(store)).to.deep.equal(['a kept kept 3600000', 'a new new 3600000'])
    expect(await datastore.registrationKeys()).to.have.lengthOf(2)

    datastore.error = undefined
    await register(store, 'a', 'later')
    const expected = ['a kept kept 3600000', 'a new new 3600000', 'a later later 3600000']
    expect(await listing(store)).to.deep.equal(expected)
    expect(await listing(await open(await datastore.copy()))).to.deep.equal(expected)
  })

  it('takes nothing more in before it has made up for it', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.error = new Error('disk full')
    const results = await Promise.allSettled(Array.from({ length: 50 }, async (_, i) => register(store, 'a', `peer-${i}`)))
    expect(results.filter(({ status }) => status === 'rejected')).to.have.lengthOf(50)
    const { size } = store

    for (let i = 50; i < 100; i++) {
      await expect(register(store, 'a', `peer-${i}`)).rejects.toThrow('disk full')
      await expect(store.unregister('a', `peer-${i - 50}`, NOW)).rejects.toThrow('disk full')
    }

    expect(store.size).to.deep.equal(size)
    datastore.error = undefined
    expect(await store.unregister('a', 'peer-0', NOW)).to.have.property('peer', 'peer-0')
    expect(await datastore.registrationKeys()).to.have.lengthOf(size.registrations - 1)
  })

  it('does not say that something is gone which it could not delete', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'peer')
    datastore.error = new Error('disk full')
    await expect(store.unregister('a', 'peer', NOW)).rejects.toThrow('disk full')
    await expect(store.unregister('a', 'peer', NOW)).rejects.toThrow('disk full')

    datastore.error = undefined
    expect(await store.unregister('a', 'peer', NOW)).to.equal(undefined)
    expect(await datastore.registrationKeys()).to.have.lengthOf(0)
  })

  it('removes what expires all the same', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'short', { ttl: 1_000 })
    datastore.error = new Error('disk full')
    await expect(register(store, 'a', 'peer')).rejects.toThrow('disk full')

    expect((await store.expire(NOW + 1_000, 10)).map(({ peer }) => peer)).to.deep.equal(['short'])
    expect(store.size.registrations).to.equal(1)

    datastore.error = undefined
    await register(store, 'a', 'peer', { now: NOW + 1_000 })
    expect(await listing(await open(await datastore.copy()), {}, NOW + 1_000)).to.deep.equal(['a peer peer 3601000'])
  })

  it('is no better off when the batch cannot even be made', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    const { batch } = datastore
    datastore.batch = () => { throw new Error('closed') }
    await expect(register(store, 'a', 'peer')).rejects.toThrow('closed')

    datastore.batch = batch
    await register(store, 'a', 'other')
    expect(await datastore.registrationKeys()).to.have.lengthOf(2)
  })

  it('stops, with everything that was acknowledged', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'kept')
    datastore.error = new Error('disk full')
    await expect(register(store, 'a', 'lost')).rejects.toThrow('disk full')
    await store.stop?.()

    datastore.error = undefined
    await store.start?.()
    expect(await listing(store)).to.deep.equal(['a kept kept 3600000'])
  })

  it('tries once more to write everything when it stops', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.error = new Error('disk full')
    await expect(register(store, 'a', 'peer')).rejects.toThrow('disk full')
    datastore.error = undefined
    await store.stop?.()

    expect(await datastore.registrationKeys()).to.have.lengthOf(1)
  })

  it('does not start when the datastore cannot be read or written, and may be started later', async () => {
    const datastore = new ControlledDatastore()
    const store = persistentStore({ datastore })
    const { query } = datastore
    datastore.query = () => { throw new Error('closed') }
    await expect(Promise.all([store.start?.(), store.start?.()])).rejects.toThrow('closed')
    datastore.query = query
    datastore.error = new Error('read-only')
    await expect(store.start?.()).rejects.toThrow('read-only')
    expect(() => store.list({ limit: 1 }, NOW)).toThrow('not started')

    datastore.error = undefined
    await store.start?.()
    await register(store, 'a', 'peer')
    await store.stop?.()
    expect(() => store.list({ limit: 1 }, NOW)).toThrow('not started')
  })
})

describe('persistentStore and a database that has to be opened anew', () => {
  /** As LevelDB is after a full disk: it refuses everything until it was closed and opened. */
  class SulkingDatastore extends ControlledDatastore {
    isFull = false
    #sulks = false
    reopened = 0

    override batch (): Batch {
      const batch = super.batch()

      return {
        ...batch,
        commit: async () => {
          this.#sulks ||= this.isFull

          if (this.#sulks) {
            throw new Error('no space left on device')
          }

          await batch.commit()
        }
      }
    }

    async open (): Promise<void> {
      this.#sulks = this.isFull
      this.reopened++
    }

    async close (): Promise<void> {}
  }

  async function failing (datastore: SulkingDatastore, init: Partial<PersistentStoreInit> = {}): Promise<PersistentStore> {
    const store = await open(datastore, init)
    expect(store.isBehind).to.equal(false)
    datastore.isFull = true
    await expect(register(store, 'a', 'peer')).rejects.toThrow('no space')
    expect(store.isBehind).to.equal(true)

    return store
  }

  it('opens it when writing has failed twice, and goes on when there is room', async () => {
    const datastore = new SulkingDatastore()
    const store = await failing(datastore)
    await expect(register(store, 'a', 'peer')).rejects.toThrow('no space')
    expect(datastore.reopened).to.equal(0)
    await expect(register(store, 'a', 'peer')).rejects.toThrow('no space')
    expect(datastore.reopened).to.equal(1)

    datastore.isFull = false
    await register(store, 'a', 'other')
    expect(datastore.reopened).to.equal(2)
    expect(store.isBehind).to.equal(false)
    expect(await datastore.registrationKeys()).to.have.lengthOf(2)

    await register(store, 'a', 'third')
    expect(datastore.reopened).to.equal(2)
  })

  it('does so by itself, without anybody who asks', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const datastore = new SulkingDatastore()
    const store = await failing(datastore)
    datastore.isFull = false
    await vi.advanceTimersByTimeAsync(5_000)
    expect(store.isBehind).to.equal(true)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(store.isBehind).to.equal(false)
    expect(await datastore.registrationKeys()).to.have.lengthOf(1)
    expect(vi.getTimerCount()).to.equal(0)
  })

  it('tries no more once it is stopped', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const datastore = new SulkingDatastore()
    const store = await failing(datastore)
    await store.stop?.()
    expect(vi.getTimerCount()).to.equal(0)
    expect(store.isBehind).to.equal(false)
  })

  it('does it as it is told', async () => {
    const datastore = new SulkingDatastore()
    const reopen = vi.fn(async () => { await datastore.open() })
    const store = await failing(datastore, { reopen })
    datastore.isFull = false
    await expect(register(store, 'a', 'peer')).rejects.toThrow('no space')
    await register(store, 'a', 'peer')
    expect(reopen).toHaveBeenCalledTimes(1)
  })

  it('goes on failing while it cannot be opened', async () => {
    const datastore = new SulkingDatastore()
    const store = await failing(datastore)
    datastore.open = async () => { throw new Error('still full') }
    await expect(register(store, 'a', 'peer')).rejects.toThrow('no space')
    await expect(register(store, 'a', 'peer')).rejects.toThrow('still full')
  })
})

describe('persistentStore and what was stored before', () => {
  it('takes what lives too long, because a clock was wrong, to end when it may', async () => {
    const datastore = new MemoryDatastore()
    const before = await open(datastore)
    await register(before, 'a', 'wrong', { now: NOW + 300 * HOUR, ttl: 72 * HOUR })
    await register(before, 'a', 'right', { ttl: 3 * HOUR })
    await before.stop?.()
    const store = persistentStore({ datastore })
    await store.start?.({ now: NOW, maxTtl: 72 * HOUR })

    expect(await listing(store)).to.deep.equal([`a wrong wrong ${72 * HOUR}`, `a right right ${3 * HOUR}`])
  })

  it('forgets in the log who had to make room', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'first')
    await register(store, 'a', 'second')
    const limits = { ...LIMITS, maxRegistrations: 2 }
    const result = await store.register({ ...ORIGIN, network: 'elsewhere', namespace: 'a', peer: 'newcomer', signedPeerRecord: new Uint8Array(1), ttl: HOUR }, limits, NOW)

    expect(result).to.have.property('displaced').with.lengthOf(1)
    expect(await datastore.registrationKeys()).to.deep.equal(['/rendezvous/registrations/a@first', '/rendezvous/registrations/a@newcomer'])
  })

  it('keeps who subscribed over a restart', async () => {
    const store = await open(new MemoryDatastore())
    let calls = 0
    store.subscribe?.('a', () => { calls++ })
    await store.stop?.()
    await store.start?.()
    await register(store, 'a', 'peer')

    expect(calls).to.equal(1)
  })
})

describe('persistentStore when its datastore stalls', () => {
  for (const [what, init, timeout] of [['after 5 seconds', {}, 5_000], ['after its timeout', { timeout: 50 }, 50]] as const) {
    it(`rejects ${what}`, async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const datastore = new ControlledDatastore()
      const store = await open(datastore, init)
      datastore.hold()
      let outcome = ''
      const registered = register(store, 'a', 'peer').catch(err => { outcome = err.name })
      await turn()
      await vi.advanceTimersByTimeAsync(timeout - 1)
      expect(outcome).to.equal('')
      await vi.advanceTimersByTimeAsync(1)
      await registered
      expect(outcome).to.equal('TimeoutError')
      datastore.release()
    })
  }

  it('rejects who comes after at once, begins no other batch, and takes nothing in', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore, { timeout: 20 })
    await register(store, 'a', 'kept')
    datastore.commits = 0
    datastore.hold()
    const first = register(store, 'a', 'first')
    await turn()
    const gathered = register(store, 'a', 'gathered')

    for (const registration of [first, gathered]) {
      await expect(registration).rejects.toHaveProperty('name', 'TimeoutError')
    }

    const start = performance.now()

    for (let i = 0; i < 1_000; i++) {
      await expect(register(store, 'a', `peer-${i}`)).rejects.toHaveProperty('name', 'TimeoutError')
    }

    await expect(store.unregister('a', 'kept', NOW)).rejects.toHaveProperty('name', 'TimeoutError')
    expect(performance.now() - start).to.be.lessThan(1_000)
    expect(datastore.commits).to.equal(1)
    expect(store.size.registrations).to.equal(3)
    expect(await listing(store)).to.have.lengthOf(3)

    datastore.release()
    await turn()
    await register(store, 'a', 'later')
    expect((await datastore.registrationKeys()).map(key => key.split('/').at(-1)).sort()).to.deep.equal(['a@first', 'a@gathered', 'a@kept', 'a@later'])
    expect(await listing(await open(await datastore.copy()))).to.deep.equal(await listing(store))
  })

  it('recovers as well when the write that took so long fails in the end', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore, { timeout: 20 })
    datastore.hold()
    await expect(register(store, 'a', 'first')).rejects.toHaveProperty('name', 'TimeoutError')
    datastore.error = new Error('gone away')
    datastore.release()
    await turn()
    await expect(register(store, 'a', 'second')).rejects.toThrow('gone away')

    datastore.error = undefined
    await register(store, 'a', 'third')
    expect((await datastore.registrationKeys()).map(key => key.split('/').at(-1)).sort()).to.deep.equal(['a@first', 'a@third'])
  })

  it('stops in time, and starts again only when the datastore is done with the old writes', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore, { timeout: 20 })
    datastore.hold()
    await expect(register(store, 'a', 'peer')).rejects.toHaveProperty('name', 'TimeoutError')
    await store.stop?.()
    await expect(store.start?.()).rejects.toHaveProperty('name', 'TimeoutError')

    datastore.release()
    await store.start?.()
    expect(await listing(store)).to.deep.equal(['a peer peer 3600000'])
  })
})

describe('persistentStore after a start that failed', () => {
  it('waits for what that start has written late, which would take its cursors', async () => {
    const datastore = new ControlledDatastore()
    const store = persistentStore({ datastore, timeout: 20 })
    datastore.hold()
    await expect(store.start?.()).rejects.toHaveProperty('name', 'TimeoutError')
    await expect(store.start?.()).rejects.toHaveProperty('name', 'TimeoutError')

    datastore.release()
    await store.start?.()
    await register(store, 'a', 'peer')
    const after = (await list(store))?.cursor
    await store.stop?.()
    const again = await open(datastore)

    expect(await list(again, { after })).to.have.property('registrations').with.lengthOf(0)
  })
})

describe('persistentStore with corrupt entries', () => {
  const damage: Record<string, (value: Uint8Array) => Uint8Array> = {
    'an empty value': () => new Uint8Array(),
    'a truncated value': value => value.subarray(0, -1),
    'a longer value': value => new Uint8Array([...value, 0]),
    'a value of zeros': value => value.map(() => 0)
  }

  for (let i = 0; i < 25; i++) {
    damage[`a wrong bit in byte ${i}`] = value => value.map((byte, j) => j === i ? byte ^ 1 : byte)
  }

  for (const [what, change] of Object.entries(damage)) {
    it(`skips and reports ${what}, and has all others`, async () => {
      const datastore = new ControlledDatastore()
      const before = await open(datastore)

      for (const peer of ['peer-1', 'peer-2', 'peer-3']) {
        await register(before, 'a', peer)
      }

      await before.stop?.()
      const key = new Key('/rendezvous/registrations/a@peer-2')
      await datastore.put(key, change(await datastore.get(key)))
      const reports: CorruptEntry[] = []
      const after = await open(datastore, { onCorrupt: entry => { reports.push(entry) } })

      expect(await listing(after)).to.deep.equal(['a peer-1 peer-1 3600000', 'a peer-3 peer-3 3600000'])
      expect(after.corruptEntries).to.equal(1)
      expect(reports).to.deep.equal([{ key: key.toString(), value: await datastore.get(key) }])
    })
  }

  it.each<[string, object | string]>([
    ['is no JSON', '{'],
    ['is nothing', 'null'],
    ['has no numbers', {}],
    ['has too few numbers', { numbers: [1] }],
    ['has an end that is none', { numbers: ['1', 5] }],
    ['has a sequence number that is none', { numbers: [1, 1.5] }],
    ['has a sequence number beyond all that are safe', { numbers: [1, 2 ** 60] }],
    ['has a form that is not known', { numbers: [1, 5], domain: 'another' }],
    ['has a network that is no text', { numbers: [1, 5], network: 7 }],
    ['has a length that is none', { numbers: [1, 5], length: -1 }]
  ])('skips an entry whose header %s, though its checksum is right', async (_, header) => {
    const datastore = new ControlledDatastore()
    const before = await open(datastore)
    await register(before, 'a', 'peer')
    await before.stop?.()
    const name = 'registrations/a@strange'
    const stringify = vi.spyOn(JSON, 'stringify').mockReturnValue(typeof header === 'string' ? header : JSON.stringify(header))
    await datastore.put(new Key(`/rendezvous/${name}`), encodeEntry(name, { numbers: [1, 5], bytes: new Uint8Array(1) }))
    stringify.mockRestore()
    const after = await open(datastore)

    expect(await listing(after)).to.deep.equal(['a peer peer 3600000'])
    expect(after.corruptEntries).to.equal(1)
  })

  it('begins a new life where two entries have the same sequence number, with both', async () => {
    const datastore = new ControlledDatastore()
    const before = await open(datastore)
    await register(before, 'a', 'peer')
    const [registration] = (await list(before))?.registrations as [StoredRegistration]
    await before.stop?.()
    const name = 'registrations/a@other'
    await datastore.put(new Key(`/rendezvous/${name}`), encodeEntry(name, { numbers: [registration.expires, registration.sequence], bytes: new TextEncoder().encode('other') }))
    const after = await open(datastore)
    const page = await list(after)

    expect(page?.registrations.map(({ peer }) => peer).sort()).to.deep.equal(['other', 'peer'])
    expect(new Set(page?.registrations.map(({ sequence }) => sequence)).size).to.equal(2)
    expect(await list(after, { after: registration.sequence })).to.equal(undefined)
  })

  it('skips a value under the key of another, and keys it does not know', async () => {
    const datastore = new ControlledDatastore()
    const before = await open(datastore)
    await register(before, 'a', 'peer')
    await before.stop?.()
    const value = await datastore.get(new Key('/rendezvous/registrations/a@peer'))

    for (const name of ['registrations/a@other', 'registrations/a', 'registrations/a@b@c', 'registrations/%@a', 'something', 'a@peer']) {
      await datastore.put(new Key(`/rendezvous/${name}`), value)
    }

    const after = await open(datastore)
    expect(await listing(after)).to.deep.equal(['a peer peer 3600000'])
    expect(after.corruptEntries).to.equal(6)
  })

  it('is rid of a corrupt entry when the peer registers again', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    await register(store, 'a', 'peer')
    await store.stop?.()
    await datastore.put(new Key('/rendezvous/registrations/a@peer'), new Uint8Array(3))
    await store.start?.()
    expect(store.corruptEntries).to.equal(1)
    await register(store, 'a', 'peer')
    await store.stop?.()
    await store.start?.()
    expect(store.corruptEntries).to.equal(0)
    expect(await listing(store)).to.deep.equal(['a peer peer 3600000'])
  })

  for (const [what, spoil] of [
    ['missing', async (datastore: Datastore) => datastore.delete(new Key('/rendezvous/sequence'))],
    ['corrupt', async (datastore: Datastore) => datastore.put(new Key('/rendezvous/sequence'), new Uint8Array(20))],
    ['of an older copy', async (datastore: Datastore) => {
      const other = new ControlledDatastore()
      await open(other)
      await datastore.put(new Key('/rendezvous/sequence'), await other.get(new Key('/rendezvous/sequence')))
    }]
  ] as const) {
    it(`begins a new life when the range of sequence numbers is ${what}: same registrations and order, but no old cursor`, async () => {
      const datastore = new ControlledDatastore()
      const before = await open(datastore)

      for (let i = 0; i < 2_500; i++) {
        register(before, `space-${i % 3}`, `peer-${i}`).catch(() => {})
      }

      await register(before, 'space-0', 'peer-0')
      const old = await list(before, { limit: 5 })
      const expected = await listing(before)
      await before.stop?.()
      await spoil(datastore)
      const reports: string[] = []
      const after = await open(datastore, { onCorrupt: ({ key }) => { reports.push(key) } })

      expect(await listing(after)).to.deep.equal(expected)
      expect(await list(after, { after: old?.cursor as number })).to.equal(undefined)
      expect(reports).to.deep.equal(what === 'corrupt' ? ['/rendezvous/sequence'] : [])
      expect(after.corruptEntries).to.equal(reports.length)

      const page = await list(after, { limit: 1_000 })
      await after.stop?.()
      const later = await open(datastore)
      expect(later.corruptEntries).to.equal(0)
      expect(await listing(later, { after: page?.cursor as number })).to.deep.equal(expected?.slice(1_000))
    })
  }
})

describe('persistentStore and its life', () => {
  it('answers nothing before it is started and after it was stopped', async () => {
    const store = persistentStore({ datastore: new MemoryDatastore() })

    const refusesAll = async (): Promise<void> => {
      await expect(register(store, 'a', 'peer')).rejects.toHaveProperty('name', 'NotStartedError')
      await expect(store.unregister('a', 'peer', NOW)).rejects.toHaveProperty('name', 'NotStartedError')
      expect(() => store.list({ limit: 1 }, NOW)).toThrow('not started')
      expect(() => store.expire(NOW, 1)).toThrow('not started')
      expect(store.nextExpiry()).to.equal(undefined)
      expect(store.size).to.deep.equal({ registrations: 0, namespaces: 0, peers: 0, bytes: 0 })
    }

    await refusesAll()
    await store.stop?.()
    await store.start?.()
    await register(store, 'a', 'peer')
    await store.stop?.()
    await refusesAll()
    await store.start?.()
    expect(await listing(store)).to.deep.equal(['a peer peer 3600000'])
  })

  it('is loaded once for all who start it, and answers until the last has stopped it', async () => {
    const datastore = new MemoryDatastore()
    const query = vi.spyOn(datastore, 'query')
    const store = persistentStore({ datastore })
    await Promise.all([store.start?.(), store.start?.()])
    await store.start?.()
    expect(query).toHaveBeenCalledTimes(1)
    await store.stop?.()
    await store.stop?.()
    await register(store, 'a', 'peer')
    await store.stop?.()
    await expect(register(store, 'a', 'peer')).rejects.toHaveProperty('name', 'NotStartedError')
  })

  it('may be stopped while it starts, and started while it stops', async () => {
    const store = persistentStore({ datastore: new MemoryDatastore() })
    await Promise.all([store.start?.(), store.stop?.()])
    await expect(register(store, 'a', 'peer')).rejects.toHaveProperty('name', 'NotStartedError')

    await store.start?.()
    const registered = register(store, 'a', 'peer')
    await turn()
    await Promise.all([registered, store.stop?.(), store.start?.()])
    expect(await listing(store)).to.deep.equal(['a peer peer 3600000'])
    await register(store, 'a', 'other')
  })

  it('answers what is being written when it is stopped', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    datastore.hold()
    const registered = Promise.all([register(store, 'a', '1'), register(store, 'a', '2')])
    await turn()
    const late = register(store, 'a', '3')
    await turn()
    const stopped = store.stop?.()
    datastore.release()
    await Promise.all([registered, late, stopped])

    expect(await datastore.registrationKeys()).to.have.lengthOf(3)
  })

  it('keeps what was asked for in the moment it is stopped, when it is started again at once', async () => {
    const datastore = new ControlledDatastore()
    const store = await open(datastore)
    const registered = register(store, 'a', 'peer')
    await Promise.all([store.stop?.(), store.start?.()])
    await registered

    expect(await listing(store)).to.deep.equal(['a peer peer 3600000'])
  })
})
