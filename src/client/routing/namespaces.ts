import { toString } from 'uint8arrays/to-string'
import type { ContentRouting, PeerId } from '@libp2p/interface'

/** As libp2p's content routing takes it. */
export type CID = Parameters<ContentRouting['provide']>[0]

/** What goes before the multihash in a CID of version 1 that says nothing of how the bytes are to be read (raw). */
const VERSION_1_RAW = [0x01, 0x55]

/** What multibase puts before base 32. */
const BASE_32 = 'b'

/** The code of a multihash that is no hash but the bytes themselves. */
const IDENTITY = 0x00

/** The namespace in which a peer can be found by its id (docs/routing.md): the id as text, in base 58. */
export function peerNamespace (peerId: PeerId): string {
  return peerId.toString()
}

/**
 * The namespace of those who have a block (docs/routing.md). Whatever CID names the block, version, codec and base
 * make no difference: it is what all of them have in common, the multihash, as a raw CID of version 1 in base 32.
 */
export function contentNamespace ({ multihash }: { multihash: { bytes: Uint8Array } }): string {
  return BASE_32 + toString(Uint8Array.from([...VERSION_1_RAW, ...multihash.bytes]), 'base32')
}

/** Whether a CID is the block itself, so that nobody needs to be asked for it. */
export function isInline ({ multihash }: CID): boolean {
  return multihash.code === IDENTITY
}
