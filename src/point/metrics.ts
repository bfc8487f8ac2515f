import type { Outcome } from './handler.ts'
import type { ResetReason } from './inbound-stream.ts'
import type { StoreSize } from '../store/types.ts'
import type { Counter, CounterGroup, Metrics } from '@libp2p/interface'

/** Why a point closed a connection. */
export type CloseReason = 'rateLimit' | 'streams' | 'room' | 'unread'

const PREFIX = 'libp2p_rendezvous_point'

/** What a point holds: what its store does, and what is watched. */
export interface Held extends StoreSize {
  subscriptions: number
}

/**
 * What a point counts. Without a metrics service it counts nothing.
 */
export class PointMetrics {
  readonly #outcomes: CounterGroup | undefined
  readonly #refusals: CounterGroup | undefined
  readonly #resets: CounterGroup | undefined
  readonly #disconnections: CounterGroup | undefined
  readonly #listed: Counter | undefined
  readonly #wakeUps: Counter | undefined
  readonly #updates: Counter | undefined
  readonly #updateBytes: Counter | undefined

  constructor (metrics: Metrics | undefined, held: () => Held) {
    this.#outcomes = metrics?.registerCounterGroup(`${PREFIX}_outcomes_total`, {
      label: 'outcome',
      help: 'What requests led to, and registrations that expired or made room for others'
    })
    this.#refusals = metrics?.registerCounterGroup(`${PREFIX}_refusals_total`, {
      label: 'status',
      help: 'Requests refused, by the status they were answered with'
    })
    this.#resets = metrics?.registerCounterGroup(`${PREFIX}_streams_reset_total`, {
      label: 'reason',
      help: 'Streams this point reset'
    })
    this.#disconnections = metrics?.registerCounterGroup(`${PREFIX}_connections_closed_total`, {
      label: 'reason',
      help: 'Connections this point closed: of peers that went on over their rateLimit, or opening streams for nothing, or not reading what they ask for, or to make room for others'
    })
    this.#listed = metrics?.registerCounter(`${PREFIX}_registrations_listed_total`, {
      help: 'Registrations sent in responses to DISCOVER'
    })

    this.#wakeUps = metrics?.registerCounter(`${PREFIX}_wake_ups_total`, {
      help: 'Changes in namespaces that somebody watches'
    })
    this.#updates = metrics?.registerCounter(`${PREFIX}_updates_total`, {
      help: 'Updates sent to those who watch'
    })
    this.#updateBytes = metrics?.registerCounter(`${PREFIX}_update_bytes_total`, {
      help: 'Bytes of those updates'
    })

    for (const what of ['registrations', 'namespaces', 'peers', 'bytes', 'subscriptions'] as const) {
      metrics?.registerMetric(`${PREFIX}_${what}`, {
        help: `Held now: ${what}`,
        calculate: () => held()[what]
      })
    }
  }

  wokenUp (): void {
    this.#wakeUps?.increment()
  }

  updated (bytes: number): void {
    this.#updates?.increment()
    this.#updateBytes?.increment(bytes)
  }

  answered (outcome: Outcome): void {
    this.#outcomes?.increment({ [outcome.type]: 1 })

    if ('status' in outcome) {
      this.#refusals?.increment({ [outcome.status]: 1 })
    } else if (outcome.type === 'discover:served') {
      this.#listed?.increment(outcome.registrations)
    }
  }

  displaced (count: number): void {
    this.#outcomes?.increment({ 'registration:displaced': count })
  }

  expired (count: number): void {
    this.#outcomes?.increment({ 'registration:expired': count })
  }

  reset (reason: ResetReason): void {
    this.#resets?.increment({ [reason]: 1 })
  }

  disconnected (reason: CloseReason): void {
    this.#disconnections?.increment({ [reason]: 1 })
  }
}
