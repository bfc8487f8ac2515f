import { resolve } from 'node:path'
import { byToken } from 'libp2p-rendezvous/network'
import { describe, UsageError } from './failures.ts'
import { flagName } from './flags.ts'
import { readNetwork } from './network-file.ts'
import { whenChanged } from './watch-files.ts'
import type { Authorize } from 'libp2p-rendezvous'

/** A network's public key, as a peer id of Ed25519. */
const PUBLIC_KEY = /^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/

export interface MembersOf {
  authorize: Authorize
  close: () => void
}

/**
 * Whose members a point lets in: networks by their public keys, and by their files, which are read again when they
 * change.
 *
 * @param note - tells whoever runs the point of it
 * @throws {Failure} when a file is none of a network
 */
export async function membersOf (networks: string[], note: (text: string) => void): Promise<MembersOf> {
  const keys = networks.filter(text => PUBLIC_KEY.test(text))
  const files = networks.filter(text => !PUBLIC_KEY.test(text)).map(file => resolve(file))
  let authorize = await read(keys, files)
  const close = whenChanged(files, async () => {
    try {
      authorize = await read(keys, files)
      note(`The network was read again, because its file has changed: ${files.join(', ')}`)
    } catch (err) {
      note(`The network was not read again, and is as it was: ${describe(err)}`)
    }
  })

  return { authorize: async request => authorize(request), close }
}

async function read (keys: string[], files: string[]): Promise<Authorize> {
  const networks = await Promise.all(files.map(readNetwork))
  const issuers = [...keys, ...networks.map(({ network }) => network)]

  try {
    return byToken({ issuers, revoked: new Set(networks.flatMap(({ revoked }) => revoked)) })
  } catch (err: any) {
    throw new UsageError(`${flagName('network')} takes the public key of a network, as network create shows it`, { cause: err })
  }
}
