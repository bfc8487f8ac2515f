import { resolve } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { defaultDataDirectory, identityIn } from './data-directory.ts'
import { UsageError } from './failures.ts'
import { loadIdentity, OF_FLAG } from './identity.ts'
import { table } from './output.ts'
import type { IdFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'

/**
 * Shows the peer id of a point's data directory or of an identity file, and makes one where there is
 * none.
 */
export async function runId (values: FlagValues<IdFlags>, { output, json }: CommandContext): Promise<number> {
  if (values.identity != null && values.data != null) {
    throw new UsageError('--data and --identity each name an identity: give one of them')
  }

  const { privateKey, isNew, notes, path } = values.identity == null
    ? await identityIn(values.data ?? defaultDataDirectory())
    : { ...await loadIdentity(values.identity, OF_FLAG), path: resolve(values.identity) }

  const peerId = peerIdFromPrivateKey(privateKey).toString()

  if (json) {
    output.json({ peerId, path, isNew })
  } else {
    table([['Peer id', output.bold(peerId)], ['Kept in', path]]).forEach(line => { output.print(line) })
  }

  if (isNew && notes.length === 0 && !json) {
    output.note('It was made just now.')
  }

  notes.forEach(note => { output.note(note) })

  return 0
}
