import { afterAll, beforeAll, describe, it } from 'vitest'
import { compare } from '../../../test/store/compare.ts'
import { ValkeyStore } from '../src/valkey-store.ts'
import { describeServers, startServer } from './servers.ts'
import type { Server } from './servers.ts'

describe('a naive model gives the same answers', () => {
  describeServers(kind => {
    let server: Server
    let stores = 0

    beforeAll(async () => { server = await startServer(kind) })
    afterAll(async () => { await server?.destroy() })

    it('also when one point stops and another goes on', async () => {
      const open = (): ValkeyStore => new ValkeyStore({ client: server.client(), prefix: `store-${stores}` }, String)

      await compare(() => {
        stores++

        return open()
      }, async store => {
        const next = open()
        await next.start()
        await store.stop()

        return store.continued(next)
      }, 60, 830)
    })
  })
})
