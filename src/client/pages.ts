import { InvalidCookieError } from '../protocol/errors.ts'
import type { ListedPage, Listings } from './listing.ts'
import type { RemotePoint } from './remote-point.ts'

/**
 * Registrations asked for at a time: at two kilobytes for a record, which is a lot, a page stays below
 * the 1 MiB that rust-libp2p's points can send.
 */
export const PAGE_SIZE = 500

/** Where no more than these are wanted, any will do: so many of the largest records fit in one response. */
const SAMPLE_SIZE = 200

/**
 * Pages in a row that may bring no peer that is new to the listing, unless it is said otherwise. An honest point gets there only
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
  /** Whether any of them will do, where few are wanted: otherwise everybody would get the same, those who came first. */
  sample?: boolean
  /**
   * Pages in a row that may bring nobody new.
   *
   * @default 100
   */
  maxFruitless?: number
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
  #isSampled: boolean

  constructor (init: PagesInit) {
    this.#init = init
    // a sample comes first
    this.#isSampled = init.sample !== true
    this.#cookie = init.cookie
  }

  /**
   * @param wanted - how many registrations are of use, at the most
   * @returns the next page; undefined when there is none, or nothing is wanted
   * @throws what `RemotePoint.discover` throws
   */
  async next (wanted: number): Promise<ListedPage | undefined> {
    if (this.#isDone || wanted <= 0 || this.#fruitless === (this.#init.maxFruitless ?? MAX_FRUITLESS_PAGES)) {
      return
    }

    // after a page that brought nothing, small ones would only take longer
    const limit = this.#fruitless > 0 ? PAGE_SIZE : Math.min(wanted, PAGE_SIZE)
    const isSample = !this.#isSampled && limit <= SAMPLE_SIZE
    this.#isSampled = true
    const page = await this.#readOrStartOver(limit, isSample)
    const before = this.#seen.size
    page.listed.forEach(({ record }) => this.#seen.add(record.peerId.toString()))
    this.#fruitless = this.#seen.size === before ? this.#fruitless + 1 : 0
    // its cookie is at the end of the listing, of which there may be more
    this.#cookie = isSample && page.isFull ? undefined : page.cookie
    this.#isDone = page.isEmpty || page.cookie == null

    return page
  }

  async #readOrStartOver (limit: number, isSample: boolean): Promise<ListedPage> {
    try {
      return await this.#read(limit, isSample)
    } catch (err) {
      if (!(err instanceof InvalidCookieError) || this.#cookie == null || this.#isRestarted) {
        this.#isDone = true
        throw err
      }

      this.#isRestarted = true
      this.#cookie = undefined
      this.#seen.clear()

      return this.#read(limit, isSample)
    }
  }

  async #read (limit: number, isSample: boolean): Promise<ListedPage> {
    const { listings, point, namespace, signal } = this.#init

    return listings.page(point, namespace, limit, this.#cookie, signal, isSample)
  }
}
