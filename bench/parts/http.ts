import { once } from 'node:events'
import { connect } from 'node:net'
import { startChild } from '../child.ts'
import { quantile } from '../measure.ts'
import { row } from '../row.ts'
import type { HttpReady } from '../http-process.ts'
import type { Report } from '../part.ts'

/** Connections, each with one request at a time. */
const CONNECTIONS = 16

/** Milliseconds of each sample. */
const SAMPLE = 400
const ROUNDS = 24
const WARM_UP = 4

interface Samples {
  /** Requests in a second. */
  rates: number[]
  /** Of each round, in milliseconds. */
  p99: number[]
}

export async function part ({ progress, row: emit }: Report): Promise<void> {
  progress('starting a point, and the framework that it is served by')
  const { ready: { point, bare, paths }, stop } = await startChild<HttpReady>('http-process.ts')
  progress('asking both in turns')

  for (const [name, path] of Object.entries(paths)) {
    const [ours, theirs] = await inTurns([point, bare].map(url => ({ url, path })))
    const size = CONNECTIONS
    emit(row({ name: `http: ${name}`, size, unit: '1/s', samples: ours.rates, against: { name: 'the framework, same bytes', samples: theirs.rates, counts: 'rate' }, target: { ratio: 0.7 } }))
    emit(row({ name: `http: ${name}, p99`, size, unit: 'ms', samples: ours.p99, against: { name: 'the framework, same bytes', samples: theirs.p99, counts: 'cost' } }))
  }

  await stop()
}

/** Asks several in turns, so that what disturbs the machine disturbs all of them. */
async function inTurns (asked: Array<{ url: string, path: string }>): Promise<[Samples, Samples]> {
  const clients = await Promise.all(asked.map(async ({ url, path }) => Promise.all(Array.from({ length: CONNECTIONS }, async () => client(url, path)))))
  const samples = clients.map((): Samples => ({ rates: [], p99: [] }))

  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [index, each] of clients.entries()) {
      const start = performance.now()
      const latencies = (await Promise.all(each.map(async ask => askUntil(ask, start + SAMPLE)))).flat()
      const took = performance.now() - start

      if (round >= 0) {
        samples[index]?.rates.push(latencies.length / took * 1_000)
        samples[index]?.p99.push(quantile(latencies.sort((a, b) => a - b), 0.99))
      }
    }
  }

  return samples as [Samples, Samples]
}

async function askUntil (ask: () => Promise<void>, end: number): Promise<number[]> {
  const latencies: number[] = []

  while (performance.now() < end) {
    const start = performance.now()
    await ask()
    latencies.push(performance.now() - start)
  }

  return latencies
}

/** A connection that is kept, without what a client for everything does: it is the server that is measured. */
async function client (url: string, path: string): Promise<() => Promise<void>> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).setNoDelay()
  await once(socket, 'connect')
  const request = `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`
  let left = -1
  let head = ''
  let onDone = (): void => {}

  socket.on('data', (chunk: Buffer) => {
    if (left === -1) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')

      if (end === -1) {
        return
      }

      if (!head.startsWith('HTTP/1.1 200')) {
        throw new Error(head.slice(0, 200))
      }

      left = Number(/content-length: (\d+)/i.exec(head)?.[1]) + end + 4 - head.length
      head = ''
    } else {
      left -= chunk.byteLength
    }

    if (left <= 0) {
      left = -1
      onDone()
    }
  })

  return async () => new Promise(resolve => {
    onDone = resolve
    socket.write(request)
  })
}
