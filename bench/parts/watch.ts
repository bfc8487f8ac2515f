import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from '../child.ts'
import { quantile } from '../measure.ts'
import { PASS_ON_PROTOCOL, startClient } from '../nodes.ts'
import { framed } from '../raw-requests.ts'
import { real } from '../registrations.ts'
import { row } from '../row.ts'
import { now } from '../watch/clock.ts'
import { measureIdle } from '../watch/idle.ts'
import { measurePairs } from '../watch/pairs.ts'
import { WatchEvent } from '../../dist/protocol/watch.js'
import { multiaddr } from '@multiformats/multiaddr'
import type { Child } from '../child.ts'
import type { Report } from '../part.ts'
import type { PointQuestion, Registered } from '../watch/point-process.ts'
import type { Counts, WatchersQuestion } from '../watch/watchers-process.ts'

const PROCESSES = 4
const WATCHERS_EACH = 250
const WATCHERS = PROCESSES * WATCHERS_EACH
const NAMESPACE = 'watched'

/** The point rests after it has told all; a registration that comes alone finds it rested. Milliseconds. */
const PAUSE = 500

const WARM_UP = 5
const ROUNDS = 30

/** Peers that register in a storm, and how long it lasts in milliseconds. */
const STORM = 1_000
const STORM_LASTS = 10_000
const STORMS = 3

/** Watchers that do not read, of each process. */
const SLOW_EACH = 25
const SLOW = PROCESSES * SLOW_EACH
/** Storms that they miss, one after the other and shorter: more than fits into what yamux lets be on its way. */
const MISSED = 5
const MISSED_LASTS = 3_000

const GC = ['--expose-gc']

export async function part (report: Report): Promise<void> {
  const { progress } = report
  progress('starting two points')
  const [point, silent] = await Promise.all([
    startChild<string>('watch/point-process.ts', [], GC),
    startChild<string>('watch/point-process.ts', ['silent'], GC)
  ])

  await Promise.all([
    measurePairs(point.ready, silent.ready, report),
    measureIdle(point.ready, report)
  ])
  await silent.stop()

  progress(`${WATCHERS} watchers`)
  const watchers = new Watchers(await Promise.all(Array.from({ length: PROCESSES }, async () => startChild<string>('watch/watchers-process.ts', [
    JSON.stringify({ point: point.ready, namespace: NAMESPACE, count: WATCHERS_EACH })
  ]))))

  const floor = await measureOne(point, watchers, report)
  await measureStorm(point, watchers, floor, report)
  await measureSlow(point, watchers, report)

  await watchers.stop()
  await point.stop()
}

class Watchers {
  readonly #processes: Array<Child<string>>

  constructor (processes: Array<Child<string>>) {
    this.#processes = processes
  }

  /** The answers of all processes. */
  async ask<Answer> (question: WatchersQuestion): Promise<Answer[]> {
    return Promise.all(this.#processes.map(async ({ ask }) => ask<Answer>(question)))
  }

  /** The numbers that all processes answer with, ascending. */
  async numbers (question: WatchersQuestion): Promise<number[]> {
    const all = (await this.ask<Float64Array>(question)).flatMap(numbers => [...numbers])

    return all.sort((a, b) => a - b)
  }

  async counts (): Promise<Counts> {
    return (await this.ask<Counts>({ ask: 'counts' })).reduce((a, b) => ({ bytesUnread: a.bytesUnread + b.bytesUnread, readers: a.readers + b.readers, updates: a.updates + b.updates, bytes: a.bytes + b.bytes }))
  }

  async stop (): Promise<void> {
    await Promise.all(this.#processes.map(async ({ stop }) => stop()))
  }
}

/** What came of each round. */
class Told {
  readonly p50: number[] = []
  readonly p99: number[] = []
  /** Microseconds of the point for each who was told. */
  readonly processorTime: number[] = []
}

/**
 * One peer registers, and all are told; and in turns with it, a message that the point passes on to all, and one
 * of the same size that each sends and gets back.
 *
 * @returns what the latter costs
 */
async function measureOne (point: Child<string>, watchers: Watchers, { progress, row: emit }: Report): Promise<Told> {
  progress('one registration, told to all')
  const client = await startClient([point.ready])
  const stream = await client.node.dialProtocol(multiaddr(point.ready), PASS_ON_PROTOCOL)
  const event = await eventOfOne()
  const echoed = new Told()
  const told = new Told()
  const floor = new Told()

  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [result, question, act] of [
      [echoed, { ask: 'echo', event }, async () => {}],
      [floor, { ask: 'seen', what: 'told', count: 1 }, async () => stream.send(event)],
      [told, { ask: 'seen', what: 'updates', count: 1 }, async () => client.rendezvous.register(NAMESPACE)]
    ] as const) {
      await delay(PAUSE)
      await watchers.ask({ ask: 'reset' })
      const before = await used(point, 'processorTime')
      const begin = now()
      const [arrivals] = await Promise.all([watchers.numbers(question), act()])
      const processorTime = await used(point, 'processorTime') - before

      if (round >= 0) {
        result.p50.push(quantile(arrivals, 0.5) - begin)
        result.p99.push(quantile(arrivals, 0.99) - begin)
        result.processorTime.push(processorTime / WATCHERS)
      }
    }

    // the next registration is new as well
    await watchers.ask({ ask: 'reset' })
    await Promise.all([watchers.ask({ ask: 'seen', what: 'updates', count: 1 }), client.rendezvous.unregister(NAMESPACE)])
  }

  await client.node.stop()
  const about = { size: WATCHERS, counts: 'cost' } as const
  emit(row({ name: 'floor: a message that is passed on to all, p50', ...about, unit: 'ms', samples: floor.p50 }))
  emit(row({ name: 'floor: a message that is passed on to all, p99', ...about, unit: 'ms', samples: floor.p99 }))
  emit(row({ name: 'from `register` until all are told, p50', ...about, unit: 'ms', samples: told.p50, against: { name: 'passed on', samples: floor.p50, counts: 'cost' } }))
  emit(row({ name: 'from `register` until all are told, p99', ...about, unit: 'ms', samples: told.p99, against: { name: 'passed on', samples: floor.p99, counts: 'cost' }, target: { atMost: 250 } }))
  emit(row({ name: 'processor time of the point for each who is told', ...about, unit: 'µs', samples: told.processorTime, against: { name: 'an echo', samples: echoed.processorTime, counts: 'cost' }, target: { ratio: 1.3 } }))
  emit(row({ name: 'the same, compared with half of an echo', ...about, unit: 'µs', samples: told.processorTime, against: { name: 'passed on', samples: floor.processorTime, counts: 'cost' } }))

  return floor
}

/** Peers register at the point's store, and the readers are told. */
async function storm (point: Child<string>, watchers: Watchers, during: number): Promise<Registered> {
  const [registered] = await Promise.all([
    point.ask<Registered>({ ask: 'storm', namespace: NAMESPACE, peers: STORM, during } satisfies PointQuestion),
    watchers.ask({ ask: 'seen', what: 'registrations', count: STORM })
  ])

  return registered
}

async function measureStorm (point: Child<string>, watchers: Watchers, floor: Told, { progress, row: emit }: Report): Promise<void> {
  const p50: number[] = []
  const p99: number[] = []
  const updates: number[] = []
  const processorTime: number[] = []

  for (let i = 0; i < STORMS; i++) {
    progress(`${STORM} registrations in ${STORM_LASTS / 1_000} seconds`)
    await watchers.ask({ ask: 'reset' })
    const before = await used(point, 'processorTime')
    const registered = await storm(point, watchers, STORM_LASTS)
    processorTime.push((await used(point, 'processorTime') - before) / (WATCHERS * STORM))
    const delays = await watchers.numbers({ ask: 'delays', registered })
    p50.push(quantile(delays, 0.5))
    p99.push(quantile(delays, 0.99))
    updates.push((await watchers.counts()).updates / WATCHERS)
  }

  emit(row({ name: 'a storm of registrations, until one is told, p50', size: WATCHERS, unit: 'ms', samples: p50 }))
  emit(row({ name: 'a storm of registrations, until one is told, p99', size: WATCHERS, unit: 'ms', samples: p99 }))
  emit(row({ name: 'a storm of registrations, updates for each who watches', size: WATCHERS, unit: 'updates', samples: updates }))
  emit(row({ name: 'a storm of registrations, processor time of the point for each of them and who watches', size: WATCHERS, unit: 'µs', samples: processorTime, against: { name: 'passed on one by one', samples: floor.processorTime, counts: 'cost' } }))
}

async function measureSlow (point: Child<string>, watchers: Watchers, { progress, row: emit }: Report): Promise<void> {
  progress(`${SLOW} do not read`)
  // so that the heap has had one before
  await watchers.ask({ ask: 'reset' })
  await storm(point, watchers, MISSED_LASTS)
  await watchers.ask({ ask: 'pause', count: SLOW_EACH })
  const before = await used(point, 'memory')

  for (let i = 0; i < MISSED; i++) {
    await watchers.ask({ ask: 'reset' })
    await storm(point, watchers, MISSED_LASTS)
  }

  const after = await used(point, 'memory')
  const { readers, bytes, bytesUnread } = await watchers.counts()

  if (bytesUnread > 0) {
    throw new Error(`Those who do not read were told ${bytesUnread} bytes`)
  }

  const missed = MISSED * bytes / readers
  emit(row({ name: 'memory of the point for each of those who do not read', size: SLOW, unit: 'bytes', samples: [(after - before) / SLOW], against: { name: 'what those who read were told', samples: [missed], counts: 'cost' } }))
}

async function used (point: Child<string>, ask: 'processorTime' | 'memory'): Promise<number> {
  return point.ask<number>({ ask } satisfies PointQuestion)
}

/** The event of one registration, with its length before it. */
async function eventOfOne (): Promise<Uint8Array> {
  const [registration] = await real(1, NAMESPACE)

  return framed(WatchEvent.encode({
    update: {
      id: 1,
      gone: [],
      registrations: [{ ns: NAMESPACE, signedPeerRecord: registration?.signedPeerRecord as Uint8Array<ArrayBuffer>, ttl: 7_200n }],
      cookie: new Uint8Array(8 + NAMESPACE.length)
    }
  }))
}
