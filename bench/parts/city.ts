import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { Driver, implementations } from '../../interop/drivers.ts'
import { startChild } from '../child.ts'
import { quantile } from '../measure.ts'
import { ECHO_PROTOCOL, echo } from '../nodes.ts'
import { rawPeer, rawRequests } from '../raw-requests.ts'
import { row } from '../row.ts'
import type { HeldQuestion, Kind } from '../city/held-process.ts'
import type { PartOptions, Report } from '../part.ts'
import type { Libp2p } from '@libp2p/interface'

/** Connections that are held. With 15,000 it takes some minutes more. */
const SIZES = [100, 1_000, 5_000]

/** With more, a bare node is mended: it copies all its connections for each newcomer, and takes a tenth of a second. */
const MOST_OF_BARE = 5_000

/** What comes and goes before anything counts, so that all code is compiled. */
const WARM_UP = 500

/** At each size so many newcomers, so often, in turns. */
const NEWCOMERS = 50
const ROUNDS = 10

/** Who arrive at a time. */
const TOGETHER = 10

/** Who watch a namespace, and are told of each other. */
const CROWD = 10

/** For what is done after the last answer, in milliseconds. */
const SETTLE = 300

/** Between the requests of an honest probe, in milliseconds. */
const PROBE_INTERVAL = 20

/** How long nothing happens: yamux's keep-alive has its turn on every connection. Milliseconds. */
const IDLE = 31_000

const PATIENCE = 280_000

const NAMESPACE = 'city'

/** A node in a process of its own, and who is connected to it. */
interface City {
  name: string
  /** Microseconds that the node's process has used. */
  processorTime: () => Promise<number>
  /** Bytes that are in use; undefined where the language does not tell. */
  memory: () => Promise<number | undefined>
  /** Bytes that the process has of the machine. */
  resident: () => Promise<number>
  mend: () => Promise<unknown>
  crowd: Driver
  /** One request. */
  probe: (() => Promise<void>) | undefined
  stop: () => Promise<void>
  held: number
  samples: Map<number, number[]>
  requests: Map<number, number[]>
  /** Before anybody was held. */
  empty: { memory: number | undefined, resident: number }
}

export async function part (report: Report, { sizes = SIZES }: PartOptions = {}): Promise<void> {
  const { rust } = implementations

  if (!existsSync(rust.command[0] as string)) {
    report.note('Left out: the crowd is the driver of rust-libp2p, which has not been built (`npm run interop -- --build --only rust`).')
    return
  }

  report.progress('starting a point, a bare node and a server of rust-libp2p')
  const prober = await rawPeer()
  const cities = {
    bare: await startCity('bare', prober),
    point: await startCity('point', prober),
    rust: await startRust()
  }
  const all = Object.values(cities)

  for (const city of all) {
    await join(city, WARM_UP)
    await leave(city, WARM_UP)
    await delay(SETTLE)
    city.empty = { memory: await city.memory(), resident: await city.resident() }
  }

  for (const size of sizes) {
    report.progress(`${size.toLocaleString('en')} connections to each`)

    if (size > MOST_OF_BARE) {
      await cities.bare.mend()
    }

    await Promise.all(all.map(async city => join(city, size - city.held)))
    await delay(SETTLE)
    await emitMemory(cities, size, report)
    report.progress(`newcomers at ${size.toLocaleString('en')}`)

    for (let round = 0; round < ROUNDS; round++) {
      for (const city of all) {
        await measureNewcomers(city, size)
      }
    }

    emitNewcomers(cities, size, sizes[0] as number, report)
  }

  report.progress('nothing happens')
  await emitIdle(cities, sizes.at(-1) as number, report)

  for (const city of all) {
    await check(city)
    await city.stop()
  }

  await prober.stop()
}

type Cities = Record<'point' | 'bare' | 'rust', City>

async function startCity (kind: Kind, prober: Libp2p): Promise<City> {
  const { ready: address, ask, stop } = await startChild<string>('city/held-process.ts', [kind], ['--expose-gc'])
  const connection = await prober.dial(multiaddr(address))

  return city(kind === 'bare' ? 'a bare node' : 'the program', {
    processorTime: async () => ask<number>('processorTime' satisfies HeldQuestion),
    memory: async () => ask<number>('memory' satisfies HeldQuestion),
    resident: async () => ask<number>('resident' satisfies HeldQuestion),
    mend: async () => ask('mend' satisfies HeldQuestion),
    crowd: await Driver.start(implementations.rust, 'load', address, ...(kind === 'bare' ? ['echo'] : ['register', 'watch'])),
    probe: kind === 'bare'
      ? await connection.newStream(ECHO_PROTOCOL).then(stream => async () => echo(stream))
      : await rawRequests(connection, 'nobody-is-there'),
    stop
  })
}

async function startRust (): Promise<City> {
  const server = await Driver.start(implementations.rust, 'server', '--max-total', '1000000')

  return city(implementations.rust.title, {
    processorTime: async () => {
      const threads = await readdir(`/proc/${server.pid}/task`)
      const used = await Promise.all(threads.map(async thread => (await readFile(`/proc/${server.pid}/task/${thread}/schedstat`, 'utf8')).split(' ')[0]))

      return used.reduce((sum, ns) => sum + Number(ns) / 1_000, 0)
    },
    memory: async () => undefined,
    resident: async () => {
      const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8')) ?? []

      return Number(kilobytes) * 1_024
    },
    mend: async () => {},
    crowd: await Driver.start(implementations.rust, 'load', server.address, 'register'),
    probe: undefined,
    stop: async () => server.stop()
  })
}

function city (name: string, init: Omit<City, 'name' | 'held' | 'samples' | 'requests' | 'empty'>): City {
  return {
    ...init,
    name,
    held: 0,
    samples: new Map(),
    requests: new Map(),
    empty: { memory: undefined, resident: 0 },
    stop: async () => {
      await init.crowd.stop()
      await init.stop()
    }
  }
}

async function join (city: City, count: number): Promise<void> {
  await tell(city, 'join', { count, together: TOGETHER, crowd: CROWD, ns: NAMESPACE })
  city.held += count
}

async function leave (city: City, count: number): Promise<void> {
  await tell(city, 'leave', { count })
  city.held -= count
}

/** Nobody who is held was lost meanwhile. */
async function check (city: City): Promise<void> {
  await tell(city, 'check', {})
}

async function tell (city: City, command: string, args: Record<string, unknown>): Promise<void> {
  const { ok, error } = await city.crowd.do(command, args, PATIENCE)

  if (!ok) {
    throw new Error(`${city.name}: ${error}`)
  }
}

async function measureNewcomers (city: City, size: number): Promise<void> {
  const probing = new AbortController()
  const requests = probe(city, probing.signal)
  const before = await city.processorTime()
  await join(city, NEWCOMERS)
  await delay(SETTLE)
  const used = await city.processorTime() - before
  probing.abort()
  add(city.samples, size, [used / NEWCOMERS])
  add(city.requests, size, await requests)
  await leave(city, NEWCOMERS)
  await delay(SETTLE)
}

/** Milliseconds that requests take, one every now and then. */
async function probe (city: City, signal: AbortSignal): Promise<number[]> {
  const took: number[] = []

  while (!signal.aborted && city.probe != null) {
    const begin = performance.now()
    await city.probe()
    took.push(performance.now() - begin)
    await delay(PROBE_INTERVAL)
  }

  return took
}

function add (samples: Map<number, number[]>, size: number, more: number[]): void {
  samples.set(size, [...samples.get(size) ?? [], ...more])
}

function at (samples: Map<number, number[]>, size: number): number[] {
  return samples.get(size) ?? []
}

/** Which bare node something is compared with. */
function nameOf ({ name }: City, size: number): string {
  return size > MOST_OF_BARE ? `${name}, mended` : name
}

async function emitMemory ({ bare, point, rust }: Cities, size: number, { row: emit }: Report): Promise<void> {
  const about = { size, unit: 'bytes' } as const
  const inUse = async (city: City): Promise<number[]> => [(Number(await city.memory()) - Number(city.empty.memory)) / city.held]
  const resident = async (city: City): Promise<number[]> => [(await city.resident() - city.empty.resident) / city.held]
  const name = nameOf(bare, size)

  emit(row({ name: 'memory for a client, in use', ...about, samples: await inUse(point), against: { name, samples: await inUse(bare), counts: 'cost' }, target: { atMost: 80_000, ratio: 1.25 } }))
  emit(row({ name: 'memory for a client, resident', ...about, samples: await resident(point), against: { name, samples: await resident(bare), counts: 'cost' } }))
  emit(row({ name: `memory for a client, resident: ${rust.name}`, ...about, samples: await resident(rust) }))
}

function emitNewcomers ({ bare, point, rust }: Cities, size: number, first: number, { row: emit }: Report): void {
  const about = { size, unit: 'µs' } as const
  const isFirst = size === first
  const name = nameOf(bare, size)

  emit(row({ name: 'processor time for a newcomer', ...about, samples: at(point.samples, size), against: { name, samples: at(bare.samples, size), counts: 'cost' }, target: isFirst ? { ratio: 1.3 } : undefined }))

  if (!isFirst) {
    emit(row({ name: 'processor time for a newcomer', ...about, samples: at(point.samples, size), against: { name: `at ${first}`, samples: at(point.samples, first), counts: 'cost' }, target: { ratio: 1.2 } }))
  }

  emit(row({ name: `processor time for a newcomer: ${rust.name}`, ...about, samples: at(rust.samples, size) }))
  const p99 = (city: City, size: number): number[] => [quantile(at(city.requests, size).toSorted((a, b) => a - b), 0.99)]
  emit(row({ name: 'a request while newcomers come, p99', size, unit: 'ms', samples: p99(point, size), against: { name: `${name}, an echo`, samples: p99(bare, size), counts: 'cost' } }))
}

async function emitIdle ({ bare, point, rust }: Cities, size: number, { row: emit }: Report): Promise<void> {
  const cities = [bare, point, rust]
  const before = await Promise.all(cities.map(async city => city.processorTime()))
  await delay(IDLE)
  const [ofBare = 0, ofPoint = 0, ofRust = 0] = await Promise.all(cities.map(async (city, index) => (await city.processorTime() - Number(before[index])) / city.held / IDLE * 60_000))
  const about = { size, unit: 'µs' } as const

  emit(row({ name: 'processor time for a client in a minute in which nothing happens', ...about, samples: [ofPoint], against: { name: nameOf(bare, size), samples: [ofBare], counts: 'cost' } }))
  emit(row({ name: `processor time for a client in a minute in which nothing happens: ${rust.name}`, ...about, samples: [ofRust] }))
}
