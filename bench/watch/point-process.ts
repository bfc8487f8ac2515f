import { setTimeout as delay } from 'node:timers/promises'
import { memoryStore } from 'libp2p-rendezvous'
import { startPoint } from '../nodes.ts'
import { NO_LIMITS, real } from '../registrations.ts'
import { now } from './clock.ts'
import type { NewRegistration } from 'libp2p-rendezvous'

/** What the point is asked for. */
export type PointQuestion =
  /** The processor time that it has used, in microseconds. */
  | { ask: 'processorTime' }
  /** Bytes that are in use, after a collection. */
  | { ask: 'memory' }
  /** Registers so many peers in a namespace, the same at each call, within so many milliseconds. */
  | { ask: 'storm', namespace: string, peers: number, during: number }

/** When each was registered, by the clock that all share. */
export type Registered = Float64Array

const store = memoryStore()
const node = await startPoint(store, undefined, process.argv[2] !== 'silent')
const prepared = new Map<string, NewRegistration[]>()

process.on('disconnect', () => { process.exit() })
process.on('message', (question: PointQuestion) => {
  answer(question).then(answer => { process.send?.(answer) }, err => {
    console.error(err)
    process.exit(1)
  })
})
process.send?.(String(node.getMultiaddrs()[0]))

async function answer (question: PointQuestion): Promise<number | Registered> {
  switch (question.ask) {
    case 'processorTime': {
      const { user, system } = process.cpuUsage()
      return user + system
    }
    case 'memory': {
      // buffers are let go some time after their objects
      for (let i = 0; i < 3; i++) {
        globalThis.gc?.()
        await delay(100)
      }

      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    case 'storm': return storm(question)
  }
}

async function storm ({ namespace, peers, during }: PointQuestion & { ask: 'storm' }): Promise<Registered> {
  const registrations = prepared.get(namespace) ?? await real(peers, namespace)
  prepared.set(namespace, registrations)
  const registered = new Float64Array(peers)
  const begin = now()

  for (const [index, registration] of registrations.entries()) {
    const early = begin + during * index / peers - now()

    if (early >= 1) {
      await delay(early)
    }

    registered[index] = now()
    await store.register(registration, NO_LIMITS, Date.now())
  }

  return registered
}
