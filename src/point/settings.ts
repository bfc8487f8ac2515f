import { InvalidParametersError } from '@libp2p/interface'
import { DEFAULT_TTL, MAX_NAMESPACE_LENGTH, MAX_RESPONSE_SIZE, MAX_TTL, MIN_TTL, PROTOCOL_ID, REQUEST_TIMEOUT } from '../protocol/constants.ts'
import type { PresenceInit, RateLimit, RendezvousPointInit } from './types.ts'

/** The numbers a point works by: its init, with every default filled in and every value checked. */
export interface PointSettings extends Required<Pick<RendezvousPointInit, typeof COUNTS[number] | typeof DURATIONS[number] | 'watch' | 'shedding' | 'keepBothForms' | 'matchReaders' | 'identifyPatience' | 'protocol'>> {
  rateLimit: RateLimit | false
  presence: PresenceInit | false
}

const COUNTS = [
  'maxNamespaceLength', 'maxRegistrationsPerPeer', 'maxRegistrationsPerNamespace', 'maxNamespaces',
  'maxRegistrations', 'maxBytes', 'maxDiscoverLimit', 'maxMessageSize', 'maxInboundStreams',
  'maxSubscriptionsPerStream', 'maxSubscriptionsPerConnection', 'maxSubscriptions'
] as const

/** Three of a client's intervals between polls, so that the next one finds the stream open. */
const IDLE_TIMEOUT = 180_000

/** The longest time that a timer can be set to; what is beyond fires at once. */
const MAX_TIMEOUT = 2 ** 31 - 1

/** Sixty-eight years: protons writes numbers from 2^31 to 2^32 wrong, and a TTL is sent in seconds. */
const MAX_TTL_SETTING = (2 ** 31 - 1) * 1_000

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
    maxBytes: init.maxBytes ?? 512 * 1024 * 1024,
    maxDiscoverLimit: init.maxDiscoverLimit ?? 1_000,
    maxMessageSize: init.maxMessageSize ?? 16 * 1024,
    maxInboundStreams: init.maxInboundStreams ?? 32,
    requestTimeout: init.requestTimeout ?? REQUEST_TIMEOUT,
    idleTimeout: init.idleTimeout ?? IDLE_TIMEOUT,
    rateLimit: init.rateLimit ?? { requests: 1_000, interval: 10_000 },
    watch: init.watch ?? true,
    shedding: init.shedding ?? false,
    maxSubscriptionsPerStream: init.maxSubscriptionsPerStream ?? 100,
    maxSubscriptionsPerConnection: init.maxSubscriptionsPerConnection ?? 200,
    maxSubscriptions: init.maxSubscriptions ?? 100_000,
    presence: init.presence ?? { grace: 60_000 },
    keepBothForms: init.keepBothForms ?? true,
    matchReaders: init.matchReaders ?? true,
    identifyPatience: init.identifyPatience ?? 1_000,
    protocol: init.protocol ?? PROTOCOL_ID
  }

  for (const name of COUNTS) {
    checkGiven(name, init[name], value => Number.isSafeInteger(value) && value >= 1, 'a whole number of at least 1')
  }

  for (const name of DURATIONS) {
    const max = name.endsWith('Ttl') ? MAX_TTL_SETTING : MAX_TIMEOUT
    checkGiven(name, init[name], value => value > 0 && value <= max, `a number of milliseconds above 0 and up to ${max}`)
  }

  if (settings.presence !== false) {
    checkGiven('presence.grace', settings.presence.grace, value => value >= 0 && value <= MAX_TIMEOUT, `a number of milliseconds from 0 to ${MAX_TIMEOUT}`)
  }

  checkGiven('identifyPatience', init.identifyPatience, value => value >= 0 && value <= MAX_TIMEOUT, `a number of milliseconds from 0 to ${MAX_TIMEOUT}`)
  check(settings.maxNamespaceLength <= MAX_NAMESPACE_LENGTH, `maxNamespaceLength must be at most ${MAX_NAMESPACE_LENGTH}, or cookies would not fit`)
  check(settings.maxMessageSize <= MAX_RESPONSE_SIZE / 2, `maxMessageSize must be at most ${MAX_RESPONSE_SIZE / 2}, or a registration would not fit a response`)
  checkOrder(settings, 'minTtl', 'maxTtl')
  checkOrder(settings, 'minTtl', 'defaultTtl')
  checkOrder(settings, 'defaultTtl', 'maxTtl')

  if (settings.rateLimit !== false) {
    const { requests, interval } = settings.rateLimit
    check(requests >= 1 && interval > 0 && interval <= MAX_TIMEOUT, `rateLimit needs at least 1 request and an interval above 0 and up to ${MAX_TIMEOUT} milliseconds, not ${requests} and ${interval}`)
  }

  return settings
}

function checkOrder (settings: PointSettings, shorter: 'minTtl' | 'defaultTtl', longer: 'defaultTtl' | 'maxTtl'): void {
  check(settings[shorter] <= settings[longer], `${shorter} (${settings[shorter]}) may not be longer than ${longer} (${settings[longer]}): lower ${shorter}, or raise ${longer}`)
}

/** Defaults need no check, and one that follows from another option is not to blame for it. */
function checkGiven (name: string, value: number | undefined, isValid: (value: number) => boolean, what: string): void {
  check(value == null || (typeof value === 'number' && isValid(value)), `${name} must be ${what}, not ${value}`)
}

function check (condition: boolean, problem: string): void {
  if (!condition) {
    throw new InvalidParametersError(problem)
  }
}
