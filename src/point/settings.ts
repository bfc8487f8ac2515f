import { InvalidParametersError } from '@libp2p/interface'
import { DEFAULT_TTL, MAX_NAMESPACE_LENGTH, MAX_RESPONSE_SIZE, MAX_TTL, MIN_TTL, PROTOCOL_ID, REQUEST_TIMEOUT } from '../protocol/constants.ts'
import type { RateLimit, RendezvousPointInit } from './index.ts'

/** The numbers a point works by: its init, with every default filled in and every value checked. */
export interface PointSettings extends Required<Pick<RendezvousPointInit, typeof COUNTS[number] | typeof DURATIONS[number] | 'protocol'>> {
  rateLimit: RateLimit | false
}

const COUNTS = [
  'maxNamespaceLength', 'maxRegistrationsPerPeer', 'maxRegistrationsPerNamespace', 'maxNamespaces',
  'maxRegistrations', 'maxDiscoverLimit', 'maxMessageSize'
] as const

const DURATIONS = ['minTtl', 'defaultTtl', 'maxTtl', 'requestTimeout', 'idleTimeout'] as const

/**
 * @throws {InvalidParametersError} when a value is out of its range
 */
export function pointSettings (init: RendezvousPointInit): PointSettings {
  const minTtl = init.minTtl ?? Math.min(MIN_TTL, init.maxTtl ?? MAX_TTL)
  const maxTtl = init.maxTtl ?? Math.max(MAX_TTL, minTtl)
  const settings: PointSettings = {
    minTtl,
    maxTtl,
    defaultTtl: init.defaultTtl ?? Math.min(Math.max(DEFAULT_TTL, minTtl), maxTtl),
    maxNamespaceLength: init.maxNamespaceLength ?? MAX_NAMESPACE_LENGTH,
    maxRegistrationsPerPeer: init.maxRegistrationsPerPeer ?? 100,
    maxRegistrationsPerNamespace: init.maxRegistrationsPerNamespace ?? 1_000,
    maxNamespaces: init.maxNamespaces ?? 10_000,
    maxRegistrations: init.maxRegistrations ?? 1_000_000,
    maxDiscoverLimit: init.maxDiscoverLimit ?? 1_000,
    maxMessageSize: init.maxMessageSize ?? 16 * 1024,
    requestTimeout: init.requestTimeout ?? REQUEST_TIMEOUT,
    idleTimeout: init.idleTimeout ?? 60_000,
    rateLimit: init.rateLimit ?? { requests: 500, interval: 1_000 },
    protocol: init.protocol ?? PROTOCOL_ID
  }

  for (const name of COUNTS) {
    check(Number.isSafeInteger(settings[name]) && settings[name] >= 1, `${name} must be a whole number of at least 1, not ${settings[name]}`)
  }

  for (const name of DURATIONS) {
    check(settings[name] > 0 && settings[name] < Infinity, `${name} must be a number of milliseconds above 0, not ${settings[name]}`)
  }

  check(settings.maxNamespaceLength <= MAX_NAMESPACE_LENGTH, `maxNamespaceLength must be at most ${MAX_NAMESPACE_LENGTH}, or cookies would not fit`)
  check(settings.maxMessageSize <= MAX_RESPONSE_SIZE / 2, `maxMessageSize must be at most ${MAX_RESPONSE_SIZE / 2}, or a registration would not fit a response`)
  check(minTtl <= settings.defaultTtl && settings.defaultTtl <= maxTtl, `minTtl (${minTtl}), defaultTtl (${settings.defaultTtl}) and maxTtl (${maxTtl}) must be in this order`)

  if (settings.rateLimit !== false) {
    const { requests, interval } = settings.rateLimit
    check(requests >= 1 && interval > 0 && interval < Infinity, `rateLimit needs at least 1 request and an interval above 0 milliseconds, not ${requests} and ${interval}`)
  }

  return settings
}

function check (condition: boolean, problem: string): void {
  if (!condition) {
    throw new InvalidParametersError(problem)
  }
}
