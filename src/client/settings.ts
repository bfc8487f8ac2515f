import { InvalidParametersError } from '@libp2p/interface'
import { DEFAULT_TTL, PROTOCOL_ID, REQUEST_TIMEOUT } from '../protocol/constants.ts'
import { checkNamespace } from '../protocol/namespace.ts'
import { checkDomain, DEFAULT_RECORD_DOMAIN } from '../protocol/peer-record.ts'
import { publicAddresses } from './addresses.ts'
import { parsePoint } from './point-like.ts'
import { MAX_TIMER } from './schedule.ts'
import type { DiscoverFilter, RendezvousClientInit } from './types.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A client's init, with every default filled in and every value checked. */
export interface ClientSettings extends Required<Omit<RendezvousClientInit, 'points' | 'namespaces' | 'discoverFilter' | 'registries' | 'token' | 'maxOutboundStreams' | 'runOnLimitedConnection'>> {
  points: Multiaddr[]
  discoverFilter: DiscoverFilter | undefined
  /** Each ends in a slash. */
  registries: URL[]
}

const DURATIONS = ['ttl', 'refreshBuffer'] as const

/** What a timer waits for. */
const WAITS = ['discoverInterval', 'timeout'] as const

/**
 * @throws {InvalidParametersError} when a value is out of its range
 */
export function clientSettings (init: RendezvousClientInit): ClientSettings {
  checkList('points', init.points)
  checkList('registries', init.registries)

  for (const option of ['namespaces', 'register', 'discover'] as const) {
    checkList(option, init[option])
    init[option]?.forEach(checkNamespace)
  }

  const settings: ClientSettings = {
    points: (init.points ?? []).map((point, index) => addressOf(point, `points[${index}]`)),
    register: union(init.namespaces, init.register),
    discover: union(init.namespaces, init.discover),
    ttl: init.ttl ?? DEFAULT_TTL,
    autoRefresh: init.autoRefresh ?? true,
    live: init.live ?? true,
    refreshBuffer: init.refreshBuffer ?? 5 * 60_000,
    discoverInterval: init.discoverInterval ?? 60_000,
    autoDial: init.autoDial ?? 0,
    discoverFilter: init.discoverFilter ?? (isBrowser() ? publicAddresses : undefined),
    addressFilter: init.addressFilter ?? (() => true),
    recordDomain: init.recordDomain ?? DEFAULT_RECORD_DOMAIN,
    bothForms: init.bothForms ?? true,
    routing: init.routing ?? false,
    registries: (init.registries ?? []).map((url, index) => registryOf(url, `registries[${index}]`)),
    timeout: init.timeout ?? REQUEST_TIMEOUT,
    protocol: init.protocol ?? PROTOCOL_ID
  }

  checkDomain(settings.recordDomain)
  DURATIONS.forEach(name => { checkDuration(name, settings[name]) })
  WAITS.forEach(name => { checkDuration(name, settings[name], MAX_TIMER) })
  checkCount('autoDial', settings.autoDial)

  if (settings.registries.length > 0 && !settings.routing) {
    throw new InvalidParametersError('registries are asked by nobody without routing: true')
  }

  return settings
}

/**
 * @throws {InvalidParametersError}
 */
export function checkDuration (name: string, ms: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (typeof ms !== 'number' || !(ms > 0 && ms <= max)) {
    throw new InvalidParametersError(`${name} must be a number of milliseconds above 0 and at most ${max}, not ${ms}`)
  }
}

/**
 * @throws {InvalidParametersError}
 */
function checkCount (name: string, count: number): void {
  if (!(Number.isInteger(count) && count >= 0)) {
    throw new InvalidParametersError(`${name} must be a whole number of at least 0, not ${count}`)
  }
}

/** A page, or a worker of one: what listens there can be reached by nobody, and what is near is not to be probed. */
export function isBrowser (): boolean {
  return 'navigator' in globalThis && 'location' in globalThis
}

/** A page that was served over https, which may open no insecure connections to other hosts. */
export function isSecurePage (): boolean {
  return isBrowser() && globalThis.location.protocol === 'https:'
}

/** One alone is easily given in its place, and would be taken for its letters. */
function checkList (name: string, list: unknown): void {
  if (list != null && !Array.isArray(list)) {
    throw new InvalidParametersError(`${name} must be a list, not ${String(list)}`)
  }
}

/** More than any point lists, and a number that every encoder writes as it is. */
const MAX_LIMIT = 2 ** 31 - 1

/**
 * @throws {InvalidParametersError}
 */
export function checkLimit (limit: number): void {
  if (!(Number.isInteger(limit) && limit > 0 && limit <= MAX_LIMIT)) {
    throw new InvalidParametersError(`limit must be a whole number from 1 to ${MAX_LIMIT}, not ${limit}`)
  }
}

/**
 * @throws {InvalidParametersError} when it is not an address, or does not end in a peer id
 */
function addressOf (point: Multiaddr | string, option: string): Multiaddr {
  const { address } = parsePoint(point, option)

  if (address == null) {
    throw new InvalidParametersError(`${option} must be an address that ends in /p2p/ and a peer id, not only a peer id: ${point}`)
  }

  return address
}

/**
 * @throws {InvalidParametersError} when it is no URL that can be asked
 */
function registryOf (text: string, option: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined

  // fetch refuses those with a name and a password
  if (url == null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new InvalidParametersError(`${option} must be a URL of http or https without credentials, not ${String(text)}`)
  }

  // what is asked for is below it
  return new URL(`${url.origin}${url.pathname.replace(/\/*$/, '/')}`)
}

function union (...lists: Array<string[] | undefined>): string[] {
  return [...new Set(lists.flatMap(list => list ?? []))]
}
