import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, Failure } from './failures.ts'
import { writePrivately } from './private-file.ts'

/** Says, beside the data of a point, where it is administered while it runs. */
const FILE = 'admin.url'

/**
 * @returns what takes it back
 * @throws what the file system says
 */
export async function tellAdminAddress (directory: string, url: string): Promise<() => Promise<void>> {
  const file = join(directory, FILE)
  await writePrivately(file, `${url}\n`)

  return async () => rm(file, { force: true })
}

/**
 * @throws {Failure} when no point says so
 */
export async function adminAddressIn (directory: string): Promise<string> {
  const path = resolve(directory)

  try {
    return (await readFile(join(path, FILE), 'utf8')).trim()
  } catch (err: any) {
    throw new Failure(err.code === 'ENOENT'
      ? `no point that has its data in ${path} is running with --admin: start it with --admin PORT, or say where it is with --data DIR or --admin HOST:PORT`
      : `where the point is administered cannot be read in ${path}: ${describe(err)}`, { cause: err })
  }
}
