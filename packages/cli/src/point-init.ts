import { count, duration, flagName, rate, text } from './flags.ts'
import { writeDuration } from './durations.ts'
import { UsageError } from './failures.ts'
import type { FlagValues } from './flags.ts'
import type { RendezvousPointInit } from 'libp2p-rendezvous'

/** The options of a point that are numbers, as flags of the same names. */
export const limitFlags = {
  minTtl: { type: duration, help: 'shortest lifetime a registration may ask for; raises the other two, where they are not given', default: '2h' },
  defaultTtl: { type: duration, help: 'lifetime of a registration that asks for none', default: '2h' },
  maxTtl: { type: duration, help: 'longest lifetime a registration may ask for; lowers the other two, where they are not given', default: '72h' },
  maxRegistrations: { type: count, help: 'registrations, all together', default: '1000000' },
  maxRegistrationsPerPeer: { type: count, help: 'namespaces that one peer may be in', default: '100' },
  maxRegistrationsPerNamespace: { type: count, help: 'peers that may be in one namespace', default: '1000' },
  maxNamespaces: { type: count, help: 'namespaces with registrations in them', default: '10000' },
  maxNamespaceLength: { type: count, help: "bytes in a namespace's name, at most 255", default: '255' },
  maxDiscoverLimit: { type: count, help: 'registrations in one response', default: '1000' },
  maxMessageSize: { type: count, help: 'bytes in one request', default: '16384' },
  requestTimeout: { type: duration, help: 'for a request to arrive, and to be answered', default: '10s' },
  idleTimeout: { type: duration, help: 'for a stream to wait for its next request', default: '60s' },
  rateLimit: { type: rate, help: 'requests one peer may make, or off', default: '1000/10s' },
  maxInboundStreams: { type: count, help: 'streams open on one connection', default: '32' },
  protocol: { type: text, help: 'protocol to answer, for private networks', default: '/rendezvous/1.0.0' }
} as const

/**
 * A point's options from its flags. Those that were not given are left to the point.
 *
 * @throws {UsageError}
 */
export function pointInit (values: FlagValues<typeof limitFlags>): RendezvousPointInit {
  const given = Object.keys(limitFlags)
    .map(key => [key, values[key as keyof typeof limitFlags]] as const)
    .filter(([, value]) => value != null)

  const ttls = (['minTtl', 'defaultTtl', 'maxTtl'] as const).filter(key => values[key] != null)

  ttls.forEach((key, index) => {
    const next = ttls[index + 1]

    if (next != null && Number(values[key]) > Number(values[next])) {
      throw new UsageError(`${flagName(key)} (${writeDuration(Number(values[key]))}) may not be longer than ${flagName(next)} (${writeDuration(Number(values[next]))})`)
    }
  })

  return Object.fromEntries(given)
}

/** What a point has against its options, in the words of the command line. */
export function inFlags (message: string): string {
  return message
    .replace(/\b[a-z]+[A-Z]\w*\b/g, key => key in limitFlags ? flagName(key) : key)
    .replace(/(--[a-z]+-ttl) \((\d+)\)/g, (_, name, ms) => `${name} (${writeDuration(Number(ms))})`)
    .replace(/a number of milliseconds above 0 and up to (\d+), not (\d+)/, (_, max, ms) => `at most ${writeDuration(Number(max))}, not ${writeDuration(Number(ms))}`)
    .replace(/an interval above 0 and up to (\d+) milliseconds, not (\d+) and (\d+)/, (_, max, requests, ms) => `an interval of at most ${writeDuration(Number(max))}, not ${requests}/${writeDuration(Number(ms))}`)
}
