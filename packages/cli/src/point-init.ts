import { count, duration, flagName, grace, rate, text } from './flags.ts'
import { parseDuration, writeDuration } from './durations.ts'
import { UsageError } from './failures.ts'
import { checkListening } from './listening.ts'
import { relayLimits } from './relay-limits.ts'
import type { FlagValues } from './flags.ts'
import type { ListeningFlags } from './listening.ts'
import type { relayFlags } from './relay-limits.ts'
import type { RendezvousPointInit } from 'libp2p-rendezvous'

/** The options of a point that are numbers, as flags of the same names. */
export const limitFlags = {
  minTtl: { type: duration, help: 'shortest lifetime a registration may ask for; raises the other two, where they are not given', default: '2h' },
  defaultTtl: { type: duration, help: 'lifetime of a registration that asks for none', default: '2h' },
  maxTtl: { type: duration, help: 'longest lifetime a registration may ask for; lowers the other two, where they are not given', default: '72h' },
  maxRegistrations: { type: count, help: 'registrations, all together', default: '1000000' },
  maxBytes: { type: count, help: 'bytes that all registrations may take', default: '536870912' },
  maxRegistrationsPerPeer: { type: count, help: 'namespaces that one peer may be in', default: '100' },
  maxRegistrationsPerNamespace: { type: count, help: 'peers that may be in one namespace', default: '1000' },
  maxNamespaces: { type: count, help: 'namespaces with registrations in them', default: '10000' },
  maxNamespaceLength: { type: count, help: "bytes in a namespace's name, at most 255", default: '255' },
  maxDiscoverLimit: { type: count, help: 'registrations in one response', default: '1000' },
  maxMessageSize: { type: count, help: 'bytes in one request', default: '16384' },
  requestTimeout: { type: duration, help: 'for a request to arrive, and to be answered', default: '10s' },
  idleTimeout: { type: duration, help: 'for a stream to wait for its next request', default: '3m' },
  rateLimit: { type: rate, help: 'requests one peer may make, or off', default: '1000/10s' },
  presenceGrace: { type: grace, help: 'for a peer that left to come back before it is unregistered, if it asked for that; or off', default: '1m' },
  maxSubscriptions: { type: count, help: 'namespaces watched, counted for each who watches', default: '100000' },
  maxSubscriptionsPerConnection: { type: count, help: 'namespaces watched over one connection', default: '200' },
  maxSubscriptionsPerStream: { type: count, help: 'namespaces watched on one stream', default: '100' },
  maxInboundStreams: { type: count, help: 'streams open on one connection', default: '32' },
  protocol: { type: text, help: 'protocol to answer, for private networks', default: '/rendezvous/1.0.0' }
} as const

/** The other flags of a point that say something of its options, or contradict each other. */
interface OtherFlags extends ListeningFlags, FlagValues<typeof relayFlags> {
  data?: unknown
  memory?: boolean
  store?: unknown
  partitions?: number
  shedding?: boolean
  trustedProxy?: string[]
  verbose?: boolean
  quiet?: boolean
}

/**
 * A point's options from its flags. Those that were not given are left to the point.
 *
 * @throws {UsageError}
 */
export function pointInit (values: FlagValues<typeof limitFlags> & OtherFlags): RendezvousPointInit {
  checkContradictions(values)
  checkListening(values)
  relayLimits(values, 1)
  checkLifetimes(values)

  const { presenceGrace, shedding, trustedProxy } = values
  const init = {
    ...Object.fromEntries(Object.entries(values).filter(([key]) => key in limitFlags && key !== 'presenceGrace')),
    ...(shedding == null ? {} : { shedding }),
    ...(trustedProxy == null ? {} : { trustedProxies: trustedProxy })
  }

  return presenceGrace == null ? init : { ...init, presence: presenceGrace === false ? false : { grace: presenceGrace } }
}

/**
 * @throws {UsageError} that says what to choose from
 */
function checkContradictions ({ data, memory, store, partitions, workers, relay, verbose, quiet }: OtherFlags): void {
  if (memory === true && data != null) {
    throw new UsageError('--memory keeps nothing, and --data says where to keep it: give one of them')
  }

  if (memory === true && store != null) {
    throw new UsageError('--memory keeps nothing, and --store says where to keep it: give one of them')
  }

  if (partitions != null && store == null) {
    throw new UsageError('--partitions divide a store that points share: give --store valkey://HOST, too')
  }

  if (workers != null && store == null) {
    throw new UsageError('--workers share a store, which has to be one for several processes: give --store valkey://HOST, too')
  }

  if (workers != null && relay === true) {
    throw new UsageError('--relay connects peers that are connected to one process, and --workers are several: give one of them')
  }

  if (verbose === true && quiet === true) {
    throw new UsageError('--verbose shows more, and --quiet shows less: give one of them')
  }
}

type Lifetimes = Record<'minTtl' | 'defaultTtl' | 'maxTtl', number>

/** The lifetimes that follow from those that were given: the others make way for them. */
export function lifetimes (values: Partial<Lifetimes>): Lifetimes {
  const usual = (key: keyof Lifetimes): number => parseDuration(limitFlags[key].default) as number
  const minTtl = values.minTtl ?? Math.min(usual('minTtl'), values.maxTtl ?? Infinity)
  const maxTtl = values.maxTtl ?? Math.max(usual('maxTtl'), minTtl)

  return { minTtl, maxTtl, defaultTtl: values.defaultTtl ?? Math.min(Math.max(usual('defaultTtl'), minTtl), maxTtl) }
}

/**
 * @throws {UsageError} that says which flag to change
 */
function checkLifetimes (values: Partial<Lifetimes>): void {
  const effective = lifetimes(values)
  const written = (key: keyof Lifetimes): string => `${flagName(key)} (${writeDuration(effective[key])})`

  for (const [shorter, longer] of [['minTtl', 'maxTtl'], ['minTtl', 'defaultTtl'], ['defaultTtl', 'maxTtl']] as const) {
    if (effective[shorter] > effective[longer]) {
      // the one that was not given is the one that makes way
      const [given, other] = values[shorter] == null ? [longer, shorter] as const : [shorter, longer] as const

      throw new UsageError(values[other] == null
        ? `${written(given)} is ${given === shorter ? 'longer' : 'shorter'} than ${written(other)}: give ${flagName(other)} ${writeDuration(effective[given])}, too`
        : `${written(shorter)} is longer than ${written(longer)}: lower ${flagName(shorter)} or raise ${flagName(longer)}`)
    }
  }
}

/** What a point has against its options, in the words of the command line. */
export function inFlags (message: string): string {
  return message
    .replace(/\b[a-z]+[A-Z]\w*\b/g, key => key in limitFlags ? flagName(key) : key)
    .replace(/a number of milliseconds above 0 and up to (\d+), not (\d+)/, (_, max, ms) => `at most ${writeDuration(Number(max))}, not ${writeDuration(Number(ms))}`)
    .replace(/an interval above 0 and up to (\d+) milliseconds, not (\d+) and (\d+)/, (_, max, requests, ms) => `an interval of at most ${writeDuration(Number(max))}, not ${requests}/${writeDuration(Number(ms))}`)
}
