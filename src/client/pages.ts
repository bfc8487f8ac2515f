import { InvalidCookieError } from '../protocol/errors.ts'
import type { VerifiedPage } from './listing.ts'

/**
 * Registrations asked for at a time: at two kilobytes for a record, which is a lot, a page stays below
 * the 1 MiB that rust-libp2p's points can send.
 */
export const PAGE_SIZE = 500

/**
 * Pages in a row that may bring no peer that is new to the listing. An honest point gets there only
 * with fifty thousand registrations of the same few peers; one that lies could go on for ever.
 */
const MAX_FRUITLESS_PAGES = 100

export interface ListingOptions {
  /** Absent for all namespaces. */
  namespace?: string | undefined
  /** Where an earlier listing stopped; absent for the beginning. */
  cookie?: Uint8Array | undefined
  /** How many registrations are wanted; asked before each page. */
  wanted: () => number
  signal?: AbortSignal | undefined
}

/**
 * The pages of one point, until there are no more or nothing more is wanted. When the point no longer
 * knows its cookie, because it has lost what it held, they start over once.
 */
export class Pages {
  readonly #read: (limit: number, cookie: Uint8Array | undefined) => Promise<VerifiedPage>
  readonly #wanted: () => number
  readonly #seen = new Set<string>()
  #cookie: Uint8Array | undefined
  #fruitless = 0
  #isRestarted = false
  #isDone = false

  constructor (read: (limit: number, cookie: Uint8Array | undefined) => Promise<VerifiedPage>, { cookie, wanted }: ListingOptions) {
    this.#read = read
    this.#wanted = wanted
    this.#cookie = cookie
  }

  /**
   * @returns the next page; undefined when there is none
   * @throws what `RemotePoint.discover` throws
   */
  async next (): Promise<VerifiedPage | undefined> {
    const wanted = this.#wanted()

    if (this.#isDone || wanted <= 0 || this.#fruitless === MAX_FRUITLESS_PAGES) {
      return
    }

    // after a page that brought nothing, small ones would only take longer
    const page = await this.#readOrStartOver(this.#fruitless > 0 ? PAGE_SIZE : Math.min(wanted, PAGE_SIZE))
    const before = this.#seen.size
    page.found.forEach(({ peer }) => this.#seen.add(peer.id.toString()))
    this.#fruitless = this.#seen.size === before ? this.#fruitless + 1 : 0
    this.#cookie = page.cookie
    this.#isDone = page.isEmpty || page.cookie == null

    return page
  }

  async #readOrStartOver (limit: number): Promise<VerifiedPage> {
    try {
      return await this.#read(limit, this.#cookie)
    } catch (err) {
      if (!(err instanceof InvalidCookieError) || this.#cookie == null || this.#isRestarted) {
        this.#isDone = true
        throw err
      }

      this.#isRestarted = true
      this.#seen.clear()

      return this.#read(limit, undefined)
    }
  }
}
