import { monitorEventLoopDelay } from 'node:perf_hooks'
import { register } from 'prom-client'
import { fullestNamespaces } from './fullest.ts'
import { sum } from './readings.ts'
import { LastRefusals } from './refusals.ts'
import type { Fullness, Reading } from './status.ts'
import type { PointNode } from '../../point-node.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

/** How often it is looked how late the event loop is, in milliseconds. */
const RESOLUTION = 20

/** Namespaces that are shown. */
const FULLEST = 20

/** What are no requests among the outcomes that a point counts. */
const NOT_ASKED_FOR = new Set(['registration:expired', 'registration:displaced', 'registration:evicted'])

/** Says what the point in this process has, again and again to one who wants to know. */
export class Reporter {
  readonly #node: PointNode
  readonly #store: RegistrationStore
  readonly #refusals = new LastRefusals()
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION })

  constructor (node: PointNode, store: RegistrationStore) {
    this.#node = node
    this.#store = store
    this.#refusals.follow(node.services.rendezvousPoint)
    // it keeps no process from ending
    this.#delays.enable()
  }

  async read (): Promise<Reading> {
    const { size: { registrations, namespaces, bytes } } = this.#node.services.rendezvousPoint
    const { outcomes_total: outcomes, refusals_total: byStatus, subscriptions } = await counted('outcomes_total', 'refusals_total', 'subscriptions')
    // the time between two looks counts, too
    const delay = this.#delays.count === 0 ? 0 : Math.max(this.#delays.max / 1e6 - RESOLUTION, 0)
    this.#delays.reset()

    return {
      registrations,
      namespaces,
      bytes,
      connections: this.#node.getConnections().length,
      subscriptions: sum(subscriptions),
      requests: sum(Object.fromEntries(Object.entries(outcomes).filter(([outcome]) => !NOT_ASKED_FOR.has(outcome)))),
      refusals: byStatus,
      memory: process.memoryUsage.rss(),
      delay: Math.round(delay * 10) / 10,
      refused: this.#refusals.all
    }
  }

  async fullest (): Promise<Fullness[]> {
    return fullestNamespaces(this.#store, FULLEST)
  }
}

/** What the point has counted for Prometheus, by its label or under no name. */
async function counted <K extends string> (...names: K[]): Promise<Record<K, Record<string, number>>> {
  const entries = names.map(async name => {
    const metric = await register.getSingleMetric(`libp2p_rendezvous_point_${name}`)?.get()

    return [name, Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [String(Object.values(labels)[0] ?? ''), value]))]
  })

  return Object.fromEntries(await Promise.all(entries))
}
