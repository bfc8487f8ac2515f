import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { describe, Failure } from './failures.ts'
import type { TokenSource } from 'libp2p-rendezvous'

/** Keeps a token off the command line, which others of this machine can read. */
const VARIABLE = 'LIBP2P_RENDEZVOUS_TOKEN'

/** A token that was given, or what reads it from its file, each time that one is needed. */
export function tokenSource (given: string | undefined, env: Record<string, string | undefined> = process.env): TokenSource | undefined {
  const text = given ?? (env[VARIABLE] === '' ? undefined : env[VARIABLE])

  return text?.startsWith('@') === true ? async () => readToken(text) : text
}

/**
 * A token that was given, as it is or by its file.
 *
 * @throws {Failure}
 */
export async function readToken (given: string): Promise<string> {
  if (!given.startsWith('@')) {
    return given
  }

  const file = resolve(given.slice(1))

  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (err) {
    throw new Failure(`the token in ${file} cannot be read (${describe(err)})`, { cause: err })
  }
}
