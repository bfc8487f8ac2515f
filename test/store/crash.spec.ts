import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LevelDatastore } from 'datastore-level'
import { expect, it } from 'vitest'
import { persistentStore } from '../../src/store/persistent.ts'
import { LIMITS } from './crash-journal.ts'
import { temporaryDirectory } from './stores.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { JournalEntry } from './crash-journal.ts'
import type { StoredRegistration, RegistrationStore } from '../../src/store/types.ts'

const CRASHES = 20

/** What a peer's place in a namespace may hold: a registration as text, or nothing. */
interface Place {
  /** As it was last acknowledged, or found after the last crash. */
  certain: string
  /** What changes under way when the process was killed may have made of it. */
  possible: Set<string>
}

const NOTHING = 'nothing'

function describeRegistration ({ expires, signedPeerRecord }: StoredRegistration): string {
  return `${Buffer.from(signedPeerRecord).toString('hex')} until ${expires}`
}

/** What may be where, going by the journal. Changes of the same place may overlap, in either order. */
class Expectation {
  readonly places = new Map<string, Place>()
  readonly cursors: number[] = []
  /** Which registration a sequence number was given to. */
  readonly sequences = new Map<number, string>()
  acknowledged = 0

  place (namespace: string, peer: string): Place {
    const key = `${namespace} ${peer}`
    const place = this.places.get(key) ?? { certain: NOTHING, possible: new Set() }
    this.places.set(key, place)

    return place
  }

  read (journal: JournalEntry[]): void {
    const under = new Map<number, { key: string, outcome: string, overlaps: Set<string> }>()

    for (const entry of journal) {
      if ('cursor' in entry) {
        this.cursors.push(entry.cursor)
      } else if ('begin' in entry) {
        const key = `${entry.namespace} ${entry.peer}`
        const outcome = entry.begin === 'register' ? `${entry.record} until ${entry.expires}` : NOTHING
        const overlaps = new Set<string>()

        for (const other of under.values()) {
          if (other.key === key) {
            other.overlaps.add(outcome)
            overlaps.add(other.outcome)
          }
        }

        under.set(entry.id, { key, outcome, overlaps })
      } else {
        const change = under.get(entry.id)
        under.delete(entry.id)

        if (change != null && entry.done !== 'refused') {
          const place = this.place(entry.namespace, entry.peer)
          place.certain = change.outcome
          // one that overlapped may have come later, and be there in its stead
          place.possible = change.overlaps
          this.acknowledged++
        }

        if (entry.done === 'register' && change != null) {
          expect(this.sequences.get(entry.sequence), 'a sequence number was used twice').to.equal(undefined)
          this.sequences.set(entry.sequence, `${change.key} ${change.outcome}`)
        }
      }
    }

    for (const { key, outcome } of under.values()) {
      const [namespace, peer] = key.split(' ') as [string, string]
      this.place(namespace, peer).possible.add(outcome)
    }
  }
}

async function readAll (store: RegistrationStore, after: number | undefined, now: number): Promise<StoredRegistration[]> {
  const page = await store.list({ after, limit: 1_000 }, now)

  if (page == null) {
    throw new Error(`cursor ${after} has become invalid`)
  }

  return page.registrations
}

it(`persistentStore over LevelDB loses nothing it acknowledged, killed ${CRASHES} times`, { timeout: 120_000 }, async () => {
  const directory = await temporaryDirectory()
  const data = join(directory, 'data')
  const journalFile = join(directory, 'journal')
  const expectation = new Expectation()
  await writeFile(journalFile, '')

  try {
    for (let crash = 0; crash < CRASHES; crash++) {
      const child = spawn(process.execPath, [fileURLToPath(new URL('crash-child.ts', import.meta.url)), data, journalFile], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      const closed = once(child, 'close')
      await Promise.race([once(child.stdout, 'data'), closed.then(() => { throw new Error('the child could not start') })])
      // anywhere in its work, and at times in its very first writes
      await new Promise(resolve => { setTimeout(resolve, Math.random() ** 2 * 300) })
      child.kill('SIGKILL')
      expect(await closed, 'it worked until it was killed').to.deep.equal([null, 'SIGKILL'])

      const lines = (await readFile(journalFile, 'utf8')).split('\n')
      await truncate(journalFile)
      // what was being said when it was killed may end in the middle
      expectation.read(lines.slice(0, -1).map(line => JSON.parse(line)))

      const datastore = new LevelDatastore(data)
      await datastore.open()
      const store = persistentStore({ datastore })
      await store.start?.()
      const now = Date.now()
      const registrations = await readAll(store, undefined, now)
      expect(store.corruptEntries).to.equal(0)

      const found = new Map(registrations.map(registration => [`${registration.namespace} ${registration.peer}`, registration]))
      expect(found.size, 'each once').to.equal(registrations.length)
      expect(registrations.map(({ sequence }) => sequence), 'in order').to.deep.equal(registrations.map(({ sequence }) => sequence).sort((a, b) => a - b))

      for (const [key, place] of expectation.places) {
        const registration = found.get(key)
        const actual = registration == null ? NOTHING : describeRegistration(registration)
        const allowed = [place.certain, ...place.possible].map(state => {
          const expires = Number(state.split(' until ')[1])

          return expires <= now ? NOTHING : state
        })

        expect(allowed, `${key} after crash ${crash}`).to.include(actual)
        place.certain = actual
        place.possible.clear()
        found.delete(key)
      }

      expect([...found.keys()], 'nothing that nobody registered').to.deep.equal([])

      for (const registration of registrations) {
        // those that were never acknowledged are not known
        const described = `${registration.namespace} ${registration.peer} ${describeRegistration(registration)}`
        expect(expectation.sequences.get(registration.sequence) ?? described).to.equal(described)
      }

      // cursors from any time before
      for (const cursor of [...expectation.cursors.slice(-20), expectation.cursors[0]]) {
        if (cursor != null) {
          expect((await readAll(store, cursor, now)).map(({ sequence }) => sequence))
            .to.deep.equal(registrations.filter(({ sequence }) => sequence > cursor).map(({ sequence }) => sequence))
        }
      }

      // limits: what is there does not exceed them, and counts
      expect(registrations.length).to.be.at.most(LIMITS.maxRegistrations)
      await store.expire(now, 10_000)
      const { size } = store
      const another = { ...ORIGIN, namespace: 'a', peer: 'another', signedPeerRecord: new Uint8Array(1), ttl: 10_000 }
      expect(await store.register(another, { ...LIMITS, maxRegistrationsPerNamespace: Infinity, maxRegistrations: size.registrations }, now))
        .to.deep.equal({ limit: 'maxRegistrations' })

      await store.stop?.()
      await datastore.close()
    }

    expect(expectation.acknowledged).to.be.greaterThan(CRASHES * 20)
  } finally {
    await rm(directory, { recursive: true })
  }
})
