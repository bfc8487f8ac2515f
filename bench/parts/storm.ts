import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Driver, implementations } from '../../interop/drivers.ts'
import { dial, freePort, probe, startProgram, tell } from '../city/program.ts'
import { quantile } from '../measure.ts'
import { rawPeer, rawRequests } from '../raw-requests.ts'
import { row } from '../row.ts'
import type { PartOptions, Report } from '../part.ts'

const CLIENTS = 10_000

/** Who arrive at a time, before the storm. */
const TOGETHER = 20
/** Who are in one namespace. */
const CROWD = 10
const NAMESPACE = 'storm'

/** Within which all are to be back, and after which nobody waits for them any more. Milliseconds. */
const TARGET = 90_000
const PATIENCE = 240_000

/** The program is killed with all its clients, and started again. */
export async function part (report: Report, { sizes: [clients = CLIENTS] = [] }: PartOptions = {}): Promise<void> {
  const { rust } = implementations

  if (!existsSync(rust.command[0] as string)) {
    report.note('Left out: the crowd is the driver of rust-libp2p, which has not been built (`npm run interop -- --build --only rust`).')
    return
  }

  const data = await mkdtemp(join(tmpdir(), 'rendezvous-storm-'))
  const port = await freePort()
  let point = await startProgram(data, port)
  const crowd = await Driver.start(rust, 'load', point.address, 'register', 'watch', 'return')
  report.progress(`${clients.toLocaleString('en')} clients come`)
  await tell(crowd, 'join', { count: clients, together: TOGETHER, crowd: CROWD, ns: NAMESPACE }, PATIENCE)
  report.progress('the point is killed, and started again')
  await point.kill()
  await tell(crowd, 'tally', {}, PATIENCE)
  point = await startProgram(data, port)
  const begin = performance.now()
  const prober = await rawPeer()
  const probing = new AbortController()
  const probed = probe(await rawRequests(await dial(prober, point.address), 'nobody-is-there'), probing.signal)
  const back: number[] = []
  let cut = 0
  let refused = 0

  while (back.length < clients && performance.now() - begin < PATIENCE) {
    await delay(1_000)
    const tally = await tell(crowd, 'tally', {}, PATIENCE)
    back.push(...tally.back.map(() => performance.now() - begin))
    cut += tally.cut
    refused += tally.refused
    report.progress(`${back.length.toLocaleString('en')} are back; ${cut} connections came to nothing`)
  }

  probing.abort()
  const requests = (await probed).toSorted((a, b) => a - b)
  await crowd.stop()
  await prober.stop()
  await point.kill()
  await rm(data, { recursive: true, force: true })

  if (back.length < clients) {
    throw new Error(`${clients - back.length} were not back after ${PATIENCE} ms`)
  }

  const about = { size: clients, unit: 'ms' } as const
  report.row(row({ name: 'a restart: until all are registered again', ...about, samples: [Math.max(...back)], target: { atMost: TARGET } }))
  report.row(row({ name: 'a restart: until half of them are', ...about, samples: [quantile(back, 0.5)] }))
  report.row(row({ name: 'a request meanwhile, p99', ...about, samples: [quantile(requests, 0.99)], target: { atMost: 250 } }))
  report.row(row({ name: 'a restart: registrations refused', size: clients, unit: 'requests', samples: [refused], target: { atMost: 0 } }))
  report.row(row({ name: 'a restart: connections that came to nothing and were tried again', size: clients, unit: 'requests', samples: [cut] }))
}
