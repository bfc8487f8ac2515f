import { parseDuration } from './durations.ts'
import { UsageError } from './failures.ts'
import { count, duration, flag, flagName } from './flags.ts'
import type { FlagValues } from './flags.ts'

/** What a relay may be asked for, as flags. */
export const relayFlags = {
  relay: { type: flag, help: 'let peers that cannot be reached, browsers above all, be reached through this point' },
  maxRelayReservations: { type: count, help: 'peers that may be reached through this point', default: 'as many as connections' },
  maxRelayCircuits: { type: count, help: 'connections through this point at a time', default: '1000' },
  maxRelayCircuitsPerConnection: { type: count, help: 'of them, those that one peer may open, or be opened to it', default: '64' },
  maxRelayBytes: { type: count, help: 'bytes that go through one of them, in both directions together', default: '131072' },
  maxRelayDuration: { type: duration, help: 'how long one of them lasts', default: '2m' }
} as const

/** What a timer takes, in whole days: milliseconds. */
const MAX_DURATION = 24 * 24 * 60 * 60_000

export interface RelayLimits {
  /** Peers that may be reached through it. */
  reservations: number
  /** Connections through it at a time; of them, of one connection in each direction; and of each, bytes and milliseconds. */
  circuits: number
  circuitsPerConnection: number
  bytes: number
  duration: number
}

/**
 * What a relay is limited to.
 *
 * @param maxConnections - of the node; each that has a reservation is connected
 * @returns undefined when there is to be none
 * @throws {UsageError} when it says something of a relay that there is not
 */
export function relayLimits ({ relay, ...limits }: FlagValues<typeof relayFlags>, maxConnections: number): RelayLimits | undefined {
  if (relay !== true) {
    const [lone] = Object.keys(relayFlags).filter(key => limits[key as keyof typeof limits] != null)

    if (lone != null) {
      throw new UsageError(`${flagName(lone)} limits what ${flagName('relay')} turns on: give that, too`)
    }

    return
  }

  if ((limits.maxRelayDuration ?? 0) > MAX_DURATION) {
    throw new UsageError(`${flagName('maxRelayDuration')} takes at most 24d`)
  }

  return {
    reservations: limits.maxRelayReservations ?? maxConnections,
    circuits: limits.maxRelayCircuits ?? Number(relayFlags.maxRelayCircuits.default),
    circuitsPerConnection: limits.maxRelayCircuitsPerConnection ?? Number(relayFlags.maxRelayCircuitsPerConnection.default),
    bytes: limits.maxRelayBytes ?? Number(relayFlags.maxRelayBytes.default),
    duration: limits.maxRelayDuration ?? parseDuration(relayFlags.maxRelayDuration.default) as number
  }
}
