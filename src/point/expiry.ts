import { inTime } from './in-time.ts'
import type { RegistrationStore, StoredRegistration } from '../store/types.ts'
import type { Logger } from '@libp2p/interface'

/** Registrations removed before other work gets a turn: a millisecond, or two when somebody wants to know of each. */
const BATCH = 200

/** After a timer that came too early: to try again at once would keep the process busy. */
const PAUSE = 50

/** After the store has failed. */
const RETRY = 5_000

/** The longest sleep until the next expiry, for a store may be shared, and others may make it sooner. */
const MAX_DELAY = 60_000

export interface ExpiryInit {
  store: RegistrationStore
  now: () => number
  /** Milliseconds that the store may take to answer. */
  patience: number
  /** Told of each batch; never of none. */
  onExpired: (registrations: StoredRegistration[]) => void
  log: Logger
}

/**
 * Has a store remove what has expired, with one timer for all of it.
 */
export class Expiry {
  readonly #init: ExpiryInit
  #isStopped = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #due = Infinity
  #removing: Promise<void> | undefined

  constructor (init: ExpiryInit) {
    this.#init = init
  }

  start (): void {
    this.#isStopped = false
    this.schedule()
  }

  /** Resolves when nothing is being removed any more. */
  async stop (): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#due = Infinity
    await this.#removing
  }

  /** Sets the timer to the next expiry, not counting one that is being worked on. */
  schedule (atLeast: number = 0): void {
    const now = this.#init.now()
    // where others may have registered something, once in a while it is looked for
    const due = this.#init.store.nextExpiry() ?? now + MAX_DELAY

    if (due >= this.#due || this.#isStopped) {
      return
    }

    this.#due = due
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#due = -Infinity
      this.#removing = this.#remove().then(pause => {
        this.#due = Infinity
        this.schedule(pause)
      }).catch(err => { this.#init.log.error('could not tell when registrations expire - %e', err) })
    }, Math.min(Math.max(due - now, atLeast), MAX_DELAY))
  }

  /** Removes one batch, and returns the milliseconds after which the next may follow. */
  async #remove (): Promise<number> {
    const { store, now, patience, onExpired, log } = this.#init

    try {
      const expired = await inTime(store.expire(now(), BATCH), patience)

      if (expired.length === 0) {
        return PAUSE
      }

      onExpired(expired)

      return 0
    } catch (err) {
      log.error('could not remove expired registrations - %e', err)

      return RETRY
    }
  }
}
