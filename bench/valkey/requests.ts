import { interleave, scale } from '../measure.ts'
import { discover } from '../network/discover.ts'
import { startClient } from '../nodes.ts'
import { remotePoint } from '../remote-point.ts'
import { row } from '../row.ts'
import type { Server } from '../../packages/valkey/test/servers.ts'
import type { Report } from '../part.ts'

const LISTED = 100

/** Requests to a point over a server of this machine, beside the same to one that keeps its registrations itself. */
export async function measureRequests (server: Server, { progress, row: emit }: Report): Promise<void> {
  progress('requests to points over both stores')
  await server.ask('FLUSHALL')
  const points = await Promise.all([
    remotePoint({ store: 'persistent', held: 10_000, listings: [LISTED] }),
    remotePoint({ store: 'valkey', url: server.url, held: 10_000, listings: [LISTED] })
  ])
  const clients = await Promise.all(points.map(async ({ address }) => startClient([address])))
  const [own, shared] = clients.map(client => ({
    refresh: { run: async () => client.rendezvous.register('measured'), runs: 10 },
    discover: { run: async () => discover(client, LISTED, LISTED), runs: 10 }
  })) as [Calls, Calls]
  const samples = await interleave({ ownRefresh: own.refresh, refresh: shared.refresh, ownDiscover: own.discover, discover: shared.discover }, { seconds: 12, warmUp: 20, minRounds: 20 })

  emit(row({ name: 'a point over the valkey store: refresh', size: 1, unit: 'ms', samples: scale(samples.refresh, 1 / 1_000), against: { name: 'persistent store', samples: scale(samples.ownRefresh, 1 / 1_000), counts: 'cost' }, target: { ratio: 2 } }))
  emit(row({ name: `a point over the valkey store: discover ${LISTED}`, size: 1, unit: 'ms', samples: scale(samples.discover, 1 / 1_000), against: { name: 'persistent store', samples: scale(samples.ownDiscover, 1 / 1_000), counts: 'cost' }, target: { ratio: 2 } }))

  await Promise.all(clients.map(async ({ node }) => node.stop()))
  await Promise.all(points.map(async point => point.stop()))
}

type Calls = Record<'refresh' | 'discover', { run: () => Promise<unknown>, runs: number }>
