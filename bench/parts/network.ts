import { measureColdListings } from '../network/cold.ts'
import { measureFirstRegistrations } from '../network/first.ts'
import { measureLatency } from '../network/latency.ts'
import { measureThroughput } from '../network/throughput.ts'
import { remotePoint } from '../remote-point.ts'
import type { Report } from '../part.ts'

/** Peers in the namespaces that are listed. */
const LISTINGS = [1, 100, 1_000]

const HELD = 100_000

export async function part (report: Report): Promise<void> {
  report.progress('starting three points')
  const [memory, persistent, full] = await Promise.all([
    remotePoint({ store: 'memory', held: 0, listings: LISTINGS }),
    remotePoint({ store: 'persistent', held: 0, listings: LISTINGS }),
    remotePoint({ store: 'memory', held: HELD, listings: LISTINGS })
  ])
  const points = { memory, persistent, full, held: HELD, listings: LISTINGS }

  await measureLatency(points, report)
  await measureFirstRegistrations(points, report)
  await measureColdListings(points, report)
  await measureThroughput(points, report)

  await Promise.all([memory, persistent, full].map(async point => point.stop()))
}
