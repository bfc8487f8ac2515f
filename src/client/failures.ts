import { AbortError } from '@libp2p/interface'
import { NoAddressesError } from '../protocol/errors.ts'

/** What says something of this node and not of a point, so that one is as good as all of them. */
const OWN = new Set([AbortError.name, NoAddressesError.name])

/**
 * What to throw when something worked nowhere: the only point's own error, or all of them.
 *
 * @param what - what did not work, for the message
 */
export function asOneError (what: string, errors: Error[]): Error {
  const one = errors.length === 1 ? errors[0] : errors.find(({ name }) => OWN.has(name))

  return one ?? new AggregateError(errors, `${what}: ${errors.map(({ message }) => message).join('; ')}`)
}
