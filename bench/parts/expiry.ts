import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { createLibp2p } from 'libp2p'
import { memoryStore, rendezvousPoint } from 'libp2p-rendezvous'
import { HOUR, madeUp, NO_LIMITS } from '../registrations.ts'
import { row } from '../row.ts'
import type { Report } from '../part.ts'
import type { Shape } from '../population.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

const SIZE = 1_000_000
const NAMESPACES = 10_000
const REPEAT = 3

/** The point looks at its store at once when it starts. Milliseconds. */
const PATIENCE = 120_000

export async function part ({ progress, row: emit }: Report): Promise<void> {
  for (const shape of ['one namespace', '10,000 namespaces'] satisfies Shape[]) {
    const holds: number[] = []
    const collections: number[] = []
    const durations: number[] = []
    const idleHolds: number[] = []

    for (let i = 0; i < REPEAT; i++) {
      progress(`filling with ${SIZE.toLocaleString('en')} in ${shape}, ${i + 1} of ${REPEAT}`)
      const store = await fill(shape)
      globalThis.gc?.()
      progress(`expiry in ${shape}, ${i + 1} of ${REPEAT}`)
      const { hold, longestCollection, duration } = await expire(store)
      holds.push(hold)
      collections.push(longestCollection)
      durations.push(duration)
      idleHolds.push(await longestHold(now => now < duration))
    }

    const about = { size: SIZE, unit: 'ms' } as const
    emit(row({ name: `expiry: longest hold of the event loop, ${shape}`, ...about, samples: holds, against: { name: 'an idle loop, as long', samples: idleHolds, counts: 'cost' }, target: { atMost: 10 } }))
    emit(row({ name: `expiry: longest pause for the garbage collector in that time, ${shape}`, ...about, samples: collections }))
    emit(row({ name: `expiry: until the last one is gone, ${shape}`, ...about, samples: durations }))
  }
}

async function fill (shape: Shape): Promise<RegistrationStore> {
  const store = memoryStore()
  const now = Date.now()

  for (let index = 0; index < SIZE; index++) {
    const namespace = shape === 'one namespace' ? 'all-in-one' : `namespace-${index % NAMESPACES}`
    // they have all expired when the point starts
    await store.register(madeUp(index, namespace, 2 * HOUR), NO_LIMITS, now - 2 * HOUR - 1_000)
  }

  return store
}

/** Milliseconds. */
interface Observed {
  /** Between two turns of the event loop; in some of it another process may have had the processor. */
  hold: number
  longestCollection: number
  duration: number
}

/** Starts a point with that store, and watches the event loop until the store is empty. */
async function expire (store: RegistrationStore): Promise<Observed> {
  const node = await createLibp2p({ start: false, services: { point: rendezvousPoint({ store, matchReaders: false }) } })
  let longestCollection = 0
  const observer = new PerformanceObserver(list => {
    longestCollection = Math.max(longestCollection, ...list.getEntries().map(({ duration }) => duration))
  })

  await node.start()
  const start = performance.now()
  observer.observe({ entryTypes: ['gc'] })
  const hold = await longestHold(now => {
    if (now > PATIENCE) {
      throw new Error('The registrations were not removed')
    }

    return store.size.registrations > 0
  })
  const duration = performance.now() - start

  await node.stop()
  observer.disconnect()

  return { hold, longestCollection, duration }
}

/**
 * Watches the event loop for as long as it is told to.
 *
 * @param goesOn - asked with the milliseconds that have passed
 * @returns milliseconds: the longest time between two turns
 */
async function longestHold (goesOn: (passed: number) => boolean): Promise<number> {
  const start = performance.now()
  let longest = 0

  for (let last = start; goesOn(last - start);) {
    await turn()
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }

  return longest
}
