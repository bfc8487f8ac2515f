import { multiaddr } from '@multiformats/multiaddr'
import { interleave, quantile } from '../measure.ts'
import { echo, ECHO_PROTOCOL, startClient } from '../nodes.ts'
import { row } from '../row.ts'
import { discover } from './discover.ts'
import type { Points } from './points.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'
import type { Against, TableRow } from '../row.ts'
import type { RemotePoint } from '../remote-point.ts'

const CLIENTS = [1, 10, 100]

/** How long clients ask in one go, in milliseconds. */
const WINDOW = 500

const SECONDS_EACH = 15

/** What one client of many does again and again. */
interface Caller {
  echo: () => Promise<void>
  refresh: () => Promise<unknown>
  discover: () => Promise<void>
}

/** What came of each window. */
interface Load {
  /** Answers in a second. */
  throughput: number[]
  /** Milliseconds. */
  p99: number[]
  /** Microseconds of the point's processor for each answer. */
  processorTime: number[]
}

interface Measured {
  name: string
  load: Load
  against?: Measured
}

/** Many clients at a time, each in a node of its own, all of them in this process. */
export async function measureThroughput ({ memory, persistent, full, held }: Points, { progress, row: emit }: Report): Promise<void> {
  const ofMemory: Caller[] = []
  const ofPersistent: Caller[] = []
  const ofFull: Caller[] = []

  for (const count of CLIENTS) {
    progress(`${count} ${count === 1 ? 'client' : 'clients'} at a time`)
    await addCallers(ofMemory, memory, count)
    await addCallers(ofPersistent, persistent, count)
    await addCallers(ofFull, full, count)

    const echoed: Measured = { name: 'echo', load: load() }
    const refreshed: Measured = { name: 'refresh', load: load(), against: echoed }
    const discovered: Measured = { name: 'discover, limit 1', load: load(), against: echoed }
    const refreshedPersistent: Measured = { name: 'refresh, persistent store', load: load(), against: refreshed }
    const refreshedFull: Measured = { name: `refresh, ${held.toLocaleString('en')} held`, load: load(), against: refreshed }
    const discoveredFull: Measured = { name: `discover, limit 1, ${held.toLocaleString('en')} held`, load: load(), against: discovered }

    await interleave({
      echo: { run: async () => press(memory, ofMemory.map(({ echo }) => echo), echoed.load) },
      refresh: { run: async () => press(memory, ofMemory.map(({ refresh }) => refresh), refreshed.load) },
      discover: { run: async () => press(memory, ofMemory.map(({ discover }) => discover), discovered.load) },
      refreshPersistent: { run: async () => press(persistent, ofPersistent.map(({ refresh }) => refresh), refreshedPersistent.load) },
      refreshFull: { run: async () => press(full, ofFull.map(({ refresh }) => refresh), refreshedFull.load) },
      discoverFull: { run: async () => press(full, ofFull.map(({ discover }) => discover), discoveredFull.load) }
    }, { seconds: SECONDS_EACH, warmUp: 1, minRounds: 4 })

    for (const measured of [echoed, refreshed, discovered, refreshedPersistent, refreshedFull, discoveredFull]) {
      rows(measured, count).forEach(emit)
    }
  }
}

function rows ({ name, load, against }: Measured, clients: number): TableRow[] {
  const compared = (part: keyof Load, counts: Against['counts']): Against | undefined => against && {
    name: against.name,
    samples: warm(against.load[part]),
    counts
  }

  return [
    row({ name: `clients at a time, throughput: ${name}`, size: clients, unit: '1/s', samples: warm(load.throughput), against: compared('throughput', 'rate') }),
    row({ name: `clients at a time, p99: ${name}`, size: clients, unit: 'ms', samples: warm(load.p99), against: compared('p99', 'cost') }),
    row({ name: `clients at a time, processor time of the point for an answer: ${name}`, size: clients, unit: 'µs', samples: warm(load.processorTime), against: compared('processorTime', 'cost') })
  ]
}

function load (): Load {
  return { throughput: [], p99: [], processorTime: [] }
}

/** Without the first window. */
function warm (samples: number[]): number[] {
  return samples.slice(1)
}

async function addCallers (callers: Caller[], point: RemotePoint, count: number): Promise<void> {
  while (callers.length < count) {
    callers.push(await caller(await startClient([point.address]), point))
  }
}

async function caller (client: Client, point: RemotePoint): Promise<Caller> {
  const stream = await client.node.dialProtocol(multiaddr(point.address), ECHO_PROTOCOL)

  return {
    echo: async () => echo(stream),
    refresh: async () => client.rendezvous.register('pressed'),
    discover: async () => discover(client, 1, 1)
  }
}

/** Has all of them call, each one the next time as soon as it has its answer. */
async function press (point: RemotePoint, calls: Array<() => Promise<unknown>>, load: Load): Promise<void> {
  const latencies: number[] = []
  const used = await point.processorTime()
  const start = performance.now()
  const end = start + WINDOW

  await Promise.all(calls.map(async call => {
    for (let now = performance.now(); now < end;) {
      const before = now
      await call()
      now = performance.now()
      latencies.push(now - before)
    }
  }))

  const seconds = (performance.now() - start) / 1_000
  load.throughput.push(latencies.length / seconds)
  load.p99.push(quantile(latencies.toSorted((a, b) => a - b), 0.99))
  load.processorTime.push((await point.processorTime() - used) / latencies.length)
}
