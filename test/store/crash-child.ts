/**
 * Changes a store at random until it is killed. Before each change it says so in the journal, and
 * again when it was acknowledged; the journal is written with the system call itself, so that a killed
 * process has said all that it knew.
 */
import { openSync, writeSync } from 'node:fs'
import { LevelDatastore } from 'datastore-level'
import { persistentStore } from '../../src/store/persistent.ts'
import { LIMITS, NAMESPACES, PEERS, TTLS } from './crash-journal.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { JournalEntry } from './crash-journal.ts'

/** Changes under way at a time. */
const WORKERS = 20

const [directory, journalFile] = process.argv.slice(2) as [string, string]
const journal = openSync(journalFile, 'a')

function write (entry: JournalEntry): void {
  writeSync(journal, `${JSON.stringify(entry)}\n`)
}

function pick <T> (choices: T[]): T {
  return choices[Math.floor(Math.random() * choices.length)] as T
}

const datastore = new LevelDatastore(directory)
await datastore.open()
const store = persistentStore({ datastore })
await store.start?.()
process.stdout.write('ready')

let id = 0

async function change (): Promise<void> {
  const change = { id: id++, namespace: pick(NAMESPACES), peer: pick(PEERS) }
  const now = Date.now()

  if (Math.random() < 0.3) {
    write({ ...change, begin: 'unregister' })
    await store.unregister(change.namespace, change.peer, now)
    write({ ...change, done: 'unregister' })
  } else {
    const ttl = pick(TTLS)
    const record = crypto.getRandomValues(new Uint8Array(100 + id % 200))
    write({ ...change, begin: 'register', expires: now + ttl, record: Buffer.from(record).toString('hex') })
    const result = await store.register({ ...ORIGIN, ...change, signedPeerRecord: record, ttl }, LIMITS, now)
    write('limit' in result
      ? { ...change, done: 'refused' }
      : { ...change, done: 'register', sequence: result.registration.sequence })
  }
}

async function work (): Promise<void> {
  for (;;) {
    await change()

    if (Math.random() < 0.02) {
      const page = await store.list({ limit: 10 }, Date.now())
      write({ cursor: page?.cursor as number, shown: page?.registrations.map(({ sequence }) => sequence) as number[] })
      await store.expire(Date.now(), 50)
    }
  }
}

await Promise.all(Array.from({ length: WORKERS }, work))
