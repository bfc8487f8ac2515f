import { memoryStore } from 'libp2p-rendezvous'
import { interleave } from '../measure.ts'
import { pageRows, pageSubjects } from '../pages.ts'
import { Population, SHAPES, SIZES } from '../population.ts'
import { row } from '../row.ts'
import type { Report } from '../part.ts'
import type { Shape } from '../population.ts'
import type { Subject } from '../measure.ts'
import type { NewRegistration } from 'libp2p-rendezvous'

/** Registrations in one sample; no more than a tenth of what there is. */
const BATCH = 1_000

/** What is done to registrations, in an order that leaves as many as there were. */
const CHANGES = ['refresh', 'unregister', 'register'] as const

export async function part (report: Report): Promise<void> {
  for (const shape of SHAPES) {
    await measure(shape, report)
    globalThis.gc?.()
  }
}

async function measure (shape: Shape, { progress, row: emit }: Report): Promise<void> {
  const populations: Population[] = []

  for (const size of SIZES) {
    progress(`${size.toLocaleString('en')} registrations in ${shape}`)
    const population = new Population(memoryStore(), size, shape)
    await population.fill()
    populations.push(population)
  }

  progress(`register, refresh, unregister in ${shape}`)
  const changes = await interleave(Object.fromEntries(populations.flatMap(changeSubjects)), { seconds: 8, minRounds: 20, maxRounds: 1_000 })

  for (const change of CHANGES) {
    const [smallest] = SIZES

    for (const { size } of populations) {
      emit(row({
        name: `memory store: ${change}, ${shape}`,
        size,
        unit: 'µs',
        samples: changes[`${change} ${size}`] ?? [],
        ...(size === smallest ? {} : { against: { name: 'at 1,000', samples: changes[`${change} ${smallest}`] ?? [], counts: 'cost' } }),
        ...(change === 'register' && size === 1_000_000 ? { target: { atMost: 3 } } : {})
      }))
    }
  }

  progress(`pages of 100 in ${shape}`)
  await Promise.all(populations.map(async population => population.findPlaces()))
  const pages = await interleave(pageSubjects(populations), { seconds: 2, minRounds: 20, maxRounds: 1_000 })
  pageRows('memory store', shape, pages).forEach(emit)
}

function changeSubjects (population: Population): Array<[string, Subject]> {
  const operations = Math.min(BATCH, population.size / 10)
  let batch: NewRegistration[] = []
  const take = (): void => { batch = population.some(operations) }
  const again = (): void => { batch = batch.map(registration => ({ ...registration })) }

  const subjects: Record<typeof CHANGES[number], Subject> = {
    refresh: { operations, before: take, run: () => { batch.forEach(registration => population.register(registration)) } },
    unregister: { operations, before: take, run: () => { batch.forEach(registration => population.unregister(registration)) } },
    register: { operations, before: again, run: () => { batch.forEach(registration => population.register(registration)) } }
  }

  return CHANGES.map(change => [`${change} ${population.size}`, subjects[change]])
}
