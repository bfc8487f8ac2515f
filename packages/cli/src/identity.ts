import { readFile, stat } from 'node:fs/promises'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { describe, Failure } from './failures.ts'
import { quote } from './invocation.ts'
import { writePrivately } from './private-file.ts'
import type { PrivateKey } from '@libp2p/interface'

export interface Identity {
  privateKey: PrivateKey
  /** Whether it was made just now. */
  isNew: boolean
  /** What whoever runs this should know of it. */
  notes: string[]
}

/** What to do about a place where no key can be read, which depends on how it was chosen. */
export interface IdentityAdvice {
  directory: string
  foreign: string
}

/** The place was given with a flag. */
export const OF_FLAG: IdentityAdvice = {
  directory: 'name a file with --identity',
  foreign: 'choose another file with --identity'
}

/**
 * The private key in a file, in libp2p's own encoding. When there is no such file, a key is made and
 * kept there.
 *
 * @throws {Failure}
 */
export async function loadIdentity (file: string, advice: IdentityAdvice): Promise<Identity> {
  let bytes: Uint8Array

  try {
    bytes = await readFile(file)
  } catch (err: any) {
    if (err.code === 'EISDIR') {
      throw new Failure(`${file} is a directory: ${advice.directory}`, { cause: err })
    }

    if (err.code === 'ENOTDIR') {
      throw new Failure(`${file} is below something that is no directory: ${advice.directory}`, { cause: err })
    }

    if (err.code !== 'ENOENT') {
      throw new Failure(`the identity in ${file} cannot be read (${describe(err)}): run this as the user who owns it`, { cause: err })
    }

    const privateKey = await generateKeyPair('Ed25519')
    await saveIdentity(file, privateKey)

    return { privateKey, isNew: true, notes: [] }
  }

  try {
    return { privateKey: privateKeyFromProtobuf(bytes), isNew: false, notes: await exposure(file) }
  } catch (err) {
    throw new Failure(`${file} is not a libp2p private key: ${advice.foreign}`, { cause: err })
  }
}

/** Who has the key is this peer. Windows has no such modes. */
async function exposure (file: string): Promise<string[]> {
  const { mode } = await stat(file)

  return process.platform !== 'win32' && (mode & 0o077) !== 0
    ? [`The private key in ${file} can be read by other users of this machine: chmod 600 ${quote(file)}`]
    : []
}

/**
 * @throws {Failure}
 */
async function saveIdentity (file: string, privateKey: PrivateKey): Promise<void> {
  try {
    await writePrivately(file, privateKeyToProtobuf(privateKey))
  } catch (err) {
    throw new Failure(`the identity cannot be written to ${file} (${describe(err)}): choose a place that can be written to`, { cause: err })
  }
}
