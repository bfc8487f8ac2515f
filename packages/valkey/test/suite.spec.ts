import { storeSuite } from 'libp2p-rendezvous/store-suite'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { ValkeyStore } from '../src/valkey-store.ts'
import { describeServers, startServer } from './servers.ts'
import type { Server } from './servers.ts'

describe('the rules of a store', () => {
  describeServers(kind => {
    let server: Server
    let stores = 0

    beforeAll(async () => { server = await startServer(kind) })
    afterAll(async () => { await server?.destroy() })

    // the time is what a rule says it is
    for (const { name, run } of storeSuite(() => new ValkeyStore({ client: server.client(), prefix: `store-${++stores}` }, String))) {
      it(name, run)
    }

    describe.each([4, 16])('in %d partitions', partitions => {
      for (const { name, run } of storeSuite(() => new ValkeyStore({ client: server.client(), prefix: `store-${++stores}`, partitions }, String), undefined, { exactTotals: false })) {
        it(name, run)
      }
    })
  })
})
