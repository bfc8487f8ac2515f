import { flagName } from '../../flags.ts'
import { limitFlags } from '../../point-init.ts'
import type { Limit, Reading } from './status.ts'

/** What a point was told of its limits; the others have their defaults. */
export interface LimitValues {
  maxRegistrations?: number
  maxBytes?: number
  maxNamespaces?: number
  maxRegistrationsPerNamespace?: number
  maxSubscriptions?: number
  maxConnections: number
}

const usual = (key: keyof typeof limitFlags): number => Number(limitFlags[key].default)

/** How near the limits on all that a point holds are, in the order of the flags. */
export function limitsOf (values: LimitValues, reading: Reading, fullest: number | undefined): Limit[] {
  const limit = (key: keyof LimitValues, what: string, used: number, unit: Limit['unit'] = 'count'): Limit => ({
    flag: flagName(key),
    what,
    used,
    max: values[key] ?? usual(key as keyof typeof limitFlags),
    unit
  })

  return [
    limit('maxConnections', 'Connections', reading.connections),
    limit('maxRegistrations', 'Registrations', reading.registrations),
    limit('maxBytes', 'Bytes of registrations', reading.bytes, 'bytes'),
    limit('maxNamespaces', 'Namespaces', reading.namespaces),
    ...(fullest == null ? [] : [limit('maxRegistrationsPerNamespace', 'Registrations in the fullest namespace', fullest)]),
    limit('maxSubscriptions', 'Namespaces watched', reading.subscriptions)
  ]
}
