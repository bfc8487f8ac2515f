import { cp, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { persistentStore } from 'libp2p-rendezvous'
import { defaultDataDirectory, openRegistrations, REGISTRATIONS } from './data-directory.ts'
import { Failure, InUseFailure } from './failures.ts'
import { counted } from './output.ts'
import { readAll } from './patches/level.ts'
import type { CommandContext } from './context.ts'
import type { FlagValues } from './flags.ts'
import type { SalvageFlags } from './options.ts'
import type { StoreLimits } from 'libp2p-rendezvous'

/** Registrations that are copied at a time. */
const BATCH = 1_000

const UNLIMITED: StoreLimits = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }

export interface Salvaged {
  /** Registrations that were read, and have not expired. */
  registrations: number
  /** Entries that are there, but not as they were written. */
  damaged: number
  /** Where the damaged database is kept. */
  backup: string
}

/**
 * Puts a new database in the place of a damaged one, with what can be read of that.
 */
export async function runSalvage (values: FlagValues<SalvageFlags>, { output, json }: CommandContext): Promise<number> {
  const path = resolve(values.data ?? defaultDataDirectory())
  output.progress(`Reading the database in ${path}`)
  const { registrations, damaged, backup } = await salvage(path, Date.now())
  output.done()

  if (json) {
    output.json({ path, registrations, damaged, backup })
  } else {
    output.print(`${counted(registrations, 'registration')} kept; ${counted(damaged, 'damaged entry', 'damaged entries')} left out, and what could not be found any more.`)
    output.print(`What was there before is in ${backup}`)
  }

  return 0
}

/**
 * The damaged database is only read: what LevelDB can repair is repaired in a copy, and what a store
 * reads there is registered in a new one. Cursors of before are not valid in it, as nobody knows any more
 * which sequence numbers were given out.
 *
 * @throws {Failure}
 */
export async function salvage (path: string, now: number): Promise<Salvaged> {
  const source = join(path, REGISTRATIONS)
  const copy = join(path, `${REGISTRATIONS}.copy`)
  const fresh = join(path, `${REGISTRATIONS}.new`)
  const backup = join(path, `${REGISTRATIONS}.${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`)

  if (await stat(source).then(found => !found.isDirectory(), () => true)) {
    throw new Failure(`there are no registrations in ${path}: name the data directory of a point with --data DIR`)
  }

  // whatever else is wrong with it, nobody else may be using it
  await openRegistrations(source).then(async level => level.close(), err => {
    if (err instanceof InUseFailure) {
      throw err
    }
  })

  try {
    await remove(copy, fresh)
    await cp(source, copy, { recursive: true })
    await ClassicLevel.repair(copy)
    const kept = await copyRegistrations(copy, fresh, now)
    await rename(source, backup)
    await rename(fresh, source)

    return { ...kept, backup }
  } finally {
    await remove(copy, fresh)
  }
}

async function copyRegistrations (from: string, to: string, now: number): Promise<{ registrations: number, damaged: number }> {
  await using closing = new AsyncDisposableStack()
  const open = async (path: string): Promise<ReturnType<typeof persistentStore>> => {
    const datastore = await openRegistrations(path)
    closing.defer(async () => datastore.close())
    const store = persistentStore({ datastore, readAll: prefix => readAll(datastore, prefix) })
    await store.start?.()
    closing.defer(async () => store.stop?.())

    return store
  }
  const source = await open(from)
  const target = await open(to)
  let after: number | undefined
  let registrations = 0

  for (;;) {
    const page = await source.list({ after, limit: BATCH }, now)

    if (page == null || page.registrations.length === 0) {
      return { registrations, damaged: source.corruptEntries }
    }

    await Promise.all(page.registrations.map(async ({ expires, ...registration }) => target.register({ ...registration, ttl: expires - now }, UNLIMITED, now)))
    registrations += page.registrations.length
    after = page.cursor
  }
}

async function remove (...paths: string[]): Promise<void> {
  await Promise.all(paths.map(async path => rm(path, { recursive: true, force: true })))
}
