import { InvalidParametersError } from '@libp2p/interface'
import { fromString } from 'uint8arrays/from-string'
import { MAX_TOKEN_LENGTH } from '../protocol/constants.ts'
import { isPermanent, NotAuthorizedError } from '../protocol/errors.ts'
import { Deadline } from './deadline.ts'
import type { TokenSource } from './types.ts'
import type { MaybePromise } from '../protocol/maybe-promise.ts'

/** A token is asked for anew so much before its end, or a tenth of what is left of it when it comes, if that is less. Milliseconds. */
const BEFORE_END = 60_000

/** How long one is kept whose end cannot be read, in milliseconds. */
const UNKNOWN_END = 60_000

interface Kept {
  token: string
  /** When another is asked for, in milliseconds since the epoch. */
  until: number
}

/**
 * What this node shows to points (docs/networks.md), kept for as long as it is good.
 */
export class Tokens {
  readonly #source: TokenSource | undefined
  readonly #timeout: number
  #kept: Kept | undefined
  #asked: Promise<string> | undefined

  /**
   * @param timeout - milliseconds that the source may take
   * @throws {InvalidParametersError} when it is one that no point would read
   */
  constructor (source: TokenSource | undefined, timeout: number) {
    if (source != null && typeof source !== 'function') {
      checkToken(source)
    }

    this.#source = source
    this.#timeout = timeout
  }

  /**
   * What to show now; undefined when there is nothing. There is a promise while another is asked for.
   *
   * @throws what the source throws
   */
  get (now: number = Date.now()): MaybePromise<string | undefined> {
    if (typeof this.#source !== 'function') {
      return this.#source
    }

    return this.#kept != null && now < this.#kept.until ? this.#kept.token : this.#ask(this.#source, now)
  }

  /** Whether it is shown from what was kept: another may do where it is refused. */
  isKept (token: string | undefined): boolean {
    return token != null && this.#kept?.token === token
  }

  /** A point does not take it, and another is asked for the next time. */
  refused (token: string | undefined): void {
    if (this.isKept(token)) {
      this.#kept = undefined
    }
  }

  /** Whether trying the same request again is pointless: where there may be another token, a refusal is not for ever. */
  isPermanent (error: unknown): boolean {
    return isPermanent(error) && !(typeof this.#source === 'function' && error instanceof NotAuthorizedError)
  }

  async #ask (source: Exclude<TokenSource, string>, now: number): Promise<string> {
    this.#asked ??= this.#fetch(source, now).finally(() => { this.#asked = undefined })

    return this.#asked
  }

  async #fetch (source: Exclude<TokenSource, string>, now: number): Promise<string> {
    const deadline = new Deadline(this.#timeout, 'Getting a token')

    try {
      const token = await deadline.race(Promise.resolve(source()))
      checkToken(token)
      this.#kept = { token, until: renewalOf(token, now) }

      return token
    } finally {
      deadline.clear()
    }
  }
}

/** For a client that shows none. */
export const NO_TOKENS = new Tokens(undefined, 1)

function checkToken (token: unknown): void {
  // its text is nothing for a message
  if (typeof token !== 'string' || token.length === 0 || token.length > MAX_TOKEN_LENGTH) {
    throw new InvalidParametersError(`a token is a text of 1 to ${MAX_TOKEN_LENGTH} characters`)
  }
}

/** When to ask for another. */
function renewalOf (token: string, now: number): number {
  const end = endOf(token)

  return end == null ? now + UNKNOWN_END : end - Math.min(BEFORE_END, Math.max(end - now, 0) / 10)
}

/** What a token says of its end, in milliseconds since the epoch: what this node was given it need not verify. */
function endOf (token: string): number | undefined {
  try {
    const { exp } = JSON.parse(new TextDecoder().decode(fromString(token.split('.')[1] ?? '', 'base64url')))

    return Number.isFinite(exp) ? exp * 1_000 : undefined
  } catch {}
}
