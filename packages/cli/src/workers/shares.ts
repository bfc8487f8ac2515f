import { limitFlags } from '../point-init.ts'
import { roomFor } from '../room.ts'
import type { Room } from '../room.ts'

interface Limits extends Partial<Room> {
  maxSubscriptions?: number
}

/**
 * What each of several processes may have, so that together they have what one may: connections come to them in turns.
 * What is not a whole number is rounded up.
 */
export function shareOf (limits: Limits, workers: number): Required<Limits> {
  const { maxConnections, maxConnectionRate } = roomFor({ ...limits, workers })
  const share = (limit: number): number => Math.ceil(limit / workers)

  return {
    maxConnections: share(maxConnections),
    maxConnectionRate: share(maxConnectionRate),
    maxSubscriptions: share(limits.maxSubscriptions ?? Number(limitFlags.maxSubscriptions.default))
  }
}
