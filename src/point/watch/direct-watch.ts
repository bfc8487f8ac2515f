import delay from 'delay'
import { Status } from '../../protocol/errors.ts'
import { inTime } from '../in-time.ts'
import { Refusal } from '../checks.ts'
import { encodeCookie } from '../cookie.ts'
import type { Asker, DirectNews } from '../types.ts'
import type { MaybePromise } from '../../protocol/maybe-promise.ts'
import type { RegistrationStore } from '../../store/types.ts'

/** Registrations told at once. */
const PAGE = 100

/** Peer ids of those who are gone that are noted, at the most; of more it is told that they are not all known. */
const MAX_GONE = 1_000

/** Between telling and telling again, in milliseconds: what happens meanwhile is told together. */
const REST = 100

/** How long it holds that somebody may watch, and how soon it is looked at again when it was to end. Milliseconds. */
const AUTHORIZED_FOR = 60_000
const MIN_WAKE = 1_000

export interface DirectWatchInit {
  namespace: string
  cursor: number | undefined
  asker: Asker
  store: RegistrationStore
  /** Milliseconds for the store and for `authorize` to answer. */
  patience: number
  now: () => number
  /**
   * @returns until when it holds, in milliseconds since the epoch
   * @throws {Refusal}
   */
  authorize: (signal: AbortSignal) => MaybePromise<number>
  /**
   * Takes a place among those who watch.
   *
   * @returns gives it back
   * @throws {Refusal}
   */
  sit: (leave: (reason: Refusal) => void) => () => void
}

/**
 * Tells one who watches what happens in a namespace, when it asks. What happened since is noted in one place, so that who
 * asks seldom costs no more than who asks often.
 */
export class DirectWatch {
  readonly #init: DirectWatchInit
  #cursor: number | undefined
  #gone = new Set<string>()
  #resync: boolean
  #hasChanged = true
  #wake = (): void => {}
  #authorizedUntil = -Infinity
  #leaving: Refusal | undefined

  constructor (init: DirectWatchInit) {
    this.#init = init
    this.#cursor = init.cursor
    // who left while nobody watched was not noted
    this.#resync = init.cursor != null
  }

  /**
   * @param signal - ends it
   * @throws {Refusal}
   */
  async * news (signal: AbortSignal): AsyncGenerator<DirectNews, void> {
    const { store, namespace, sit } = this.#init
    const giveBack = sit(reason => { this.#leaving = reason; this.#wake() })
    const unsubscribe = store.subscribe?.(namespace, (gone, isMissing) => { this.#note(gone, isMissing) })
    // also where what was told last has not been taken, and never will be
    const release = (): void => {
      signal.removeEventListener('abort', release)
      unsubscribe?.()
      giveBack()
      this.#wake()
    }
    signal.addEventListener('abort', release)
    let isFirst = true

    try {
      while (!signal.aborted) {
        if (this.#leaving != null) {
          throw this.#leaving
        }

        await this.#checkAuthorized()

        if (this.#hasChanged) {
          const news = await this.#take()

          if (isFirst || news.resync || news.gone.length > 0 || news.registrations.length > 0) {
            isFirst = false
            yield news
            await delay(REST, { signal }).catch(() => {})
          }
        } else {
          await this.#nextChange(signal)
        }
      }
    } finally {
      release()
    }
  }

  #note (gone: readonly string[] = [], isMissing = false): void {
    this.#hasChanged = true
    gone.forEach(peer => this.#gone.add(peer))

    if (isMissing || this.#gone.size > MAX_GONE) {
      this.#resync = true
      this.#gone.clear()
    }

    this.#wake()
  }

  /** What has happened since it was taken last. */
  async #take (): Promise<DirectNews> {
    const { store, namespace, now, patience } = this.#init
    const [gone, resync] = [[...this.#gone], this.#resync]
    this.#hasChanged = false
    this.#gone.clear()
    this.#resync = false
    const page = await inTime(store.list({ namespace, after: this.#cursor, limit: PAGE }, now()), patience).catch(err => {
      throw new Refusal(Status.E_UNAVAILABLE, 'the store of this point cannot be reached', err)
    })

    if (page == null) {
      throw new Refusal(Status.E_INVALID_COOKIE, 'the cookie was made by another store')
    }

    const { registrations, cursor } = page
    const more = registrations.length >= PAGE
    this.#cursor = cursor
    this.#hasChanged ||= more

    return { registrations, gone, resync, more, cookie: encodeCookie({ cursor, namespace }) }
  }

  async #checkAuthorized (): Promise<void> {
    const { now, authorize, patience } = this.#init

    if (now() >= this.#authorizedUntil) {
      const until = await authorize(AbortSignal.timeout(patience))
      this.#authorizedUntil = until === Infinity ? Infinity : Math.min(Math.max(until, now() + MIN_WAKE), now() + AUTHORIZED_FOR)
    }
  }

  /** Something has happened, or it is to be asked again whether somebody may watch. */
  async #nextChange (signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const left = this.#authorizedUntil - this.#init.now()
    const timer = left === Infinity ? undefined : setTimeout(resolve, left)
    this.#wake = resolve

    if (!signal.aborted) {
      await promise
    }

    clearTimeout(timer)
    this.#wake = () => {}
  }
}
