/**
 * What a hostile peer costs the others: an honest peer's requests to the program are timed while a peer of another
 * process does its worst, and while it does nothing, in turns. Fails when they take more than a fifth longer than
 * they did in peace.
 *
 *   npm run build && node bench/hostile.ts [--seconds 10] [--rounds 3] [attack …]
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { multiaddr } from '@multiformats/multiaddr'
import { ATTACKS } from './hostile-peer.ts'
import { hostilePoint } from './hostile-point.ts'
import { rawPeer, rawRequests } from './raw-requests.ts'

const { values, positionals } = parseArgs({ options: { seconds: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' } }, allowPositionals: true })

/** The interval of the point's rate limit: an attack has its allowance once in each round. */
const SECONDS = Number(values.seconds)
const ROUNDS = Number(values.rounds)
const MAX_SLOWDOWN = 0.2
const MIB = 1024 * 1024

/** Between two honest requests: far below the rate limit, and enough of them to tell. Milliseconds. */
const PAUSE = 25

interface Sample {
  /** Milliseconds. */
  times: number[]
  /** Of one core, what the point used. */
  load: number
  /** Bytes that the point has at the end. */
  memory: number
}

const point = await hostilePoint({ sizes: [10, 1_000] })
const { tcp: address } = point
const honest = await rawPeer()
const ask = await rawRequests(await honest.dial(multiaddr(address)), 'of-10')
let isSlower = false

await sample(2)
console.log('attack'.padEnd(40), 'in peace'.padStart(10), 'attacked'.padStart(10), 'slower by'.padStart(10), 'p99'.padStart(16), 'load of the point'.padStart(20), 'memory added'.padStart(14))

for (const attack of positionals.length > 0 ? positionals : Object.keys(ATTACKS)) {
  const peace: Sample[] = []
  const attacked: Sample[] = []

  for (let round = 0; round < ROUNDS; round++) {
    peace.push(await sample(SECONDS))
    const attacker = fork(fileURLToPath(new URL('hostile-peer.ts', import.meta.url)), [address, attack])
    await once(attacker, 'message')
    attacked.push(await sample(SECONDS))
    attacker.kill()
    await once(attacker, 'exit')
  }

  const before = peace.flatMap(({ times }) => times)
  const during = attacked.flatMap(({ times }) => times)
  const slowdown = typical(during) / typical(before) - 1
  isSlower ||= slowdown > MAX_SLOWDOWN
  console.log(
    attack.padEnd(40),
    `${typical(before).toFixed(2)} ms`.padStart(10),
    `${typical(during).toFixed(2)} ms`.padStart(10),
    `${(slowdown * 100).toFixed(0)} %`.padStart(10),
    `${percentile(before, 99).toFixed(1)} / ${percentile(during, 99).toFixed(1)} ms`.padStart(16),
    `${percent(mean(peace.map(({ load }) => load)))} / ${percent(mean(attacked.map(({ load }) => load)))}`.padStart(20),
    `${((Math.max(...attacked.map(({ memory }) => memory)) - (peace[0]?.memory ?? 0)) / MIB).toFixed(0)} MiB`.padStart(14)
  )
}

await honest.stop()
await point.stop()
process.exitCode = isSlower ? 1 : 0

/** Asks for so many seconds, at a steady pace. */
async function sample (seconds: number): Promise<Sample> {
  const times: number[] = []
  const { time: used } = await point.usage()
  const begun = performance.now()

  while (performance.now() - begun < seconds * 1_000) {
    const start = performance.now()
    await ask()
    times.push(performance.now() - start)
    await delay(PAUSE)
  }

  const { time, memory } = await point.usage()

  return { times, memory, load: (time - used) / 1_000 / (performance.now() - begun) }
}

function mean (numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}

/** The mean without the worst twentieth, which is the machine's doing as much as anybody's; p99 tells of those. */
function typical (times: number[]): number {
  return mean(times.toSorted((a, b) => a - b).slice(0, Math.ceil(times.length * 0.95)))
}

function percentile (numbers: number[], percent: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) * percent / 100)] ?? NaN
}

function percent (part: number): string {
  return `${(part * 100).toFixed(1)} %`
}
