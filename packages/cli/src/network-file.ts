import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { byToken } from 'libp2p-rendezvous/network'
import { describe, Failure } from './failures.ts'
import { writePrivately } from './private-file.ts'
import type { PrivateKey } from '@libp2p/interface'

/** What a point has to know of a network. */
export interface NetworkFile {
  /** Its public key, as a peer id. */
  network: string
  /** Ids of tokens, and peer ids. */
  revoked: string[]
}

/** The file of a network's key, beside its own. */
export function keyFileOf (file: string): string {
  return `${file.replace(/\.json$/, '')}.key`
}

/**
 * @throws {Failure} when it is no file of a network
 */
export async function readNetwork (file: string): Promise<NetworkFile> {
  const path = resolve(file)
  let text: string

  try {
    text = await readFile(path, 'utf8')
  } catch (err: any) {
    throw new Failure(err.code === 'ENOENT'
      ? `there is no network in ${path}: name its file with --network, or make one with network create`
      : `the network in ${path} cannot be read (${describe(err)})`, { cause: err })
  }

  try {
    const { network, revoked } = JSON.parse(text)

    if (Array.isArray(revoked) && revoked.every(one => typeof one === 'string')) {
      // it looks at the key
      byToken({ issuers: [network] })

      return { network, revoked }
    }
  } catch {}

  throw new Failure(`${path} is not the file of a network, or is damaged: restore it from a backup`)
}

/**
 * @throws {Failure}
 */
export async function writeNetwork (file: string, { network, revoked }: NetworkFile): Promise<void> {
  await write(file, `${JSON.stringify({ network, revoked }, undefined, 2)}\n`)
}

/**
 * @throws {Failure} when it is not the key of this network
 */
export async function readNetworkKey (file: string, network: string): Promise<PrivateKey> {
  const path = resolve(keyFileOf(file))

  try {
    const key = privateKeyFromProtobuf(await readFile(path))

    if (peerIdFromPrivateKey(key).toString() === network) {
      return key
    }
  } catch (err: any) {
    if (err.code === 'ENOENT') {
      throw new Failure(`the key of the network is not in ${path}: invite where the network was made`, { cause: err })
    }

    throw new Failure(`the key of the network in ${path} cannot be read (${err.code == null ? 'it is none' : describe(err)})`, { cause: err })
  }

  throw new Failure(`${path} is the key of another network`)
}

/**
 * @throws {Failure}
 */
export async function writeNetworkKey (file: string, key: PrivateKey): Promise<void> {
  await write(keyFileOf(file), privateKeyToProtobuf(key))
}

async function write (file: string, content: Uint8Array | string): Promise<void> {
  try {
    await writePrivately(resolve(file), content)
  } catch (err) {
    throw new Failure(`${resolve(file)} cannot be written (${describe(err)})`, { cause: err })
  }
}
