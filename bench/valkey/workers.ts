import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { interleave } from '../measure.ts'
import { discover, namespaceOf } from '../network/discover.ts'
import { startClient } from '../nodes.ts'
import { row } from '../row.ts'
import { serverTime } from './server.ts'
import type { Server } from '../../packages/valkey/test/servers.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/libp2p-rendezvous.js', import.meta.url))

const WORKERS = [1, 2]

/** Who ask at a time, each in a node of its own. */
const CLIENTS = 32

/** How long they ask in one go, in milliseconds. */
const WINDOW = 500

interface Load {
  /** Answers in a second. */
  throughput: number[]
  /** Microseconds for each answer, of all workers and of the server. */
  workersTime: number[]
  serverTime: number[]
}

/** A program with some workers, and who ask it. */
interface Asked {
  workers: number
  address: string
  clients: Client[]
  processorTime: () => Promise<number>
  stop: () => Promise<void>
  loads: Record<Call, Load>
}

const calls = {
  refresh: async ({ rendezvous }: Client): Promise<unknown> => rendezvous.register('pressed'),
  'discover, limit 1': async (client: Client): Promise<unknown> => discover(client, 1, 1)
}
type Call = keyof typeof calls

/** The program with one worker and with two over one server: what an answer takes of the processors. */
export async function measureWorkers (server: Server, { progress, row: emit }: Report): Promise<void> {
  progress('the program with one worker and with two')
  await server.ask('FLUSHALL')
  const programs: Asked[] = []

  for (const workers of WORKERS) {
    programs.push(await start(server, workers))
  }

  const listed = await startClient(programs.map(({ address }) => address))
  await listed.rendezvous.register(namespaceOf(1))

  await interleave(Object.fromEntries(programs.flatMap(program => Object.keys(calls).map(call => [
    `${program.workers} ${call}`, { run: async () => press(program, call as Call, server) }
  ]))), { seconds: 30, warmUp: 2, minRounds: 4 })

  for (const call of Object.keys(calls) as Call[]) {
    const [one, ...more] = programs as [Asked, ...Asked[]]

    for (const { workers, loads } of [one, ...more]) {
      const against = (part: keyof Load, counts: 'rate' | 'cost'): object => workers === 1 ? {} : { against: { name: 'one worker', samples: one.loads[call][part], counts } }
      const { throughput, workersTime, serverTime } = loads[call]
      emit(row({ name: `workers, processor time of all for an answer: ${call}`, size: workers, unit: 'µs', samples: workersTime, ...against('workersTime', 'cost') }))
      emit(row({ name: `workers, processor time of the server for an answer: ${call}`, size: workers, unit: 'µs', samples: serverTime, ...against('serverTime', 'cost') }))
      emit(row({ name: `workers, throughput: ${call}`, size: workers, unit: '1/s', samples: throughput, ...against('throughput', 'rate') }))
    }
  }

  await listed.node.stop()
  await Promise.all(programs.map(async ({ stop }) => stop()))
}

async function start (server: Server, workers: number): Promise<Asked> {
  const directory = await mkdtemp(join(tmpdir(), 'rendezvous-bench-'))
  const child = spawn(process.execPath, [PROGRAM, 'point', '--store', server.url, '--workers', `${workers}`, '--data', directory, '--json', '--quiet',
    '--listen', '/ip4/127.0.0.1/tcp/0', '--http', '127.0.0.1:0', '--rate-limit', 'off', '--max-connection-rate', '1000'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { addresses: [address], http } = JSON.parse(line)
  const clients: Client[] = []

  while (clients.length < CLIENTS) {
    clients.push(await startClient([address]))
    await clients.at(-1)?.rendezvous.register('pressed')
  }

  return {
    workers,
    address,
    clients,
    processorTime: async () => {
      const text = await (await fetch(`${http}/metrics`)).text()

      return [...text.matchAll(/^process_cpu_seconds_total\{worker="\d+"\} (\S+)$/mg)].reduce((sum, [, seconds]) => sum + Number(seconds) * 1e6, 0)
    },
    stop: async () => {
      await Promise.all(clients.map(async ({ node }) => node.stop()))
      const exit = once(child, 'exit')
      child.kill()
      await exit
      await rm(directory, { recursive: true, force: true })
    },
    loads: { refresh: load(), 'discover, limit 1': load() }
  }
}

function load (): Load {
  return { throughput: [], workersTime: [], serverTime: [] }
}

/** Has all of them call, each one the next time as soon as it has its answer. */
async function press ({ clients, processorTime, loads }: Asked, call: Call, server: Server): Promise<void> {
  let answers = 0
  const [usedByWorkers, usedByServer] = [await processorTime(), await serverTime(server)]
  const start = performance.now()

  await Promise.all(clients.map(async client => {
    while (performance.now() < start + WINDOW) {
      await calls[call](client)
      answers++
    }
  }))

  const seconds = (performance.now() - start) / 1_000
  loads[call].throughput.push(answers / seconds)
  loads[call].serverTime.push((await serverTime(server) - usedByServer) / answers)
  loads[call].workersTime.push((await processorTime() - usedByWorkers) / answers)
}
