import { LOOK, Shedding } from './shedding.ts'
import { Turnstile } from './turnstile.ts'
import type { ConnectionGater, Logger } from '@libp2p/interface'

/** Without anything that could be held back for so long, nobody looks. Milliseconds. */
const QUIET = 1_000

/**
 * How long a newcomer waits before its handshake, in milliseconds. Half of what libp2p and its clients allow for all of
 * it: who was let in is to have the time to come in.
 */
const NEWCOMER_PATIENCE = 5_000

/** Newcomers that wait; the others are better off coming back later. */
const MOST_NEWCOMERS = 2_000

/** Listings that wait: each keeps its stream and its request. */
const MOST_LISTINGS = 10_000

export interface OverloadInit {
  connectionGater: ConnectionGater
  /** Milliseconds that a listing may wait. */
  patience: number
  log: Logger
}

/**
 * Holds back what can wait while the event loop is late: newcomers before their handshake, and listings.
 */
export class Overload {
  readonly #init: OverloadInit
  readonly #shedding = new Shedding()
  readonly #newcomers = new Turnstile(NEWCOMER_PATIENCE, MOST_NEWCOMERS)
  readonly #listings: Turnstile
  #timer: ReturnType<typeof setTimeout> | undefined
  #lastUse = 0
  #isStarted = false
  #isHolding = false
  /** What the gater did before. */
  #deny: ConnectionGater['denyInboundConnection']

  constructor (init: OverloadInit) {
    this.#init = init
    this.#listings = new Turnstile(init.patience, MOST_LISTINGS)
  }

  start (): void {
    const { connectionGater } = this.#init
    this.#isStarted = true
    this.#turn(performance.now(), 0)
    this.#deny = connectionGater.denyInboundConnection
    connectionGater.denyInboundConnection = async connection => await this.#deny?.call(connectionGater, connection) === true || !await this.#enter(this.#newcomers)
  }

  stop (): void {
    const { connectionGater } = this.#init
    this.#isStarted = false
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#newcomers.clear()
    this.#listings.clear()

    if (this.#deny == null) {
      delete connectionGater.denyInboundConnection
    } else {
      connectionGater.denyInboundConnection = this.#deny
    }
  }

  /** Before a listing: whether it can be answered, at once or after a while. */
  list (): true | Promise<boolean> {
    return this.#enter(this.#listings)
  }

  #enter (turnstile: Turnstile): true | Promise<boolean> {
    const now = performance.now()
    this.#lastUse = now

    if (this.#timer == null && this.#isStarted) {
      this.#lookAfter(now)
    }

    return turnstile.enter(now)
  }

  #lookAfter (now: number): void {
    this.#timer = setTimeout(() => { this.#look(now + LOOK) }, LOOK)
  }

  #look (due: number): void {
    const now = performance.now()
    this.#shedding.look(now - due)
    this.#turn(now, now - due + LOOK)
    this.#tell()

    if (now - this.#lastUse > QUIET && this.#newcomers.waiting + this.#listings.waiting === 0) {
      this.#timer = undefined
    } else {
      this.#lookAfter(now)
    }
  }

  #turn (now: number, elapsed: number): void {
    this.#newcomers.turn(this.#shedding.newcomers(elapsed), now)
    this.#listings.turn(this.#shedding.listings(elapsed), now)
  }

  #tell (): void {
    const waiting = [this.#newcomers.waiting, this.#listings.waiting]
    const isHolding = waiting.some(count => count > 0)

    if (isHolding !== this.#isHolding) {
      this.#isHolding = isHolding
      this.#init.log(isHolding ? 'more comes than can be done: %d newcomers and %d listings wait' : 'nothing waits any more', ...waiting)
    }
  }
}
