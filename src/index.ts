/**
 * @packageDocumentation
 *
 * The libp2p rendezvous protocol, `/rendezvous/1.0.0`, for js-libp2p: peers register under a namespace
 * at a rendezvous point, and other peers find them there.
 *
 * @example A rendezvous point
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { tcp } from '@libp2p/tcp'
 * import { noise } from '@libp2p/noise'
 * import { yamux } from '@libp2p/yamux'
 * import { identify } from '@libp2p/identify'
 * import { rendezvousPoint } from 'libp2p-rendezvous'
 *
 * const point = await createLibp2p({
 *   addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
 *   transports: [tcp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()],
 *   services: { identify: identify(), rendezvousPoint: rendezvousPoint() }
 * })
 * ```
 *
 * @example A peer that registers and finds others
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { tcp } from '@libp2p/tcp'
 * import { noise } from '@libp2p/noise'
 * import { yamux } from '@libp2p/yamux'
 * import { identify } from '@libp2p/identify'
 * import { rendezvousClient } from 'libp2p-rendezvous'
 *
 * const node = await createLibp2p({
 *   addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
 *   transports: [tcp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()],
 *   services: {
 *     identify: identify(),
 *     rendezvous: rendezvousClient({
 *       points: ['/dns4/rendezvous.example.com/tcp/443/wss/p2p/12D3Koo…'],
 *       namespaces: ['my-app']
 *     })
 *   }
 * })
 *
 * for await (const peer of node.services.rendezvous.discover('my-app')) {
 *   await node.dial(peer.id)
 * }
 * ```
 */

export { publicAddresses } from './client/addresses.ts'
export { rendezvousClient } from './client/index.ts'
export { contentNamespace, peerNamespace } from './client/routing/namespaces.ts'
export { rendezvousPoint } from './point/index.ts'
export { networkRule } from './point/network-of.ts'
export { FairPlaces } from './store/fair-places.ts'
export { memoryStore } from './store/memory.ts'
export { persistentStore } from './store/persistent.ts'
export { PROTOCOL_ID } from './protocol/constants.ts'
export {
  InvalidCookieError,
  InvalidNamespaceError,
  InvalidSignedPeerRecordError,
  InvalidTtlError,
  NoAddressesError,
  NoPointsError,
  NotAuthorizedError,
  PointInternalError,
  RendezvousError,
  Status,
  UnavailableError
} from './protocol/errors.ts'

export type * from './client/types.ts'
export type * from './point/types.ts'
export type * from './store/types.ts'
export type { Network } from './store/fair-shares.ts'
export type { StoredEntry } from './store/log.ts'
export type { CorruptEntry, PersistentStore, PersistentStoreInit } from './store/persistent.ts'
export type { RendezvousErrorInit } from './protocol/errors.ts'
export type { RecordDomain } from './protocol/peer-record.ts'
