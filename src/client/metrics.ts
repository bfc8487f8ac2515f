import type { DropReason } from './listing.ts'
import type { CounterGroup, Metrics } from '@libp2p/interface'

const PREFIX = 'libp2p_rendezvous_client'

/** What happened to this node's registrations and to the peers it found. */
export type ClientEvent = 'registration:granted' | 'registration:failed' | 'registration:expired' | 'peer' | 'peer:expired' | 'discover:failed'

/**
 * What a client counts. Without a metrics service it counts nothing.
 */
export class ClientMetrics {
  readonly #events: CounterGroup | undefined
  readonly #dropped: CounterGroup | undefined

  constructor (metrics: Metrics | undefined, held: { registrations: () => number, discovered: () => number }) {
    this.#events = metrics?.registerCounterGroup(`${PREFIX}_events_total`, {
      label: 'event',
      help: 'What happened to own registrations and to discovered peers'
    })
    this.#dropped = metrics?.registerCounterGroup(`${PREFIX}_dropped_total`, {
      label: 'reason',
      help: 'Registrations that a point listed and that were not believed'
    })

    for (const what of ['registrations', 'discovered'] as const) {
      metrics?.registerMetric(`${PREFIX}_${what}`, {
        help: what === 'registrations' ? 'Own registrations held now' : 'Discovered peers known now',
        calculate: held[what]
      })
    }
  }

  happened (event: ClientEvent): void {
    this.#events?.increment({ [event]: 1 })
  }

  dropped (reason: DropReason): void {
    this.#dropped?.increment({ [reason]: 1 })
  }
}
