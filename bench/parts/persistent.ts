import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { persistentStore } from 'libp2p-rendezvous'
import { interleave, scale } from '../measure.ts'
import { pageRows, pageSubjects } from '../pages.ts'
import { Population, SHAPES, SIZES } from '../population.ts'
import { row } from '../row.ts'
import type { Subject } from '../measure.ts'
import type { Report } from '../part.ts'
import type { Shape } from '../population.ts'
import type { Against, RowInit } from '../row.ts'
import type { NewRegistration } from 'libp2p-rendezvous'

/** Registrations on their way at the same time. */
const TOGETHER = 100

/** One after the other. */
const ALONE = 10

/** Bytes of an entry of the store in its datastore, more or less. */
const ENTRY_LENGTH = 220

/** A population and where it is kept. */
interface Kept {
  population: Population
  datastore: LevelDatastore
}

export async function part (report: Report): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'rendezvous-bench-'))

  try {
    for (const shape of SHAPES) {
      await measure(shape, join(directory, shape), report)
      globalThis.gc?.()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function measure (shape: Shape, directory: string, { progress, row: emit }: Report): Promise<void> {
  const kept: Kept[] = []

  for (const size of SIZES) {
    progress(`${size.toLocaleString('en')} registrations in ${shape}`)
    kept.push(await fill(directory, size, shape))
  }

  const populations = kept.map(({ population }) => population)
  progress(`register, refresh, unregister in ${shape}`)
  const [smallest] = kept as [Kept]
  const changes = await interleave({
    put: put(smallest.datastore),
    ...Object.fromEntries(populations.flatMap(changeSubjects))
  }, { seconds: 15, minRounds: 20, maxRounds: 300 })
  const datastore: Against = { name: 'one entry to the datastore', samples: changes.put, counts: 'cost' }

  for (const change of ['refresh', 'register', 'unregister', 'together'] as const) {
    for (const { size } of populations) {
      emit(row(changeRow(change, shape, size, changes[`${change} ${size}` as keyof typeof changes] ?? [], datastore)))
    }
  }

  progress(`pages of 100 in ${shape}`)
  await Promise.all(populations.map(async population => population.findPlaces()))
  const pages = await interleave(pageSubjects(populations), { seconds: 2, minRounds: 20, maxRounds: 1_000 })
  pageRows('persistent store', shape, pages).forEach(emit)

  for (const { population, datastore } of kept) {
    progress(`start with ${population.size.toLocaleString('en')} registrations in ${shape}`)
    const { start, query } = await interleave({
      start: { before: async () => population.store.stop?.(), run: async () => restart(population) },
      query: { run: async () => readAll(datastore) }
    }, { seconds: 0, warmUp: 0, minRounds: population.size < 1_000_000 ? 3 : 1 })

    emit(row({
      name: `persistent store: start, ${shape}`,
      size: population.size,
      unit: 'ms',
      samples: scale(start, 1 / 1_000),
      against: { name: 'reading the datastore', samples: scale(query, 1 / 1_000), counts: 'cost' }
    }))
    await population.store.stop?.()
    await datastore.close()
  }
}

async function fill (directory: string, size: number, shape: Shape): Promise<Kept> {
  const datastore = new LevelDatastore(join(directory, String(size)))
  await datastore.open()
  const population = new Population(persistentStore({ datastore }), size, shape)
  await population.fill()

  return { population, datastore }
}

function changeSubjects (population: Population): Array<[string, Subject]> {
  let batch: NewRegistration[] = []
  const take = (count: number) => () => { batch = population.some(count) }
  const register = async (registration: NewRegistration): Promise<unknown> => population.register(registration)
  const unregister = async (registration: NewRegistration): Promise<unknown> => population.unregister(registration)

  const subjects: Record<string, Subject> = {
    refresh: { operations: ALONE, before: take(ALONE), run: async () => oneByOne(batch, register) },
    unregister: { operations: ALONE, before: take(ALONE), run: async () => oneByOne(batch, unregister) },
    register: { operations: ALONE, run: async () => oneByOne(batch, register) },
    together: { operations: TOGETHER, before: take(TOGETHER), run: async () => Promise.all(batch.map(register)) }
  }

  return Object.entries(subjects).map(([change, subject]) => [`${change} ${population.size}`, subject])
}

/** What the datastore itself takes for an entry. */
function put (datastore: LevelDatastore): Subject {
  const value = new Uint8Array(ENTRY_LENGTH)

  return {
    operations: ALONE,
    run: async () => {
      for (let i = 0; i < ALONE; i++) {
        await datastore.put(new Key(`/bench/${i}`), value)
      }
    }
  }
}

async function oneByOne (batch: NewRegistration[], change: (registration: NewRegistration) => Promise<unknown>): Promise<void> {
  for (const registration of batch) {
    await change(registration)
  }
}

function changeRow (change: 'refresh' | 'register' | 'unregister' | 'together', shape: Shape, size: number, samples: number[], datastore: Against): RowInit {
  const what = change === 'together' ? `refresh, ${TOGETHER} at a time` : change

  return { name: `persistent store: ${what}, ${shape}`, size, unit: 'µs', samples, against: datastore }
}

async function restart ({ store, size }: Population): Promise<void> {
  await store.start?.()

  if (store.size.registrations !== size) {
    throw new Error(`${store.size.registrations} of ${size} registrations are there again`)
  }
}

/** What the datastore itself takes to hand out everything. */
async function readAll (datastore: LevelDatastore): Promise<void> {
  let bytes = 0

  for await (const { value } of datastore.query({})) {
    bytes += value.byteLength
  }

  if (bytes === 0) {
    throw new Error('Nothing was read')
  }
}
