import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { LevelDatastore } from 'datastore-level'
import { memoryStore, persistentStore } from 'libp2p-rendezvous'
import { valkeyStore } from 'libp2p-rendezvous-valkey'
import { interleave } from '../measure.ts'
import { Population } from '../population.ts'
import { ENVELOPE_LENGTH, madeUp, NO_LIMITS } from '../registrations.ts'
import { row } from '../row.ts'
import { info, serverTime } from './server.ts'
import type { Server } from '../../packages/valkey/test/servers.ts'
import type { Subject } from '../measure.ts'
import type { Report } from '../part.ts'
import type { RowInit } from '../row.ts'
import type { NewRegistration, RegistrationStore } from 'libp2p-rendezvous'

/** The stores that are compared. */
const KINDS = ['memory', 'persistent', 'valkey'] as const
type Kind = typeof KINDS[number]

/** Operations in one sample: one after the other, and at the same time. */
const ALONE = 10
const TOGETHER = 100

/** Registrations that expire in one sample. */
const EXPIRING = 1_000

/** Requests of a kind from which the server's own time is taken. */
const COUNTED = 2_000

const WATCHED = 'watched'

/** What is measured of each store, and how a row names it. */
const ROWS = {
  refresh: 'refresh',
  unregister: 'unregister',
  register: 'register',
  together: `refresh, ${TOGETHER} at a time`,
  page: 'page of 100, anywhere',
  wake: 'from registering to who watches at another point',
  expire: 'expiry, for each of 1,000'
} as const

/** The same registrations in each of the stores, and what there is to do with them. */
export async function measureStores (size: number, server: Server, { progress, row: emit }: Report): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'rendezvous-bench-'))
  const datastore = new LevelDatastore(directory)
  const shared = (): RegistrationStore => valkeyStore({ client: createClient({ url: server.url }) })
  await datastore.open()
  await server.ask('FLUSHALL')
  const empty = Number((await info(server, 'memory')).used_memory)
  const stores: Record<Kind, RegistrationStore> = { memory: memoryStore(), persistent: persistentStore({ datastore }), valkey: shared() }
  const populations = {} as Record<Kind, Population>
  const count = size.toLocaleString('en')

  for (const kind of KINDS) {
    progress(`${count} registrations: ${kind}`)
    const population = new Population(stores[kind], size, 'one namespace')
    await population.fill()
    await population.findPlaces()
    populations[kind] = population
  }

  const taken = (Number((await info(server, 'memory')).used_memory) - empty) / size
  emit(row({ name: 'valkey store: memory of the server for a registration, beyond its envelope', size, unit: 'bytes', samples: [taken - ENVELOPE_LENGTH] }))

  // somebody at another point, who is told over the server
  const other = shared()
  await other.start?.()
  progress(`${count} registrations: all in turns`)
  const subjects = Object.fromEntries(KINDS.flatMap(kind => subjectsOf(kind, populations[kind], kind === 'valkey' ? other : stores[kind])))
  const samples = await interleave(subjects, { seconds: 10, warmUp: 2, minRounds: 10, maxRounds: 100 })

  for (const [key, name] of Object.entries(ROWS)) {
    for (const kind of KINDS) {
      const about: RowInit = { name: `${kind} store: ${name}`, size, unit: 'µs', samples: samples[`${kind} ${key}`] ?? [] }
      emit(row(kind === 'valkey' ? { ...about, against: { name: 'persistent', samples: samples[`persistent ${key}`] ?? [], counts: 'cost' } } : about))
    }
  }

  progress(`${count} registrations: the server's own time`)

  for (const [name, run] of Object.entries(serverWork(populations.valkey))) {
    const before = await serverTime(server)

    for (let i = 0; i < COUNTED; i += TOGETHER) {
      await run()
    }

    emit(row({ name: `valkey store: processor time of the server, ${name}`, size, unit: 'µs', samples: [(await serverTime(server) - before) / COUNTED] }))
  }

  await Promise.all([...Object.values(stores), other].map(async store => store.stop?.()))
  await datastore.close()
  await rm(directory, { recursive: true, force: true })
}

function subjectsOf (kind: Kind, population: Population, other: RegistrationStore): Array<[string, Subject]> {
  let batch: NewRegistration[] = []
  const take = (count: number) => () => { batch = population.some(count) }
  const oneByOne = async (change: (registration: NewRegistration) => unknown): Promise<void> => {
    for (const registration of batch) {
      await change(registration)
    }
  }

  // what is unregistered is registered again
  const subjects: Record<keyof typeof ROWS, Subject> = {
    refresh: { operations: ALONE, before: take(ALONE), run: async () => oneByOne(registration => population.register(registration)) },
    unregister: { operations: ALONE, before: take(ALONE), run: async () => oneByOne(registration => population.unregister(registration)) },
    register: { operations: ALONE, run: async () => oneByOne(registration => population.register(registration)) },
    together: { operations: TOGETHER, before: take(TOGETHER), run: async () => Promise.all(batch.map(registration => population.register(registration))) },
    page: {
      operations: ALONE,
      run: async () => {
        for (let i = 0; i < ALONE; i++) {
          const page = await population.page(population.cursorAt(Math.random()), population.namespace)

          if (page?.registrations.length !== 100) {
            throw new Error('A whole page is expected')
          }
        }
      }
    },
    wake: {
      run: async () => {
        const woken = Promise.withResolvers<void>()
        const end = other.subscribe?.(WATCHED, () => { woken.resolve() })
        await population.register(madeUp(-1, WATCHED))
        await woken.promise
        end?.()
      }
    },
    expire: {
      operations: EXPIRING,
      before: async () => {
        await Promise.all(Array.from({ length: EXPIRING }, async (_, i) => population.store.register({ ...madeUp(-2 - i, 'ending'), ttl: 1 }, NO_LIMITS, Date.now())))
        await delay(5)
      },
      run: async () => {
        let expired = 0

        while (expired < EXPIRING) {
          // those of a second end together; the server has a clock of its own
          expired += (await population.store.expire(Date.now() + 2_000, 200)).length
        }
      }
    }
  }

  return Object.entries(subjects).map(([key, subject]) => [`${kind} ${key}`, subject])
}

/** As many requests at the same time as a sample has. */
function serverWork (population: Population): Record<string, () => Promise<unknown>> {
  let batch: NewRegistration[] = []
  const all = async (change: (registration: NewRegistration) => unknown): Promise<unknown> => Promise.all(batch.map(change))

  return {
    refresh: async () => {
      batch = population.some(TOGETHER)

      return all(registration => population.register(registration))
    },
    'unregister and register': async () => {
      batch = population.some(TOGETHER)
      await all(registration => population.unregister(registration))

      return all(registration => population.register(registration))
    },
    'page of 100': async () => Promise.all(Array.from({ length: TOGETHER }, () => population.page(population.cursorAt(Math.random()), population.namespace)))
  }
}
