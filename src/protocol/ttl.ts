/**
 * TTLs are milliseconds in this package and whole seconds on the wire, rounded up so that a
 * registration is never announced as shorter than it is.
 */
export function toWireTtl (ttl: number): bigint {
  return BigInt(Math.ceil(ttl / 1000))
}

/** Exact for any TTL a point could mean; a uint64 beyond 2^53 only loses precision, not size. */
export function fromWireTtl (ttl: bigint): number {
  return Number(ttl) * 1000
}
