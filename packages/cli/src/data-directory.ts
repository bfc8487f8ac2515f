import { constants } from 'node:fs'
import { access, mkdir, readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { LevelDatastore } from 'datastore-level'
import { describe, errorsIn, Failure, InUseFailure } from './failures.ts'
import { loadIdentity } from './identity.ts'
import { PROGRAM, quote } from './invocation.ts'
import { readAll } from './patches/level.ts'
import type { Identity, IdentityAdvice } from './identity.ts'
import type { Datastore } from 'interface-datastore'
import type { PersistentStoreInit } from 'libp2p-rendezvous'

const IDENTITY = 'identity.key'
export const REGISTRATIONS = 'registrations'

const OF_DIRECTORY: IdentityAdvice = {
  directory: 'restore the file from a backup, or move the directory away to get a new identity',
  foreign: 'restore it from a backup, or move it away to get a new identity'
}

export interface DataIdentity extends Identity {
  path: string
}

/** What a point keeps between two runs. While it is open, no other process can open it. */
export interface DataDirectory extends DataIdentity {
  datastore: Datastore
  readAll: NonNullable<PersistentStoreInit['readAll']>
  close: () => Promise<void>
}

/** Where data is kept when nothing else is said: the XDG base directory for it. */
export function defaultDataDirectory (env: Record<string, string | undefined> = process.env): string {
  const base = env.XDG_DATA_HOME

  // relative ones are to be ignored, as the XDG specification has it
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.local', 'share'), 'libp2p-rendezvous')
}

/**
 * @throws {Failure}
 */
export async function openDataDirectory (directory: string): Promise<DataDirectory> {
  const path = resolve(directory)
  const wasUsed = await prepare(path)
  const level = await openRegistrations(join(path, REGISTRATIONS))

  try {
    return {
      // after the directory is this process's alone, so that two cannot make an identity at a time
      ...await identityOf(path, wasUsed),
      datastore: level,
      readAll: prefix => readAll(level, prefix),
      close: async () => level.close()
    }
  } catch (err) {
    await level.close()
    throw err
  }
}

/**
 * The identity of the point whose data is here, for a look beside a running point.
 *
 * @throws {Failure}
 */
export async function identityIn (directory: string): Promise<DataIdentity> {
  const path = resolve(directory)

  return identityOf(path, await prepare(path))
}

async function identityOf (path: string, wasUsed: boolean): Promise<DataIdentity> {
  const { notes, ...identity } = await loadIdentity(join(path, IDENTITY), OF_DIRECTORY)
  const lost = `There are registrations in ${path} but no ${IDENTITY}, so a new identity was made: if clients know the old one, restore ${IDENTITY} from a backup`

  return { ...identity, path, notes: identity.isNew && wasUsed ? [...notes, lost] : notes }
}

/**
 * Makes the directory, or makes sure that it is one of ours and can be used.
 *
 * @returns whether there are registrations in it
 */
async function prepare (path: string): Promise<boolean> {
  let entries: string[]

  try {
    await makeDirectory(path)
    entries = await readdir(path)
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (err: any) {
    const problem = err.code === 'EEXIST' || err.code === 'ENOTDIR' ? await misplaced(path) : `cannot be used (${describe(err)})`

    throw new Failure(`the data directory ${path} ${problem}: choose another with --data DIR`, { cause: err })
  }

  // what file systems and tools put into a directory of their own accord does not make it somebody's
  const isForeign = entries.length > 0 && !entries.some(name => name === REGISTRATIONS || name.startsWith(IDENTITY)) &&
    entries.some(name => !name.startsWith('.') && name !== 'lost+found')

  if (isForeign) {
    throw new Failure(`the directory ${path} holds something else: choose an empty one, or a new one, with --data DIR`)
  }

  return entries.includes(REGISTRATIONS)
}

/** What is in the place of a directory, or of one above it. */
async function misplaced (path: string): Promise<string> {
  for (let above = path; ; above = dirname(above)) {
    const found = await stat(above).catch(() => {})

    if (found?.isDirectory() === false) {
      return above === path ? 'is not a directory' : `cannot be made, for ${above} is not a directory`
    }

    if (found != null || dirname(above) === above) {
      return 'cannot be made'
    }
  }
}

/** Not mkdir's own `recursive`, which never ends where a file system lets no directory be made. */
async function makeDirectory (path: string): Promise<void> {
  const make = async (): Promise<void> => {
    await mkdir(path, { mode: 0o700 }).catch(async err => {
      if (err.code !== 'EEXIST' || !(await stat(path)).isDirectory()) {
        throw err
      }
    })
  }

  await make().catch(async err => {
    if (err.code !== 'ENOENT' || dirname(path) === path) {
      throw err
    }

    await makeDirectory(dirname(path))
    await make()
  })
}

/**
 * The database of registrations in a directory, made when there is none.
 *
 * @throws {Failure}
 */
export async function openRegistrations (path: string): Promise<LevelDatastore> {
  await checkComplete(path)
  const level = new LevelDatastore(path)

  try {
    // not its own open(), which keeps only the text of an error
    await level.db.open({ createIfMissing: true, compression: false })
  } catch (err: any) {
    if (err.cause?.code === 'LEVEL_LOCKED') {
      throw new InUseFailure(`the data directory ${dirname(path)} is in use by another process: stop that one, or choose another directory with --data DIR`, { cause: err })
    }

    throw isDamage(err)
      ? new Failure(damaged(dirname(path)), { cause: err })
      : new Failure(`the registrations in ${path} cannot be opened (${describe(err)}): move that directory away to start without them`, { cause: err })
  }

  return level
}

/** LevelDB takes a database whose first file is missing for none, and makes a new one of it. */
async function checkComplete (path: string): Promise<void> {
  const files = await readdir(path).catch((): string[] => [])

  if (files.some(name => /\.(ldb|log)$/.test(name)) && !files.includes('CURRENT')) {
    throw new Failure(damaged(dirname(path)))
  }
}

/** Whether it is what LevelDB says of files that are not as it wrote them, or not there. */
export function isDamage (err: unknown): boolean {
  return errorsIn(err).some(({ code, message }) => code === 'LEVEL_CORRUPTION' || /^Corruption: |MANIFEST-\d+: No such file/.test(message))
}

export function damaged (path: string): string {
  return `the database in ${path} is damaged: ${salvageCommand(path)} keeps what can be read of it`
}

export function salvageCommand (path: string): string {
  return `${PROGRAM} salvage --data ${quote(path)}`
}
