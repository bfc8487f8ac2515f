import { interleave, scale } from '../measure.ts'
import { startClient } from '../nodes.ts'
import { row } from '../row.ts'
import type { Report } from '../part.ts'
import type { Client } from '../nodes.ts'
import type { Subject } from '../measure.ts'

const SECONDS = 30

/** Two nodes that are started together, until each has found the other. */
export async function measurePairs (telling: string, silent: string, { progress, row: emit }: Report): Promise<void> {
  progress('two nodes that are started together')
  const samples = await interleave({ push: pair(telling), polling: pair(silent) }, { seconds: SECONDS, warmUp: 1, minRounds: 8 })

  emit(row({ name: 'two nodes started together find each other', size: 2, unit: 'ms', samples: scale(samples.push, 1 / 1_000), against: { name: 'at a point that does not tell', samples: scale(samples.polling, 1 / 1_000), counts: 'cost' }, target: { atMost: 200 } }))
}

function pair (point: string): Subject {
  let started: Client[] = []
  let pairs = 0

  return {
    before: async () => { await Promise.all(started.map(async ({ node }) => node.stop())) },
    run: async () => {
      const namespace = `pair-${++pairs}`
      started = await Promise.all(['one', 'the other'].map(async () => {
        const client = await startClient([point], { namespaces: [namespace] })
        // it cannot have been found before the end of this turn
        found.set(client, new Promise(resolve => { client.rendezvous.addEventListener('peer', () => { resolve() }, { once: true }) }))

        return client
      }))
      await Promise.all(started.map(async client => found.get(client)))
    }
  }
}

const found = new WeakMap<Client, Promise<void>>()
