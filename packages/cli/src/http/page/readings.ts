import { lastOf } from './refusals.ts'
import type { Reading } from './status.ts'

/**
 * What all processes of a point have together. They share the store, so each says the same of it.
 *
 * @param readings - one or more
 */
export function merged (readings: Reading[]): Reading {
  const all = (of: (reading: Reading) => number): number => readings.reduce((sum, reading) => sum + of(reading), 0)
  const most = (of: (reading: Reading) => number): number => readings.reduce((most, reading) => Math.max(most, of(reading)), 0)
  const refusals: Record<string, number> = {}

  for (const [status, count] of readings.flatMap(reading => Object.entries(reading.refusals))) {
    refusals[status] = (refusals[status] ?? 0) + count
  }

  return {
    registrations: most(({ registrations }) => registrations),
    namespaces: most(({ namespaces }) => namespaces),
    bytes: most(({ bytes }) => bytes),
    connections: all(({ connections }) => connections),
    subscriptions: all(({ subscriptions }) => subscriptions),
    requests: all(({ requests }) => requests),
    refusals,
    memory: all(({ memory }) => memory),
    delay: most(({ delay }) => delay),
    refused: lastOf(readings.map(({ refused }) => refused))
  }
}

export function sum (counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
