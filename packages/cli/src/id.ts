import { resolve } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { defaultDataDirectory, identityIn, lostIdentityNote } from './data-directory.ts'
import { UsageError } from './failures.ts'
import { loadIdentity, OF_FLAG } from './identity.ts'
import { table } from './output.ts'
import type { IdFlags } from './commands.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './main.ts'

/**
 * Shows the peer id of a point's data directory or of an identity file, and makes one where there is
 * none.
 */
export async function runId (values: FlagValues<IdFlags>, { output, json }: CommandContext): Promise<number> {
  if (values.identity != null && values.data != null) {
    throw new UsageError('--data and --identity each name an identity: give one of them')
  }

  const { privateKey, isNew, replacesLost, path } = values.identity == null
    ? await identityIn(values.data ?? defaultDataDirectory())
    : { ...await loadIdentity(values.identity, OF_FLAG), path: resolve(values.identity), replacesLost: false }

  const peerId = peerIdFromPrivateKey(privateKey).toString()

  if (json) {
    output.json({ peerId, path, isNew })
  } else {
    table([['Peer id', output.bold(peerId)], ['Kept in', path]]).forEach(line => { output.print(line) })
  }

  if (replacesLost) {
    output.note(lostIdentityNote(path))
  } else if (isNew && !json) {
    output.note('It was made just now.')
  }

  return 0
}
