import { DEFAULT_MAX_CONNECTION_RATE, DEFAULT_MAX_CONNECTIONS } from '../options.ts'
import { limitFlags } from '../point-init.ts'

interface Limits {
  maxConnections?: number
  maxConnectionRate?: number
  maxSubscriptions?: number
}

/**
 * What each of several processes may have, so that together they have what one may: connections come to them in turns.
 * What is not a whole number is rounded up.
 */
export function shareOf (limits: Limits, workers: number): Required<Limits> {
  const share = (limit: number): number => Math.ceil(limit / workers)

  return {
    maxConnections: share(limits.maxConnections ?? DEFAULT_MAX_CONNECTIONS),
    maxConnectionRate: share(limits.maxConnectionRate ?? DEFAULT_MAX_CONNECTION_RATE),
    maxSubscriptions: share(limits.maxSubscriptions ?? Number(limitFlags.maxSubscriptions.default))
  }
}
