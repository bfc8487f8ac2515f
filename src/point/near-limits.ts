import type { NearLimit } from './types.ts'
import type { StoreLimits, StoreSize } from '../store/types.ts'

/** A limit that is told of when this part of it is reached, and again when it had been below the other. */
const NEAR = 0.9
const FAR = 0.8

/** The limits on all that a point holds, by what of its size they hold for. */
const LIMITS = { registrations: 'maxRegistrations', namespaces: 'maxNamespaces', bytes: 'maxBytes' } as const

/**
 * Notices when a point is nearly full, once each time.
 */
export class NearLimits {
  readonly #limits: Pick<StoreLimits, typeof LIMITS[keyof typeof LIMITS]>
  readonly #told = new Set<string>()

  constructor (limits: Pick<StoreLimits, typeof LIMITS[keyof typeof LIMITS]>) {
    this.#limits = limits
  }

  /** What has come near since it was last asked. */
  check (held: StoreSize): NearLimit[] {
    const near: NearLimit[] = []

    for (const what of Object.keys(LIMITS) as Array<keyof typeof LIMITS>) {
      const limit = LIMITS[what]
      const max = this.#limits[limit]
      const size = held[what]

      if (size < max * FAR) {
        this.#told.delete(limit)
      } else if (size >= max * NEAR && !this.#told.has(limit)) {
        this.#told.add(limit)
        near.push({ limit, max, size })
      }
    }

    return near
  }
}
