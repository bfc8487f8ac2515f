import { pollDelay } from './schedule.ts'
import type { Found, Listings } from './listing.ts'
import type { RemotePoint } from './remote-point.ts'
import type { PeerId } from '@libp2p/interface'

/** Registrations read in one go; the rest is read at the next. */
const MAX_LISTED = 100_000

export interface PollerInit {
  listings: Pick<Listings, 'pages'>
  /** Milliseconds. */
  interval: number
  /** The point that is named, or those to ask when none is. */
  points: (named: PeerId | undefined) => RemotePoint[]
  onFound: (found: Found) => unknown
  onFailed: (namespace: string, point: PeerId, error: Error) => void
}

/** A namespace that is looked through again and again, at one point or at all. */
interface Poll {
  readonly namespace: string
  readonly point: PeerId | undefined
  readonly stopping: AbortController
  /** Points that are being asked. */
  readonly asking: Set<string>
  /** How many want it. */
  users: number
  timer?: ReturnType<typeof setTimeout>
}

/**
 * Looks through namespaces for new registrations. Where a listing stopped is remembered for each point
 * and namespace, so that each time only what is new is asked for.
 */
export class Poller {
  readonly #init: PollerInit
  readonly #polls = new Map<string, Poll>()
  /** By point and namespace. */
  readonly #cookies = new Map<string, Map<string, Uint8Array>>()

  constructor (init: PollerInit) {
    this.#init = init
  }

  /**
   * Starts to look through a namespace, at once and then at each interval.
   *
   * @returns a function that ends it, unless others want it as well
   */
  follow (namespace: string, point?: PeerId): () => void {
    const key = pollKey(namespace, point)
    const poll = this.#polls.get(key) ?? {
      namespace,
      point,
      stopping: new AbortController(),
      asking: new Set(),
      users: 0
    }

    if (poll.users++ === 0) {
      this.#polls.set(key, poll)
      this.#run(poll)
    }

    let isFollowing = true

    return () => {
      if (isFollowing && --poll.users === 0) {
        this.#end(poll)
      }

      isFollowing = false
    }
  }

  /**
   * A point can be reached again: it is not left waiting for the next interval.
   *
   * @param isDefault - whether it is asked also where it is not named
   */
  onConnect (point: PeerId, isDefault: boolean): void {
    for (const poll of this.#polls.values()) {
      if (poll.point?.equals(point) ?? isDefault) {
        this.#askEach(poll, this.#init.points(point))
      }
    }
  }

  /** The point may never be seen again: where its listings stopped is not remembered. */
  forget (point: PeerId): void {
    this.#cookies.delete(point.toString())
  }

  stop (): void {
    this.#polls.forEach(poll => { this.#end(poll) })
    this.#cookies.clear()
  }

  #end (poll: Poll): void {
    const key = pollKey(poll.namespace, poll.point)
    clearTimeout(poll.timer)
    poll.stopping.abort()

    // it may have ended before, and another begun since
    if (this.#polls.get(key) === poll) {
      this.#polls.delete(key)
    }
  }

  #run (poll: Poll): void {
    // a point that takes longer than the interval is not asked again meanwhile, and keeps nobody else waiting
    poll.timer = setTimeout(() => { this.#run(poll) }, pollDelay(this.#init.interval, Math.random()))
    this.#askEach(poll, this.#init.points(poll.point))
  }

  #askEach (poll: Poll, points: RemotePoint[]): void {
    for (const point of points) {
      const id = point.peerId.toString()

      if (!poll.asking.has(id)) {
        poll.asking.add(id)
        this.#ask(poll, point)
          .catch(err => {
            if (!poll.stopping.signal.aborted) {
              this.#init.onFailed(poll.namespace, point.peerId, err)
            }
          })
          .finally(() => { poll.asking.delete(id) })
      }
    }
  }

  async #ask ({ namespace, stopping: { signal } }: Poll, point: RemotePoint): Promise<void> {
    const id = point.peerId.toString()
    const cookie = this.#cookies.get(id)?.get(namespace)
    let listed = 0
    const wanted = (): number => MAX_LISTED - listed
    const pages = this.#init.listings.pages(point, { namespace, cookie, wanted, signal })

    for (let page = await pages.next(); page != null; page = await pages.next()) {
      listed += page.found.length

      for (const found of page.found) {
        signal.throwIfAborted()
        await this.#init.onFound(found)
      }

      signal.throwIfAborted()
      this.#keepCookie(id, namespace, page.cookie)
    }
  }

  #keepCookie (point: string, namespace: string, cookie: Uint8Array | undefined): void {
    const cookies = this.#cookies.get(point) ?? new Map<string, Uint8Array>()

    if (cookie == null) {
      cookies.delete(namespace)
    } else {
      cookies.set(namespace, cookie)
      this.#cookies.set(point, cookies)
    }
  }
}

function pollKey (namespace: string, point: PeerId | undefined): string {
  return `${point ?? ''}/${namespace}`
}
