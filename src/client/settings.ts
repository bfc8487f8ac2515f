import { InvalidParametersError } from '@libp2p/interface'
import { isMultiaddr, multiaddr } from '@multiformats/multiaddr'
import { DEFAULT_TTL, PROTOCOL_ID, REQUEST_TIMEOUT } from '../protocol/constants.ts'
import { checkNamespace } from '../protocol/namespace.ts'
import { peerIdOf } from './point-like.ts'
import type { RendezvousClientInit } from './index.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A client's init, with every default filled in and every value checked. */
export interface ClientSettings extends Required<Omit<RendezvousClientInit, 'points' | 'maxOutboundStreams' | 'runOnLimitedConnection'>> {
  points: Multiaddr[]
}

const DURATIONS = ['ttl', 'refreshBuffer', 'discoverInterval', 'timeout'] as const

/**
 * @throws {InvalidParametersError} when a value is out of its range
 */
export function clientSettings (init: RendezvousClientInit): ClientSettings {
  const settings: ClientSettings = {
    points: (init.points ?? []).map(point => isMultiaddr(point) ? point : multiaddr(point)),
    namespaces: init.namespaces ?? [],
    ttl: init.ttl ?? DEFAULT_TTL,
    autoRefresh: init.autoRefresh ?? true,
    refreshBuffer: init.refreshBuffer ?? 5 * 60_000,
    discoverInterval: init.discoverInterval ?? 60_000,
    addressFilter: init.addressFilter ?? (() => true),
    timeout: init.timeout ?? REQUEST_TIMEOUT,
    protocol: init.protocol ?? PROTOCOL_ID
  }

  settings.points.forEach(point => peerIdOf(point))
  settings.namespaces.forEach(checkNamespace)
  DURATIONS.forEach(name => { checkDuration(name, settings[name]) })

  return settings
}

/**
 * @throws {InvalidParametersError}
 */
export function checkDuration (name: string, ms: number): void {
  if (!(ms > 0 && ms < Infinity)) {
    throw new InvalidParametersError(`${name} must be a number of milliseconds above 0, not ${ms}`)
  }
}

/**
 * @throws {InvalidParametersError}
 */
export function checkLimit (limit: number): void {
  if (!(Number.isSafeInteger(limit) && limit > 0)) {
    throw new InvalidParametersError(`limit must be a whole number above 0, not ${limit}`)
  }
}
