import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Discovered } from '../../src/client/discovered.ts'
import { Subscriptions } from '../../src/client/subscriptions.ts'
import { InvalidCookieError, InvalidNamespaceError, NotAuthorizedError, PointInternalError, Status, UnavailableError } from '../../src/protocol/errors.ts'
import { listedAs, namedPeer } from '../fixtures/listed.ts'
import type { Listing } from '../../src/client/discovered.ts'
import type { Listed } from '../../src/client/listing.ts'
import type { Subscription, SubscriptionsInit } from '../../src/client/subscriptions.ts'
import type { WatchRequest } from '../../src/protocol/watch.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const LIVE = { presence: { live: true } }
const MIDDLE = 0.5

const invalidCookie = new InvalidCookieError('other', { status: Status.E_INVALID_COOKIE })
const unavailable = new UnavailableError('full', { status: Status.E_UNAVAILABLE })

describe('Subscriptions', () => {
  let subscriptions: Subscriptions
  let cookies: Map<string, Uint8Array>
  let marks: number

  beforeEach(() => {
    cookies = new Map()
    marks = 0
    subscriptions = make()
  })

  function make (init: Partial<SubscriptionsInit> = {}): Subscriptions {
    return new Subscriptions({ random: () => MIDDLE, mark: () => ++marks, cookieOf: namespace => cookies.get(namespace), ...init })
  }

  /** What is done now, in short: requests as they are. */
  function due (now: number): Array<string | WatchRequest> {
    return subscriptions.due(now).map(step => step.do === 'send' ? step.request : step.do)
  }

  function open (now: number, namespaces = ['ns'], isLive = false): Array<string | WatchRequest> {
    subscriptions.want(namespaces, isLive, now)
    expect(due(now)).toEqual(['open'])
    subscriptions.opened(now)

    return due(now)
  }

  const find = (id: number): Subscription => subscriptions.find(id) as Subscription

  it('opens a stream when something is wanted, and once', () => {
    expect(due(0)).toEqual([])
    expect(subscriptions.wakeAt).toBe(Infinity)
    subscriptions.want(['ns'], false, 0)

    expect(subscriptions.wakeAt).toBeLessThanOrEqual(0)
    expect(due(0)).toEqual(['open'])
    expect(due(1)).toEqual([])
    expect(subscriptions.wakeAt).toBe(Infinity)
  })

  it('subscribes to each namespace under an id of its own, with the cookie there is', () => {
    cookies.set('second', Uint8Array.of(2))

    expect(open(0, ['first', 'second'])).toEqual([
      { subscribe: { id: 1, ns: 'first', bothForms: true } },
      { subscribe: { id: 2, ns: 'second', bothForms: true, cookie: Uint8Array.of(2) } }
    ])
    expect(due(1)).toEqual([])
    expect([find(1).namespace, find(2).namespace]).toEqual(['first', 'second'])
    expect(subscriptions.find(3)).toBe(undefined)
  })

  it('subscribes to what is wanted later, and ends what is wanted no longer', () => {
    open(0, ['first'])
    subscriptions.want(['second'], false, 1)

    expect(due(1)).toEqual([{ unsubscribe: { id: 1 } }, { subscribe: { id: 2, ns: 'second', bothForms: true } }])
    expect(subscriptions.find(1)).toBe(undefined)
  })

  it('closes the stream when nothing is wanted', () => {
    open(0)
    subscriptions.want([], false, 1)

    expect(due(1)).toEqual(['close'])
    expect(subscriptions.isOver(1)).toBe(true)
    expect(subscriptions.wakeAt).toBe(Infinity)
  })

  it('tells of a namespace from the first update on', () => {
    open(0)
    expect(subscriptions.tells('ns')).toBe(false)
    expect(subscriptions.isPending('ns', 0)).toBe(true)
    subscriptions.updated(find(1), { more: true }, 1)

    expect(subscriptions.tells('ns')).toBe(true)
    expect(subscriptions.isPending('ns', 1)).toBe(false)
    expect(subscriptions.size).toBe(1)
  })

  it('says since when a namespace was listed, at the end of a listing from the beginning and at no other', () => {
    open(0)
    const { mark } = find(1)

    expect(subscriptions.updated(find(1), { more: true }, 1)).toBe(undefined)
    expect(subscriptions.updated(find(1), {}, 1)).toBe(mark)
    expect(subscriptions.updated(find(1), {}, 1)).toBe(undefined)
  })

  it('does not say so of a listing that began with a cookie', () => {
    cookies.set('ns', Uint8Array.of(1))
    open(0)

    expect(subscriptions.updated(find(1), {}, 1)).toBe(undefined)
  })

  describe('when more may be gone than were named', () => {
    it('lists from the beginning some seconds later, by chance, under another id', () => {
      cookies.set('ns', Uint8Array.of(1))
      open(0)
      subscriptions.updated(find(1), { resync: true }, 10)

      expect(subscriptions.wakeAt).toBe(10 + 2.5 * SECOND)
      expect(due(subscriptions.wakeAt - 1)).toEqual([])
      expect(due(subscriptions.wakeAt)).toEqual([{ unsubscribe: { id: 1 } }, { subscribe: { id: 2, ns: 'ns', bothForms: true } }])
      expect(subscriptions.tells('ns')).toBe(true)
      expect(subscriptions.updated(find(2), {}, 5 * SECOND)).toBe(find(2).mark - 1)
    })

    it('is spread over five seconds', () => {
      const times = [0, 1].map(random => {
        subscriptions = make({ random: () => random })
        cookies.set('ns', Uint8Array.of(1))
        open(0)
        subscriptions.updated(find(1), { resync: true }, 0)

        return subscriptions.wakeAt
      })

      expect(times).toEqual([0, 5 * SECOND])
    })

    it('does so once for all that said so, and half a minute after the last time at the earliest', () => {
      open(0)
      subscriptions.updated(find(1), { resync: true }, 1)
      subscriptions.updated(find(1), { resync: true }, 20 * SECOND)

      expect(subscriptions.wakeAt).toBe(30 * SECOND + 2.5 * SECOND)
      expect(due(subscriptions.wakeAt)).toHaveLength(2)
      expect(subscriptions.wakeAt).toBe(Infinity)
    })

    it('does so at once where the stream ends before', () => {
      cookies.set('ns', Uint8Array.of(1))
      open(0)
      subscriptions.updated(find(1), { resync: true }, 0)
      subscriptions.lost(1)
      subscriptions.connected(2)

      expect(due(2)).toEqual(['open'])
      subscriptions.opened(3)
      expect(due(3)).toEqual([{ subscribe: { id: 2, ns: 'ns', bothForms: true } }])
    })

    it('begins again where the stream ends in the middle of it', () => {
      open(0)
      cookies.set('ns', Uint8Array.of(1))
      subscriptions.updated(find(1), { more: true }, 0)
      subscriptions.lost(1)
      subscriptions.connected(2)
      due(2)
      subscriptions.opened(2)

      expect(due(2)).toEqual([{ subscribe: { id: 2, ns: 'ns', bothForms: true } }])
    })
  })

  describe('of a subscription that is refused', () => {
    it('begins without the cookie when that is not known', () => {
      cookies.set('ns', Uint8Array.of(1))
      open(0)
      subscriptions.updated(find(1), { error: invalidCookie }, 1)

      expect(subscriptions.isPending('ns', 1)).toBe(true)
      expect(due(1)).toEqual([{ subscribe: { id: 2, ns: 'ns', bothForms: true } }])
    })

    it('goes on with pauses where none was sent', () => {
      open(0)
      subscriptions.updated(find(1), { error: invalidCookie }, 1)

      expect(due(1)).toEqual([])
      expect(subscriptions.isPending('ns', 1)).toBe(false)
      expect(subscriptions.wakeAt).toBe(1 + 0.75 * SECOND)
    })

    it('does not run in circles with a point that takes back what it has said', () => {
      open(0)
      subscriptions.updated(find(1), {}, 1)
      subscriptions.updated(find(1), { error: invalidCookie }, 2)

      expect(subscriptions.wakeAt).toBe(30 * SECOND)
    })

    it.each([unavailable, new PointInternalError('broken', { status: Status.E_INTERNAL_ERROR })])('tries again later and later: %s', error => {
      open(0)
      const pauses: number[] = []
      let now = 0

      for (let id = 1; id <= 12; id++) {
        subscriptions.updated(find(id), { error }, now)
        expect(subscriptions.tells('ns')).toBe(false)
        pauses.push(subscriptions.wakeAt - now)
        now = subscriptions.wakeAt
        expect(due(now)).toEqual([{ subscribe: { id: id + 1, ns: 'ns', bothForms: true } }])
      }

      expect(pauses.slice(0, 3)).toEqual([0.75 * SECOND, 1.5 * SECOND, 3 * SECOND])
      expect(pauses.at(-1)).toBe(3.75 * MINUTE)
    })

    it.each([
      new InvalidNamespaceError('no', { status: Status.E_INVALID_NAMESPACE }),
      new NotAuthorizedError('no', { status: Status.E_NOT_AUTHORIZED })
    ])('gives up, for this stream: %s', error => {
      open(0)
      subscriptions.updated(find(1), { error }, 1)

      expect(subscriptions.wakeAt).toBe(Infinity)
      expect(subscriptions.isPending('ns', DAY)).toBe(false)
      subscriptions.lost(1)
      subscriptions.connected(2)
      due(2)
      subscriptions.opened(2)
      expect(due(2)).toHaveLength(1)
    })

    it('also when it stood', () => {
      open(0)
      subscriptions.updated(find(1), {}, 0)
      subscriptions.updated(find(1), { error: unavailable }, 1)

      expect(subscriptions.tells('ns')).toBe(false)
      expect(subscriptions.find(1)).toBe(undefined)
    })
  })

  describe('of a stream', () => {
    it('that is lost opens another, and tells of nothing meanwhile', () => {
      open(0)
      subscriptions.updated(find(1), {}, 0)
      subscriptions.lost(2 * MINUTE)

      expect(subscriptions.tells('ns')).toBe(false)
      expect(subscriptions.find(1)).toBe(undefined)
      expect(subscriptions.isPending('ns', 2 * MINUTE)).toBe(false)
      expect(subscriptions.wakeAt).toBe(2 * MINUTE + 0.75 * SECOND)
      expect(due(subscriptions.wakeAt)).toEqual(['open'])
    })

    it('that does not last is opened less and less often', () => {
      subscriptions.want(['ns'], false, 0)
      let now = 0
      const pauses = Array.from({ length: 12 }, () => {
        expect(due(now)).toEqual(['open'])
        subscriptions.opened(now)
        subscriptions.lost(now)
        const pause = subscriptions.wakeAt - now
        now = subscriptions.wakeAt

        return pause
      })

      expect(pauses.slice(0, 3)).toEqual([0.75 * SECOND, 1.5 * SECOND, 3 * SECOND])
      expect(pauses.at(-1)).toBe(3.75 * MINUTE)
      due(now)
      subscriptions.opened(now)
      subscriptions.lost(now + MINUTE)
      expect(subscriptions.wakeAt - now - MINUTE).toBe(0.75 * SECOND)
    })

    it('is opened at once when the point is back', () => {
      open(0)
      subscriptions.lost(0)
      subscriptions.connected(1)

      expect(due(1)).toEqual(['open'])
    })

    it('is not tried again where the point does not know the protocol, until it is connected again', () => {
      subscriptions.want(['ns'], false, 0)
      due(0)
      expect(subscriptions.isPending('ns', 0)).toBe(true)
      subscriptions.unsupported()

      expect(subscriptions.isPending('ns', DAY)).toBe(false)
      expect(subscriptions.wakeAt).toBe(Infinity)
      subscriptions.connected(2)
      expect(due(2)).toEqual(['open'])
    })

    it('is not opened for an hour to a point that cannot be believed, whatever it does meanwhile', () => {
      open(0)
      subscriptions.distrust(0)
      subscriptions.connected(1)

      expect(subscriptions.isPending('ns', 1)).toBe(false)
      expect(due(HOUR - 1)).toEqual([])
      expect(subscriptions.wakeAt).toBe(HOUR)
      subscriptions.want([], false, 1)
      expect(subscriptions.isOver(1)).toBe(false)
      expect(subscriptions.isOver(HOUR)).toBe(true)
    })
  })

  describe('of presence', () => {
    it('says once on each stream that this node is live', () => {
      expect(open(0, ['ns'], true)).toEqual([LIVE, { subscribe: { id: 1, ns: 'ns', bothForms: true } }])
      expect(due(1)).toEqual([])
      subscriptions.lost(2)
      subscriptions.connected(2)
      due(2)
      subscriptions.opened(2)
      expect(due(2)).toContainEqual(LIVE)
    })

    it('has a stream for it where nothing is followed', () => {
      expect(open(0, [], true)).toEqual([LIVE])
      expect(subscriptions.wakeAt).toBe(Infinity)
    })

    it('says it later where there was nothing to keep', () => {
      open(0)
      subscriptions.want(['ns'], true, 5)

      expect(due(5)).toEqual([LIVE])
    })

    it('takes one answer for each time it was said, and knows when that was', () => {
      open(7, ['ns'], true)

      expect(subscriptions.isAsked(8)).toBe(true)
      expect(subscriptions.registered()).toBe(7)
      expect(subscriptions.registered()).toBe(undefined)
      expect(subscriptions.isAsked(8)).toBe(false)
    })

    it('waits for no answer where it is not said', () => {
      open(0)

      expect(subscriptions.isAsked(0)).toBe(false)
      expect(subscriptions.registered()).toBe(undefined)
    })
  })
})

const DAY = 24 * HOUR

interface AtPoint {
  cursor: number
  gone: Set<string>
  resync: boolean
  isConfirmed: boolean
}

/** What a point answered to DISCOVER, and the client has not taken in yet. */
interface Answer {
  listing: Listing
  listed: Listed[]
  cookie: Uint8Array
}

/** A point that keeps to the protocol, with a store that may be wiped, and a client of it that also asks. */
class Side {
  readonly point
  readonly discovered: Discovered
  readonly subscriptions: Subscriptions
  readonly registered = new Map<string, number>()
  readonly #atPoint = new Map<number, AtPoint>()
  #cookie: Uint8Array | undefined
  #life = 1
  #sequence = 0
  #answer: Answer | undefined
  /** Whether the point speaks the watch protocol. */
  #tells = true

  constructor (name: string, discovered: Discovered, random: () => number) {
    this.point = namedPeer(name)
    this.discovered = discovered
    this.subscriptions = new Subscriptions({ random, mark: () => discovered.mark(), cookieOf: () => this.#cookie })
    this.subscriptions.want(['ns'], false, 0)
  }

  register (peer: string): void {
    this.registered.set(peer, ++this.#sequence)
    // a refresh is a new place in the listing, and what was gone before is told before
  }

  unregister (peer: string, isNamed: boolean): void {
    if (this.registered.delete(peer)) {
      for (const subscription of this.#atPoint.values()) {
        if (isNamed) {
          subscription.gone.add(peer)
        } else {
          subscription.resync = true
        }
      }
    }
  }

  wipe (now: number): void {
    this.registered.clear()
    this.#life++
    this.#sequence = 0
    this.lose(now)
  }

  lose (now: number): void {
    this.#atPoint.clear()
    this.subscriptions.lost(now)
  }

  /** The point is of another version from now on. */
  change (tells: boolean, now: number): void {
    this.#tells = tells
    this.lose(now)
    this.subscriptions.connected(now)
  }

  /** What no longer changes speaks the protocol: a listing behind a cookie does not tell who is gone. */
  settle (now: number): void {
    if (!this.#tells) {
      this.change(true, now)
    }
  }

  /** The client asks what is listed behind its cookie, and the point answers. */
  ask (now: number): void {
    this.answer(now)
    const [life, cursor] = this.#cookie ?? []
    const behind = this.#behind(life === this.#life ? cursor as number : 0)
    this.#answer = {
      listing: this.discovered.begin(),
      listed: behind.map(entry => this.#listed(entry, now)),
      cookie: Uint8Array.of(this.#life, this.#sequence)
    }
  }

  /** The client takes in what was answered. */
  answer (now: number): void {
    if (this.#answer != null) {
      const { listing, listed, cookie } = this.#answer
      listed.forEach(one => { this.discovered.add(one, now, listing) })
      this.discovered.end(listing)
      this.#cookie = cookie
      this.#answer = undefined
    }
  }

  /** The client does what is due; where it dials it is connected. */
  act (now: number): void {
    for (const step of this.subscriptions.due(now)) {
      if (step.do === 'open' && !this.#tells) {
        this.subscriptions.unsupported()
      } else if (step.do === 'open') {
        this.subscriptions.opened(now)
        this.act(now)
      } else if (step.do === 'send') {
        this.#serve(step.request, now)
      }
    }
  }

  /** The next update of each subscription, or none. */
  tell (now: number): boolean {
    let isTold = false

    for (const [id, subscription] of [...this.#atPoint]) {
      isTold = this.#tell(id, subscription, now) || isTold
    }

    return isTold
  }

  #serve ({ subscribe, unsubscribe }: WatchRequest, now: number): void {
    if (subscribe != null) {
      const { id = 0, cookie } = subscribe
      const [life, cursor] = cookie ?? [this.#life, 0]

      if (life !== this.#life) {
        this.subscriptions.updated(this.subscriptions.find(id) as Subscription, { error: invalidCookie }, now)
        this.act(now)
        return
      }

      this.#atPoint.set(id, { cursor: cursor as number, gone: new Set(), resync: cookie != null, isConfirmed: false })
    } else if (unsubscribe != null) {
      this.#atPoint.delete(unsubscribe.id ?? 0)
    }
  }

  #tell (id: number, at: AtPoint, now: number): boolean {
    const behind = this.#behind(at.cursor)

    if (behind.length === 0 && at.gone.size === 0 && !at.resync && at.isConfirmed) {
      return false
    }

    const page = behind.slice(0, 2)
    const more = behind.length > 2
    const { gone, resync } = at
    at.cursor = page.at(-1)?.[1] ?? at.cursor
    at.gone = new Set()
    at.resync = false
    at.isConfirmed = true

    const subscription = this.subscriptions.find(id) as Subscription
    gone.forEach(peer => { this.discovered.withdraw(this.point, 'ns', peer) })
    page.forEach(entry => { this.discovered.add(this.#listed(entry, now), now) })
    this.#cookie = Uint8Array.of(this.#life, at.cursor)
    const mark = this.subscriptions.updated(subscription, { resync, more }, now)

    if (mark != null) {
      this.discovered.withdrawUnlisted(this.point, 'ns', mark)
    }

    return true
  }

  #behind (cursor: number): Array<[string, number]> {
    return [...this.registered].filter(([, sequence]) => sequence > cursor).sort(([, a], [, b]) => a - b)
  }

  #listed ([peer, sequence]: [string, number], now: number): Listed {
    return listedAs({ id: namedPeer(peer), point: this.point, sequence: BigInt(sequence), now, ttl: DAY })
  }
}

describe('a client that applies what it is told', () => {
  it('knows in the end who is registered, whatever happens on the way', () => {
    const peers = ['a', 'b', 'c', 'd', 'e']
    const side = fc.nat(1)
    const peer = fc.constantFrom(...peers)
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant('register' as const), side, peer) },
      { weight: 3, arbitrary: fc.tuple(fc.constant('unregister' as const), side, peer) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('unregister unnamed' as const), side, peer) },
      { weight: 4, arbitrary: fc.tuple(fc.constant('tell' as const), side, peer) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('act' as const), side, peer) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('lose' as const), side, peer) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('wipe' as const), side, peer) },
      { weight: 2, arbitrary: fc.tuple(fc.constantFrom('ask' as const, 'answer' as const), side, peer) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom('upgrade' as const, 'downgrade' as const), side, peer) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('wait' as const), side, peer) }
    )

    fc.assert(fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (steps, randoms) => {
      const balance = new Map<string, number>()
      const count = (id: string, change: number): void => { balance.set(id, (balance.get(id) ?? 0) + change) }
      const discovered = new Discovered({
        onNew: ({ record }) => { count(record.peerId.toString(), 1) },
        onGone: ({ record }) => { count(record.peerId.toString(), -1) }
      })
      const random = (): number => randoms.next().value as number
      const sides = [new Side('one', discovered, random), new Side('two', discovered, random)]
      let now = 0

      for (const [what, index, peer] of steps) {
        const side = sides[index] as Side

        switch (what) {
          case 'register': side.register(peer); break
          case 'unregister': side.unregister(peer, true); break
          case 'unregister unnamed': side.unregister(peer, false); break
          case 'tell': side.tell(now); break
          case 'act': side.act(now); break
          case 'lose': side.lose(now); break
          case 'wipe': side.wipe(now); break
          case 'ask': side.ask(now); break
          case 'answer': side.answer(now); break
          case 'upgrade': side.change(true, now); break
          case 'downgrade': side.change(false, now); break
          default: now += 10 * SECOND
        }
      }

      // and then nothing happens any more
      for (const side of sides) {
        side.answer(now)
        side.settle(now)
        side.act(now)

        while (side.tell(now) || side.subscriptions.wakeAt < Infinity) {
          now = Math.max(now, Math.min(side.subscriptions.wakeAt, now + MINUTE))
          side.act(now)
        }
      }

      const known = discovered.peers(now).map(({ record }) => record.peerId.toString()).sort()
      expect(known).toEqual([...new Set(sides.flatMap(({ registered }) => [...registered.keys()]))].sort())
      // the user was told the same
      expect([...balance].filter(([, there]) => there !== 0).map(([id]) => id).sort()).toEqual(known)
    }), { numRuns: 500 })
  })
})
