import { describe, expect, it } from 'vitest'
import { describeOutcome } from '../../src/point/describe-outcome.ts'
import { Status } from '../../src/protocol/errors.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { Outcome } from '../../src/point/handler.ts'

const registration = { ...ORIGIN, namespace: 'my-app', peer: 'peer', signedPeerRecord: new Uint8Array(), expires: Date.UTC(2030, 0, 1), sequence: 1 }
const refused = { status: Status.E_UNAVAILABLE, statusText: 'maxNamespaces (5) is reached' } as const

describe('what a request led to', () => {
  it.each<[Outcome, string]>([
    [{ type: 'registration:added', registration, displaced: [] }, 'registered in "my-app" until 2030-01-01T00:00:00.000Z'],
    [{ type: 'registration:refreshed', registration, displaced: [] }, 'registered again in "my-app" until 2030-01-01T00:00:00.000Z'],
    [{ type: 'registration:removed', registration }, 'unregistered from "my-app"'],
    [{ type: 'registration:evicted', registration }, 'was evicted from "my-app"'],
    [{ type: 'nothing', namespace: 'my-app' }, 'unregistered from "my-app", where it was not registered'],
    [{ type: 'nothing', namespace: undefined }, 'unregistered from all namespaces, where it was not registered'],
    [{ type: 'discover:served', namespace: 'my-app', registrations: 3 }, 'was listed 3 of "my-app"'],
    [{ type: 'discover:served', namespace: undefined, registrations: 0 }, 'was listed 0 of all namespaces'],
    [{ type: 'registration:rejected', namespace: 'my-app', ...refused }, 'may not register in "my-app": E_UNAVAILABLE, maxNamespaces (5) is reached'],
    [{ type: 'registration:rejected', namespace: undefined, ...refused }, 'may not register in "": E_UNAVAILABLE, maxNamespaces (5) is reached'],
    [{ type: 'unregister:rejected', namespace: 'my-app', ...refused }, 'could not be unregistered from "my-app": E_UNAVAILABLE, maxNamespaces (5) is reached'],
    [{ type: 'discover:rejected', namespace: undefined, ...refused }, 'may not discover all namespaces: E_UNAVAILABLE, maxNamespaces (5) is reached']
  ])('is told in a sentence: %j', (outcome, sentence) => {
    expect(describeOutcome(outcome)).toBe(sentence)
  })

  it('is one line, not too long, whatever a peer calls a namespace', () => {
    const sentence = describeOutcome({ type: 'registration:rejected', namespace: `\n\u009b31m${'x'.repeat(15_000)}`, ...refused })

    expect(sentence).toMatch(/^may not register in " {2}31mx+": E_UNAVAILABLE/)
    expect(sentence.length).toBeLessThan(400)
  })
})
