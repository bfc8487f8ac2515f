import { setMaxListeners } from 'main-event'
import { pollDelay } from './schedule.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * A point that tells by itself is asked this often, in case that something went lost, in milliseconds. It is the
 * whole cost of an hour in which nothing happens: on a stream of its own, as much as three polls of those that
 * come each minute, which is about a twentieth of them.
 */
const MAX_UNASKED = 60 * 60_000

/** A namespace that is looked through again and again, at one point or at all. */
export interface Poll {
  readonly namespace: string
  /** Absent for all points. */
  readonly point: PeerId | undefined
  /** Aborts when nobody wants it any longer. */
  readonly signal: AbortSignal
}

interface Followed extends Poll {
  readonly stopping: AbortController
  /** Points that are being asked. */
  readonly asking: Set<string>
  /** How many want it. */
  users: number
  /** When to look again. */
  at: number
  /** How often was looked since there was a reason to be quick. */
  looks: number
  /** Whether this node is registered there. */
  isGranted: boolean
}

/**
 * Says when to look through namespaces for new registrations, and where to begin. Where a listing
 * stopped is remembered for each point and namespace, so that each time only what is new is asked for.
 *
 * Times are milliseconds of a clock that is never set.
 */
export class Poller {
  readonly #interval: number
  readonly #polls = new Map<string, Followed>()
  /** By point and namespace. */
  readonly #cookies = new Map<string, Map<string, Uint8Array>>()
  /** When a point was last asked, or told what there is, by point and namespace. */
  readonly #askedAt = new Map<string, Map<string, number>>()

  /** @param interval - milliseconds */
  constructor (interval: number) {
    this.#interval = interval
  }

  /** When a poll is due; infinite when there is none. */
  get wakeAt (): number {
    return Math.min(...[...this.#polls.values()].map(({ at }) => at))
  }

  /**
   * Begins to look through a namespace: at once, soon again a few times, and then at each interval.
   *
   * @returns the poll, which others that want the same share; to be given to `unfollow` by each
   */
  follow (namespace: string, point: PeerId | undefined, now: number): Poll {
    const key = pollKey(namespace, point)
    const known = this.#polls.get(key)

    if (known != null) {
      known.users++

      return known
    }

    const stopping = new AbortController()
    setMaxListeners(Infinity, stopping.signal)
    const poll = { namespace, point, stopping, signal: stopping.signal, asking: new Set<string>(), users: 1, at: now, looks: 0, isGranted: false }
    this.#polls.set(key, poll)

    return poll
  }

  /** One who wanted it does so no longer; the last one ends it. */
  unfollow (poll: Poll): void {
    const key = pollKey(poll.namespace, poll.point)
    const followed = this.#polls.get(key)

    // it may have ended before, and another begun since
    if (followed === poll && --followed.users === 0) {
      this.#polls.delete(key)
      followed.stopping.abort()
    }
  }

  /** The polls whose time has come. */
  due (now: number, random: () => number): Poll[] {
    const due = [...this.#polls.values()].filter(({ at }) => at <= now)

    for (const poll of due) {
      poll.at = now + pollDelay(this.#interval, poll.looks++, random())
    }

    return due
  }

  /** A point granted a registration: when it is the first, those that started together are about to appear. */
  onGranted (namespace: string, point: PeerId, now: number): void {
    for (const poll of this.#polls.values()) {
      if (poll.namespace === namespace && !poll.isGranted && (poll.point?.equals(point) ?? true)) {
        poll.isGranted = true
        poll.looks = 0
        poll.at = now
      }
    }
  }

  /**
   * The polls that a point has missed which can be reached again: it is not left waiting for the next interval.
   * One that was only away between two polls, as those that close what is idle are, has missed none.
   */
  missed (point: PeerId, isDefault: boolean, now: number): Poll[] {
    return this.of(point, isDefault).filter(({ namespace }) => now - this.#lastAsked(namespace, point) > pollDelay(this.#interval, Infinity, 1))
  }

  /**
   * The polls of a point.
   *
   * @param isDefault - whether it is asked also where it is not named
   */
  of (point: PeerId, isDefault: boolean): Poll[] {
    return [...this.#polls.values()].filter(poll => poll.point?.equals(point) ?? isDefault)
  }

  /**
   * Whether a point is to be asked: one that takes longer than the interval is not asked again meanwhile,
   * and keeps nobody else waiting. One that tells by itself is asked once in a while all the same.
   * To be followed by `end`.
   *
   * @param tells - whether the point tells by itself what happens in the namespace
   */
  begin (poll: Poll, point: PeerId, tells: boolean, now: number): boolean {
    const { asking, namespace } = poll as Followed
    const key = point.toString()

    if (asking.has(key) || (tells && now - this.#lastAsked(namespace, point) < MAX_UNASKED)) {
      return false
    }

    asking.add(key)
    this.#askedAt.set(key, (this.#askedAt.get(key) ?? new Map<string, number>()).set(namespace, now))

    return true
  }

  /** @param isAnswered - one that did not answer has not been asked */
  end (poll: Poll, point: PeerId, isAnswered: boolean): void {
    const { asking, namespace } = poll as Followed
    const key = point.toString()
    asking.delete(key)

    if (!isAnswered) {
      this.#askedAt.get(key)?.delete(namespace)
    }
  }

  #lastAsked (namespace: string, point: PeerId): number {
    return this.#askedAt.get(point.toString())?.get(namespace) ?? -Infinity
  }

  /** Where the last listing stopped. */
  cookie (namespace: string, point: PeerId): Uint8Array | undefined {
    return this.#cookies.get(point.toString())?.get(namespace)
  }

  /** @param cookie - absent when the point gave none: the next listing is from the beginning */
  keepCookie (namespace: string, point: PeerId, cookie: Uint8Array | undefined): void {
    const cookies = this.#cookies.get(point.toString()) ?? new Map<string, Uint8Array>()

    if (cookie == null) {
      cookies.delete(namespace)
    } else {
      this.#cookies.set(point.toString(), cookies.set(namespace, cookie))
    }
  }

  /** The point may never be seen again: where its listings stopped is not remembered. */
  forget (point: PeerId): void {
    this.#cookies.delete(point.toString())
    this.#askedAt.delete(point.toString())
  }

  stop (): void {
    this.#polls.forEach(({ stopping }) => { stopping.abort() })
    this.#polls.clear()
    this.#cookies.clear()
    this.#askedAt.clear()
  }
}

function pollKey (namespace: string, point: PeerId | undefined): string {
  return `${point ?? ''}/${namespace}`
}
