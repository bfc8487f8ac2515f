import { multiaddr } from '@multiformats/multiaddr'
import { interleave, scale } from '../measure.ts'
import { echo, ECHO_PROTOCOL, echoOnNewStream, startClient } from '../nodes.ts'
import { row } from '../row.ts'
import { discover } from './discover.ts'
import type { Points } from './points.ts'
import type { Subject } from '../measure.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'
import type { Against, RowInit } from '../row.ts'

const SECONDS = 25

/** In one sample, where a rate is compared with another: one after the other, as fast as they are answered. */
const IN_A_ROW = 50

/** What one client waits for, one request at a time, on connections that are open. */
export async function measureLatency (points: Points, { progress, row: emit }: Report): Promise<void> {
  const { memory, persistent, full, held } = points
  const [client, ofPersistent, ofFull, leaving] = await Promise.all([memory, persistent, full, memory].map(async ({ address }) => startClient([address]))) as [Client, Client, Client, Client]
  const address = multiaddr(memory.address)
  const stream = await client.node.dialProtocol(address, ECHO_PROTOCOL)

  progress('one client, one request at a time')
  const samples = await interleave({
    echo: inARow(async () => echo(stream)),
    newStream: { run: async () => echoOnNewStream(client.node, address), runs: 5 },
    refresh: inARow(refresh(client)),
    refreshPersistent: inARow(refresh(ofPersistent)),
    refreshFull: inARow(refresh(ofFull)),
    unregister: { ...unregister(leaving), runs: 3 },
    one: inARow(async () => discover(client, 1, 1)),
    oneFull: inARow(async () => discover(ofFull, 1, 1)),
    all100: { run: async () => discover(client, 100), runs: 3 },
    all1000: { run: async () => discover(client, 1_000) }
  }, { seconds: SECONDS, warmUp: 5, minRounds: 20, maxRounds: 200 })

  const toEcho: Against = { name: 'echo', samples: samples.echo, counts: 'rate' }
  const rows: RowInit[] = [
    { name: 'floor: echo of 300 bytes on an open stream', size: 1, unit: 'µs', samples: samples.echo },
    { name: 'floor: echo of 300 bytes on a new stream', size: 1, unit: 'µs', samples: samples.newStream },
    { name: 'refresh, unchanged record', size: 1, unit: 'µs', samples: samples.refresh, against: toEcho, target: { ratio: 0.7 } },
    { name: 'refresh, unchanged record, so many held', size: held, unit: 'µs', samples: samples.refreshFull, against: { name: 'few held', samples: samples.refresh, counts: 'rate' } },
    { name: 'unregister', size: 1, unit: 'µs', samples: samples.unregister, against: { name: 'echo on a new stream', samples: samples.newStream, counts: 'rate' } },
    { name: 'discover, limit 1', size: 1, unit: 'µs', samples: samples.one, against: toEcho, target: { ratio: 0.75 } },
    { name: 'discover, limit 1, so many held', size: held, unit: 'µs', samples: samples.oneFull, against: { name: 'few held', samples: samples.one, counts: 'rate' } },
    { name: 'discover all, seen before', size: 100, unit: 'ms', samples: scale(samples.all100, 1 / 1_000) },
    { name: 'discover all, seen before', size: 1_000, unit: 'ms', samples: scale(samples.all1000, 1 / 1_000), target: { atMost: 15 } },
    { name: 'refresh, persistent store', size: 1, unit: 'µs', samples: samples.refreshPersistent, against: { name: 'memory store', samples: samples.refresh, counts: 'cost' } }
  ]

  rows.forEach(init => { emit(row(init)) })
}

function inARow (request: () => Promise<unknown>): Subject {
  return {
    operations: IN_A_ROW,
    run: async () => {
      for (let i = 0; i < IN_A_ROW; i++) {
        await request()
      }
    }
  }
}

function refresh ({ rendezvous }: Client): () => Promise<unknown> {
  return async () => rendezvous.register('refreshed')
}

function unregister ({ rendezvous }: Client): Subject {
  return {
    before: async () => rendezvous.register('unregistered'),
    run: async () => rendezvous.unregister('unregistered')
  }
}
