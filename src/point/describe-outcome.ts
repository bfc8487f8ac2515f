import { printable } from '../protocol/printable.ts'
import type { Outcome } from './handler.ts'

/** What a request led to, in the words of a log whose line begins with the peer. */
export function describeOutcome (outcome: Outcome): string {
  switch (outcome.type) {
    case 'registration:added':
      return `registered in ${name(outcome.registration.namespace)} until ${new Date(outcome.registration.expires).toISOString()}`
    case 'registration:refreshed':
      return `registered again in ${name(outcome.registration.namespace)} until ${new Date(outcome.registration.expires).toISOString()}`
    case 'registration:removed':
      return `unregistered from ${name(outcome.registration.namespace)}`
    case 'registration:evicted':
      return `was evicted from ${name(outcome.registration.namespace)}`
    case 'nothing':
      return `unregistered from ${name(outcome.namespace)}, where it was not registered`
    case 'discover:served':
      return `was listed ${outcome.registrations} of ${name(outcome.namespace)}`
    case 'registration:rejected':
      return `may not register in ${name(outcome.namespace ?? '')}: ${refusal(outcome)}`
    case 'unregister:rejected':
      return `could not be unregistered from ${name(outcome.namespace)}: ${refusal(outcome)}`
    case 'discover:rejected':
      return `may not discover ${name(outcome.namespace)}: ${refusal(outcome)}`
  }
}

/** A peer may have written anything. */
function name (namespace: string | undefined): string {
  return namespace == null ? 'all namespaces' : `"${printable(namespace)}"`
}

function refusal ({ status, statusText }: { status: string, statusText: string }): string {
  return `${status}, ${statusText}`
}
