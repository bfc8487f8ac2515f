import { lengthOf } from './population.ts'
import { row } from './row.ts'
import type { Subject } from './measure.ts'
import type { Population, Shape } from './population.ts'
import type { TableRow } from './row.ts'

/** Pages in one sample: enough that the clock's own cost does not count. */
const OPERATIONS = 50

/**
 * Where in a listing a page is. One at the start, in the middle and at the end is read again and again;
 * one anywhere is another each time, so in a large store it comes from memory and not from a cache.
 */
const PLACES = ['start', 'middle', 'end', 'anywhere'] as const

/** A page of a thousand registrations never leaves the cache, so only what stays there can be compared with it. */
const PLACES_TO_COMPARE = new Set<string>(['start', 'middle', 'end'])

/** The page that one of ten thousand namespaces is, or a part of a page: how much depends on the size. */
const OF_ONE = 'of-one'

/** Pages of 100 at every place of each store's listing, by the keys that `pageRows` looks for. */
export function pageSubjects (populations: Population[]): Record<string, Subject> {
  return Object.fromEntries(populations.flatMap(population => {
    const cursors = {
      start: () => undefined,
      middle: () => population.cursorAt(0.5),
      end: () => population.cursorAt(1),
      anywhere: () => population.cursorAt(Math.random())
    }
    const subjects = PLACES.map((place): [string, Subject] => [
      `${place} ${population.size}`,
      pages(() => population.page(cursors[place](), population.namespace))
    ])

    return population.namespace == null
      ? [...subjects, [`${OF_ONE} ${population.size}`, pages(() => population.page(undefined, population.someNamespace()))]]
      : subjects
  }))
}

export function pageRows (store: string, shape: Shape, samples: Record<string, number[]>): TableRow[] {
  return Object.entries(samples)
    .map(([key, values]) => {
      const [place, size] = key.split(' ') as [string, string]

      return { place, size: Number(size), values }
    })
    .sort((a, b) => [...PLACES, OF_ONE].indexOf(a.place) - [...PLACES, OF_ONE].indexOf(b.place) || a.size - b.size)
    .map(({ place, size, values }) => row({
      name: `${store}: ${nameOf(place, shape)}`,
      size,
      unit: 'µs',
      samples: values,
      ...(size === 1_000 || place === OF_ONE ? {} : { against: { name: 'at 1,000', samples: samples[`${place} 1000`] ?? [], counts: 'cost' } }),
      ...(size === 1_000_000 ? { target: { atMost: 10, ...(PLACES_TO_COMPARE.has(place) ? { ratio: 1.5 } : {}) } } : {})
    }))
}

function nameOf (place: string, shape: Shape): string {
  if (place === OF_ONE) {
    return 'page of one of 10,000 namespaces'
  }

  return shape === 'one namespace' ? `page of 100, ${place}, one namespace` : `page of 100, ${place}, all of 10,000 namespaces`
}

function pages (page: () => ReturnType<Population['page']>): Subject {
  return {
    operations: OPERATIONS,
    run: () => {
      let listed = 0

      for (let i = 0; i < OPERATIONS; i++) {
        const answer = page()

        if (answer instanceof Promise) {
          throw new Error('A listing is expected at once')
        }

        listed += lengthOf(answer)
      }

      if (listed === 0) {
        throw new Error('Nothing was listed')
      }
    }
  }
}
