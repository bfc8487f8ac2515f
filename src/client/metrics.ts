import type { DropReason } from './listing.ts'
import type { WatchResult } from './point-watch.ts'
import type { CounterGroup, Metrics } from '@libp2p/interface'

const PREFIX = 'libp2p_rendezvous_client'

/** What happened to this node's registrations and to the peers it found. */
export type ClientEvent = 'registration:granted' | 'registration:failed' | 'registration:expired' | 'peer' | 'peer:expired' | 'discover:failed' | 'unreachable'

const HELD = {
  registrations: 'Own registrations held now',
  discovered: 'Discovered peers known now',
  subscriptions: 'Namespaces that points tell of by themselves now, for each point'
}

/**
 * What a client counts. Without a metrics service it counts nothing.
 */
export class ClientMetrics {
  readonly #events: CounterGroup | undefined
  readonly #dropped: CounterGroup | undefined
  readonly #watches: CounterGroup | undefined

  constructor (metrics: Metrics | undefined, held: Record<keyof typeof HELD, () => number>) {
    this.#events = metrics?.registerCounterGroup(`${PREFIX}_events_total`, {
      label: 'event',
      help: 'What happened to own registrations and to discovered peers'
    })
    this.#dropped = metrics?.registerCounterGroup(`${PREFIX}_dropped_total`, {
      label: 'reason',
      help: 'Registrations that a point listed and that were not believed'
    })

    this.#watches = metrics?.registerCounterGroup(`${PREFIX}_watches_total`, {
      label: 'result',
      help: 'What came of listening to points that tell by themselves'
    })

    for (const [what, help] of Object.entries(HELD)) {
      metrics?.registerMetric(`${PREFIX}_${what}`, { help, calculate: held[what as keyof typeof HELD] })
    }
  }

  happened (event: ClientEvent): void {
    this.#events?.increment({ [event]: 1 })
  }

  watched (result: WatchResult): void {
    this.#watches?.increment({ [result]: 1 })
  }

  dropped (reason: DropReason): void {
    this.#dropped?.increment({ [reason]: 1 })
  }
}
