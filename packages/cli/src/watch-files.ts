import { unwatchFile, watchFile } from 'node:fs'

/** How often it is looked whether a file has changed, in milliseconds. */
export const LOOK_INTERVAL = 1_000

/**
 * Has files read again when they change, one reading after the other.
 *
 * @param read - rejects never
 * @returns ends it
 */
export function whenChanged (files: string[], read: () => Promise<void>): () => void {
  let reading = Promise.resolve()
  const onChange = (): void => { reading = reading.then(read) }
  files.forEach(file => { watchFile(file, { interval: LOOK_INTERVAL, persistent: false }, onChange) })

  return () => { files.forEach(file => { unwatchFile(file, onChange) }) }
}
