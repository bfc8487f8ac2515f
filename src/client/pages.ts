import { InvalidCookieError } from '../protocol/errors.ts'
import type { ListedPage, Listings } from './listing.ts'
import type { RemotePoint } from './remote-point.ts'

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

export interface PagesInit {
  listings: Pick<Listings, 'page'>
  point: RemotePoint
  /** Absent for all namespaces. */
  namespace?: string | undefined
  /** Where an earlier listing stopped; absent for the beginning. */
  cookie?: Uint8Array | undefined
  signal?: AbortSignal | undefined
}

/**
 * What one point lists, page by page, until there are no more. When the point no longer knows its
 * cookie, because it has lost what it held, the pages start over once.
 */
export class Pages {
  readonly #init: PagesInit
  readonly #seen = new Set<string>()
  #cookie: Uint8Array | undefined
  #fruitless = 0
  #isRestarted = false
  #isDone = false

  constructor (init: PagesInit) {
    this.#init = init
    this.#cookie = init.cookie
  }

  /**
   * @param wanted - how many registrations are of use, at the most
   * @returns the next page; undefined when there is none, or nothing is wanted
   * @throws what `RemotePoint.discover` throws
   */
  async next (wanted: number): Promise<ListedPage | undefined> {
    if (this.#isDone || wanted <= 0 || this.#fruitless === MAX_FRUITLESS_PAGES) {
      return
    }

    // after a page that brought nothing, small ones would only take longer
    const page = await this.#readOrStartOver(this.#fruitless > 0 ? PAGE_SIZE : Math.min(wanted, PAGE_SIZE))
    const before = this.#seen.size
    page.listed.forEach(({ record }) => this.#seen.add(record.peerId.toString()))
    this.#fruitless = this.#seen.size === before ? this.#fruitless + 1 : 0
    this.#cookie = page.cookie
    this.#isDone = page.isEmpty || page.cookie == null

    return page
  }

  async #readOrStartOver (limit: number): Promise<ListedPage> {
    try {
      return await this.#read(limit)
    } catch (err) {
      if (!(err instanceof InvalidCookieError) || this.#cookie == null || this.#isRestarted) {
        this.#isDone = true
        throw err
      }

      this.#isRestarted = true
      this.#cookie = undefined
      this.#seen.clear()

      return this.#read(limit)
    }
  }

  async #read (limit: number): Promise<ListedPage> {
    const { listings, point, namespace, signal } = this.#init

    return listings.page(point, namespace, limit, this.#cookie, signal)
  }
}
