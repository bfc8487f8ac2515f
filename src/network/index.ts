/**
 * @packageDocumentation
 *
 * Networks that are not open to everybody (docs/networks.md): who may register and discover at a point, and whom a peer
 * talks to, by tokens that the owner of the network signs.
 *
 * @example A point for members alone
 *
 * ```TypeScript
 * import { rendezvousPoint } from 'libp2p-rendezvous'
 * import { byToken } from 'libp2p-rendezvous/network'
 *
 * const point = rendezvousPoint({ authorize: byToken({ issuers: ['12D3Koo…'] }) })
 * ```
 */

import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { MembershipService } from './membership.ts'
import type { MembershipComponents, MembershipInit, Members } from './membership.ts'
import type { OwnedNetwork } from './types.ts'

export { blind } from './blind.ts'
export { keepBlind } from './keep-blind.ts'
export { byToken, readToken, verifyToken } from './by-token.ts'
export { InvalidTokenError } from './errors.ts'
export { issueToken } from './token.ts'

export type { Action } from './actions.ts'
export type { Blind } from './blind.ts'
export type { KeepBlindInit } from './keep-blind.ts'
export type { TokenProblem } from './errors.ts'
export type { MemberDetail, MembershipComponents, MembershipEvents, MembershipInit, Members, NonMemberDetail } from './membership.ts'
export type * from './types.ts'

/** Makes the key of a new network. */
export async function createNetwork (): Promise<OwnedNetwork> {
  const privateKey = await generateKeyPair('Ed25519')

  return { id: peerIdFromPrivateKey(privateKey).toString(), privateKey }
}

/**
 * The service by which peers of a network see from each other that they are: a connection of a peer that is no member is
 * ended.
 *
 * @throws {InvalidParametersError} from the returned function, when an option is out of its range
 */
export function membership (init: MembershipInit): (components: MembershipComponents) => Members {
  return components => new MembershipService(components, init)
}
