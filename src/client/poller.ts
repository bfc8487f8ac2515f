import { pollDelay } from './schedule.ts'
import type { Found, Listings } from './listing.ts'
import type { RemotePoint } from './remote-point.ts'

/** Registrations read in one go; the rest is read at the next. */
const MAX_LISTED = 100_000

export interface PollerInit {
  listings: Pick<Listings, 'pages'>
  /** Milliseconds. */
  interval: number
  /** The points to ask when none is named. */
  defaultPoints: () => RemotePoint[]
  onFound: (found: Found) => Promise<void>
  onFailed: (namespace: string, point: RemotePoint, error: Error) => void
}

/** A namespace that is looked through again and again, at one point or at all. */
interface Poll {
  readonly namespace: string
  readonly point: RemotePoint | undefined
  readonly stopping: AbortController
  /** Points that are being asked. */
  readonly asking: Set<RemotePoint>
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
  readonly #cookies = new Map<string, Uint8Array>()

  constructor (init: PollerInit) {
    this.#init = init
  }

  /**
   * Starts to look through a namespace, at once and then at each interval.
   *
   * @returns a function that ends it, unless others want it as well
   */
  follow (namespace: string, point?: RemotePoint): () => void {
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

  /** A point can be reached again: it is not left waiting for the next interval. */
  onConnect (point: RemotePoint): void {
    for (const poll of this.#polls.values()) {
      if (poll.point == null || poll.point === point) {
        this.#ask(poll, point).catch(() => {})
      }
    }
  }

  stop (): void {
    this.#polls.forEach(poll => { this.#end(poll) })
    this.#cookies.clear()
  }

  #end (poll: Poll): void {
    clearTimeout(poll.timer)
    poll.stopping.abort()
    this.#polls.delete(pollKey(poll.namespace, poll.point))
  }

  #run (poll: Poll): void {
    const points = poll.point == null ? this.#init.defaultPoints() : [poll.point]

    Promise.all(points.map(async point => this.#ask(poll, point))).finally(() => {
      if (!poll.stopping.signal.aborted) {
        poll.timer = setTimeout(() => { this.#run(poll) }, pollDelay(this.#init.interval, Math.random()))
      }
    })
  }

  async #ask (poll: Poll, point: RemotePoint): Promise<void> {
    if (poll.asking.has(point)) {
      return
    }

    poll.asking.add(point)

    try {
      await this.#read(poll, point)
    } catch (err: any) {
      if (!poll.stopping.signal.aborted) {
        this.#init.onFailed(poll.namespace, point, err)
      }
    } finally {
      poll.asking.delete(point)
    }
  }

  async #read (poll: Poll, point: RemotePoint): Promise<void> {
    const key = pollKey(poll.namespace, point)
    const cookie = this.#cookies.get(key)

    try {
      await this.#readFrom(cookie, key, poll, point)
    } catch (err: any) {
      if (err.name !== 'InvalidCookieError' || cookie == null) {
        throw err
      }

      // the point lost what the cookie stood for
      this.#cookies.delete(key)
      await this.#readFrom(undefined, key, poll, point)
    }
  }

  async #readFrom (cookie: Uint8Array | undefined, key: string, { namespace, stopping: { signal } }: Poll, point: RemotePoint): Promise<void> {
    let listed = 0
    const wanted = (): number => MAX_LISTED - listed

    for await (const page of this.#init.listings.pages(point, { namespace, cookie, wanted, signal })) {
      listed += page.found.length

      for (const found of page.found) {
        signal.throwIfAborted()
        await this.#init.onFound(found)
      }

      if (page.cookie == null) {
        this.#cookies.delete(key)
      } else {
        this.#cookies.set(key, page.cookie)
      }
    }
  }
}

function pollKey (namespace: string, point: RemotePoint | undefined): string {
  return `${point?.peerId ?? ''}/${namespace}`
}
