/**
 * @packageDocumentation
 *
 * One store for any number of rendezvous points, over Valkey (8 or newer) or Redis (7 or newer).
 *
 * @example
 *
 * ```ts
 * import { createClient } from '@redis/client'
 * import { rendezvousPoint } from 'libp2p-rendezvous'
 * import { valkeyStore } from 'libp2p-rendezvous-valkey'
 *
 * const store = valkeyStore({ client: createClient({ url: 'redis://127.0.0.1:6379' }) })
 * const service = rendezvousPoint({ store })
 * ```
 */

import { ValkeyStore } from './valkey-store.ts'
import type { ValkeyStoreInit } from './valkey-store.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

/**
 * A store that points share: any of them answers for all.
 */
export function valkeyStore (init: ValkeyStoreInit): RegistrationStore {
  return new ValkeyStore(init)
}

export { ClusterNodeError, ReplicaError, UnusableServerError } from './errors.ts'
export type { RedisClient } from './connection.ts'
export type { ValkeyStoreInit } from './valkey-store.ts'
