import { AggregatorRegistry } from 'prom-client'
import type { Registry } from 'prom-client'

/** What a process has measured, as objects. */
export type Metrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export interface WorkerMetrics {
  /** Undefined when it did not answer. */
  metrics: Metrics | undefined
  /** How often it was started in the place of one that had ended. */
  restarts: number
}

/** The label that says which worker has told it. */
const LABEL = 'worker'

/**
 * The metrics of several processes in Prometheus' text format. They are not added up, for much of it is no sum: of the
 * store all of them say the same, and a worker that is late does not become less so by the others.
 *
 * @param workers - in the order of their numbers
 */
export async function mergeMetrics (workers: WorkerMetrics[]): Promise<{ contentType: string, text: string }> {
  const own: Metrics = [
    metric('worker_up', 'gauge', 'Whether the worker answers', workers.map(({ metrics }) => metrics == null ? 0 : 1)),
    metric('worker_restarts_total', 'counter', 'How often the worker was started in the place of one that had ended', workers.map(({ restarts }) => restarts))
  ]
  const all = workers.map(({ metrics = [] }, index) => metrics.map(told => ({
    ...told,
    // what differs in its labels is kept apart
    aggregator: 'sum' as const,
    values: told.values.map(value => ({ ...value, labels: { ...value.labels, [LABEL]: index + 1 } }))
  })))
  const registry = AggregatorRegistry.aggregate([own, ...all])

  return { contentType: registry.contentType, text: await registry.metrics() }
}

function metric (name: string, type: 'gauge' | 'counter', help: string, values: number[]): Metrics[number] {
  return {
    name: `libp2p_rendezvous_point_${name}`,
    type: type as unknown as Metrics[number]['type'],
    help,
    aggregator: 'sum',
    collect: () => {},
    values: values.map((value, index) => ({ value, labels: { [LABEL]: index + 1 } }))
  }
}
