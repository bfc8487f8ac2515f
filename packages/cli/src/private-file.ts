import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file that nobody else can read: whole or not at all, whatever happens meanwhile, to a file beside it, which
 * takes its name once it is on the disk.
 *
 * @throws what the file system says
 */
export async function writePrivately (file: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`

  try {
    const handle = await open(temporary, 'wx', 0o600)

    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }

    await rename(temporary, file)
    await syncDirectory(dirname(file))
  } catch (err) {
    await rm(temporary, { force: true }).catch(() => {})
    throw err
  }
}

/** A new name is safe once its directory is on the disk; not every system lets a directory be opened. */
async function syncDirectory (directory: string): Promise<void> {
  const handle = await open(directory, 'r').catch(() => {})

  try {
    await handle?.sync().catch(() => {})
  } finally {
    await handle?.close()
  }
}
