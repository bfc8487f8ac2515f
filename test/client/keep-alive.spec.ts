import { ProtocolError } from '@libp2p/interface'
import { beforeAll, describe, expect, it } from 'vitest'
import { KeepAlive } from '../../src/client/keep-alive.ts'
import { InvalidCookieError, InvalidTtlError, NoAddressesError, NotAuthorizedError, Status, UnavailableError } from '../../src/protocol/errors.ts'
import { makePeer } from '../fixtures/peers.ts'
import type { Ask } from '../../src/client/keep-alive.ts'
import type { Registration, RegistrationFailedDetail } from '../../src/index.ts'
import type { PeerId } from '@libp2p/interface'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const TTL = 2 * HOUR

const unreachable = new Error('connection refused')
const overloaded = new UnavailableError('full', { status: Status.E_UNAVAILABLE })
const cookie = Uint8Array.of(1)

let point: PeerId
let other: PeerId

beforeAll(async () => {
  point = (await makePeer()).peerId
  other = (await makePeer()).peerId
})

interface Request {
  what: Ask['what']
  at: number
  namespace: string
  point: PeerId
  ttl: number
  record: string
  cookie: Uint8Array | undefined
}

type Answer = number | Error | 'silence'

/** A point that notes what it is asked, and a keep-alive that asks it, in a time of their own. */
class World {
  now = 0
  readonly requests: Request[] = []
  readonly granted: Registration[] = []
  readonly failed: RegistrationFailedDetail[] = []
  readonly expired: Registration[] = []
  /** What has not been answered. */
  readonly silent: Ask[] = []
  /** How often a refresh came too late. */
  lapses = 0
  addresses: string | undefined = 'one'
  /** Whether the point says by itself what is registered there. */
  says = false
  /** Whether the point has given a cookie for everything. */
  hasCookie = true
  random: () => number
  answer: (ttl: number) => Answer = ttl => ttl
  confirmation: () => 'kept' | 'forgotten' | Error = () => 'kept'
  /** Happens after each answer. */
  after = (): void => {}
  readonly keepAlive: KeepAlive
  readonly #heldUntil = new Map<string, number>()

  constructor ({ random = Math.random, ...init }: { autoRefresh?: boolean, refreshBuffer?: number, random?: () => number } = {}) {
    this.random = random
    this.keepAlive = new KeepAlive({ autoRefresh: true, refreshBuffer: 5 * MINUTE, random: () => this.random(), ...init })
  }

  get isHeldAtPoint (): boolean {
    return [...this.#heldUntil.values()].every(until => until >= this.now)
  }

  get registrations (): Registration[] {
    return this.keepAlive.registrations(this.now)
  }

  /** What was asked, in short. */
  get asked (): string[] {
    return this.requests.map(({ what }) => what)
  }

  /** Milliseconds between one request and the next. */
  get gaps (): number[] {
    return this.requests.slice(1).map(({ at }, index) => at - this.requests[index]!.at)
  }

  /** @returns what is to be asked; what comes of it is in `settle` */
  begin (namespace = 'ns', options: { ttl?: number, isNamed?: boolean, point?: PeerId } = {}): Ask {
    return this.keepAlive.keep(namespace, options.point ?? point, { ttl: TTL, ...options }, this.now)
  }

  keep (namespace?: string, options?: { ttl?: number, isNamed?: boolean, point?: PeerId }): void {
    this.settle(this.begin(namespace, options))
    this.run()
  }

  settle (ask: Ask): void {
    const { what, kept: { namespace, point, ttl }, cookie } = ask

    if (what === 'register' && this.addresses == null) {
      this.#fail(ask, new NoAddressesError())
      return
    }

    if (what === 'register' && !this.keepAlive.send(ask, this.addresses ?? '')) {
      return
    }

    this.requests.push({ what, at: this.now, namespace, point, ttl, cookie, record: this.addresses ?? '' })

    if (what === 'confirm') {
      const answer = this.confirmation()

      if (answer instanceof Error) {
        this.#fail(ask, answer)
      } else {
        this.keepAlive[answer === 'kept' ? 'confirm' : 'forget'](ask, this.now)
      }
    } else {
      this.reply(ask, this.answer(ttl))
    }

    this.after()
  }

  reply (ask: Ask, answer: Answer): void {
    const { namespace, point } = ask.kept

    if (answer === 'silence') {
      this.silent.push(ask)
    } else if (answer instanceof Error) {
      this.#fail(ask, answer)
    } else {
      const key = `${point}/${namespace}`
      this.lapses += (this.#heldUntil.get(key) ?? Infinity) < this.now ? 1 : 0
      this.#heldUntil.set(key, this.now + answer)
      const registration = { namespace, point, ttl: answer, expires: this.now + answer }

      if (this.keepAlive.isWanted(ask)) {
        this.granted.push(registration)
      }

      const failure = this.keepAlive.grant(ask, registration, this.hasCookie, this.now)
      this.failed.push(...failure == null ? [] : [failure])
    }
  }

  disconnect (isUsed = true, cookieOf: (namespace: string) => Uint8Array | undefined = () => cookie): void {
    this.keepAlive.onDisconnect(point, isUsed, namespace => ({ cookie: cookieOf(namespace), says: this.says }), this.now)
    this.run()
  }

  connect (): void {
    this.keepAlive.onConnect(point, this.now)
    this.run()
  }

  changeAddresses (addresses = this.addresses): void {
    this.addresses = addresses
    this.keepAlive.onAddressesChanged(addresses, this.now)
    this.run()
  }

  answers (answer: Answer): void {
    this.answer = () => answer
  }

  grants (): void {
    this.answer = ttl => ttl
  }

  /** What a timer does. */
  run (): void {
    this.expired.push(...this.keepAlive.expire(this.now))
    this.keepAlive.due(this.now).forEach(ask => { this.settle(ask) })
  }

  pass (ms: number): void {
    const end = this.now + ms

    while (this.keepAlive.wakeAt <= end) {
      this.now = Math.max(this.now, this.keepAlive.wakeAt)
      this.run()
    }

    this.now = end
  }

  #fail (ask: Ask, error: Error): void {
    const failure = this.keepAlive.fail(ask, error, this.now)

    if (failure != null && ask.what === 'register') {
      this.failed.push(failure)
    }
  }
}

/** How many requests of 1,000 that start together come in the busiest ten seconds. */
function busiest (worlds: World[], from: number): number {
  const counts = new Map<number, number>()

  for (const { at } of worlds.flatMap(({ requests }) => requests)) {
    const index = Math.floor(at / (10 * SECOND))
    counts.set(index, (counts.get(index) ?? 0) + 1)
  }

  return Math.max(...[...counts].filter(([index]) => index > 1 && index * 10 * SECOND >= from).map(([, count]) => count))
}

function fleet (ms: number, prepare: (world: World) => void = () => {}): World[] {
  return Array.from({ length: 1_000 }, (_, index) => {
    const world = new World({ random: seeded(index) })
    prepare(world)
    world.keep()
    world.pass(ms)

    return world
  })
}

describe('KeepAlive', () => {
  describe('over days', () => {
    it('refreshes between nine tenths of the time and five minutes before the end', () => {
      const world = new World()
      world.keep()
      world.pass(7 * DAY)

      expect(Math.min(...world.gaps)).toBeGreaterThanOrEqual(0.9 * 115 * MINUTE)
      expect(Math.max(...world.gaps)).toBeLessThanOrEqual(115 * MINUTE)
      expect(world.requests.length).toBeGreaterThanOrEqual(7 * 24 * 60 / 115)
      expect(world).toMatchObject({ lapses: 0, isHeldAtPoint: true, expired: [], failed: [] })
      expect(world.registrations).toHaveLength(1)
    })

    it('takes off a tenth of the time at the most, by chance', () => {
      const gaps = [0, 0.5, 1].map(random => {
        const world = new World({ random: () => random })
        world.keep()
        world.pass(TTL)

        return world.gaps[0]
      })

      expect(gaps).toEqual([115 * MINUTE, 0.95 * 115 * MINUTE, 0.9 * 115 * MINUTE])
    })

    it.each([2 * MINUTE, 5 * MINUTE, 9 * MINUTE])('refreshes a registration of %d ms after half its time', ttl => {
      const world = new World()
      world.keep('ns', { ttl })
      world.pass(20 * ttl)

      expect(Math.min(...world.gaps)).toBeGreaterThanOrEqual(0.9 * ttl / 2)
      expect(Math.max(...world.gaps)).toBeLessThanOrEqual(ttl / 2)
      expect(world).toMatchObject({ lapses: 0, expired: [] })
    })

    it('goes by what the point grants, not by what was asked', () => {
      const world = new World()
      world.answers(10 * MINUTE)
      world.keep()
      world.pass(HOUR)

      expect(Math.max(...world.gaps)).toBeLessThanOrEqual(5 * MINUTE)
      expect(world).toMatchObject({ lapses: 0, expired: [] })
    })

    it('renews by the time before the request, for the point may have granted it then', () => {
      const world = new World({ random: () => 0 })
      world.answers('silence')
      world.keep()
      world.pass(9 * SECOND)
      world.grants()
      world.reply(world.silent[0]!, TTL)
      world.pass(115 * MINUTE - 9 * SECOND)

      expect(world.requests).toHaveLength(2)
    })

    it.each([1, 2, 3])('never lets a registration lapse while the point is away for no more than four minutes (seed %d)', seed => {
      const random = seeded(seed)
      const world = new World({ random })
      world.keep()

      for (let outage = 0; outage < 2_000; outage++) {
        world.pass(5 * MINUTE + random() * 20 * MINUTE)
        world.answers(unreachable)
        world.pass(random() * 4 * MINUTE)
        world.grants()
      }

      world.pass(5 * MINUTE)

      expect(world.failed.length).toBeGreaterThan(10)
      expect(world).toMatchObject({ lapses: 0, expired: [], isHeldAtPoint: true })
    })

    it('does not let a fleet of 1,000 that started together refresh together', () => {
      const worlds = fleet(12 * HOUR)

      // spread evenly over the eleven minutes of the jitter it would be 15
      expect(busiest(worlds, 1)).toBeLessThanOrEqual(50)
      expect(worlds.every(({ lapses, requests }) => lapses === 0 && requests.length >= 7)).toBe(true)
    })

    it('asks again once when a machine has slept through it', () => {
      const world = new World()
      world.keep()
      world.now += TTL
      expect(world.registrations).toEqual([])
      world.now += 8 * HOUR
      world.run()

      expect(world.expired).toHaveLength(1)
      expect(world.requests).toHaveLength(2)
      expect(world.registrations).toHaveLength(1)
    })
  })

  describe('granted too short a time', () => {
    it.each([1 * SECOND, 29 * SECOND])('renews no more often than every half minute, and says that %d ms cannot be kept', ttl => {
      const world = new World()
      world.now = DAY
      world.answers(ttl)
      world.keep()
      world.pass(HOUR)

      expect(Math.min(...world.gaps)).toBe(30 * SECOND)
      expect(world.requests).toHaveLength(121)
      expect(world.expired).toHaveLength(120)
      expect(world.failed).toHaveLength(121)
      expect(world.failed[0]).toMatchObject({ namespace: 'ns', point, willRetry: true, retryIn: 30 * SECOND, error: { name: 'ProtocolError' } })
      expect(world.failed[0]!.error.message).toMatch(new RegExp(`${point}.*"ns".* ${ttl / 1_000} s`))
    })

    it('says so of one that ends just when it may be renewed', () => {
      const world = new World()
      world.answers(30 * SECOND)
      world.keep()

      expect(world.failed).toHaveLength(1)
    })

    it('keeps what lasts a little longer', () => {
      const world = new World()
      world.answers(31 * SECOND)
      world.keep()
      world.pass(HOUR)

      expect(world).toMatchObject({ failed: [], expired: [], lapses: 0 })
      expect(world.requests).toHaveLength(121)
    })

    it('says nothing when it is not to be kept', () => {
      const world = new World({ autoRefresh: false })
      world.answers(1 * SECOND)
      world.keep()

      expect(world.failed).toEqual([])
    })
  })

  describe('when the point fails', () => {
    it('tries again with pauses that double up to five minutes', () => {
      const world = new World()
      world.answers(unreachable)
      world.keep()
      world.pass(HOUR)

      world.gaps.slice(0, 9).forEach((gap, index) => {
        expect(gap).toBeGreaterThanOrEqual(500 * 2 ** index)
        expect(gap).toBeLessThanOrEqual(1000 * 2 ** index)
      })
      world.gaps.slice(9).forEach(gap => {
        expect(gap).toBeGreaterThanOrEqual(2.5 * MINUTE)
        expect(gap).toBeLessThanOrEqual(5 * MINUTE)
      })
      expect(world.failed.every(({ willRetry }) => willRetry)).toBe(true)
      expect(world.failed.slice(0, -1).map(({ retryIn }) => Math.round(retryIn!))).toEqual(world.gaps.map(Math.round))
      expect(world.registrations).toEqual([])
    })

    it('does not let a fleet come back together', () => {
      const worlds = fleet(HOUR, world => { world.answers(unreachable) })

      // spread evenly over five minutes it would be 45
      expect(busiest(worlds, 10 * MINUTE)).toBeLessThanOrEqual(100)
    })

    it('tries more often when what is held is about to lapse', () => {
      const world = new World({ random: () => 1 })
      world.keep('ns', { ttl: 10 * MINUTE })
      world.answers(unreachable)
      world.pass(530 * SECOND)
      world.grants()
      world.pass(70 * SECOND)

      // with pauses that only double it would be too late
      expect(world.requests.at(-1)!.at).toBe(549.25 * SECOND)
      expect(world).toMatchObject({ lapses: 0, expired: [] })
    })

    it('begins with short pauses again after it has succeeded', () => {
      const world = new World()
      world.answers(unreachable)
      world.keep()
      world.pass(10 * MINUTE)
      world.grants()
      world.pass(10 * MINUTE)
      const { length } = world.requests
      world.answers(unreachable)
      world.pass(2 * HOUR)

      expect(world.gaps[length]).toBeLessThanOrEqual(1 * SECOND)
    })

    it('registers as soon as a point that could not be reached is connected', () => {
      const world = new World()
      world.answers(unreachable)
      world.keep()
      world.pass(HOUR)
      const before = world.requests.length
      world.grants()
      world.connect()

      expect(world.requests).toHaveLength(before + 1)
      expect(world.registrations).toHaveLength(1)
    })

    it('does not run after a point that comes back only to fail', () => {
      const world = new World()
      world.answers(unreachable)
      world.keep()

      for (let round = 0; round < 36_000; round++) {
        world.pass(100)
        world.connect()
      }

      // twice as often as without its coming back, at the most
      expect(world.requests.length).toBeLessThan(2 * (HOUR / (2.5 * MINUTE) + 10))
    })

    it.each([
      ['is overloaded', overloaded],
      ['breaks the protocol', new ProtocolError('what?')]
    ])('does not take an answer for a loss: a point that %s is not another for a new connection', (_, error) => {
      const world = new World()
      world.answers(error)
      world.keep()
      world.connect()
      world.disconnect()
      world.connect()

      expect(world.requests).toHaveLength(1)
      world.pass(HOUR)
      expect(world.requests.length).toBeLessThan(HOUR / (2.5 * MINUTE) + 10)
    })

    it('does not ask again for a connection that is new while nothing was lost', () => {
      const world = new World()
      world.keep()
      world.connect()
      world.pass(HOUR)

      expect(world.requests).toHaveLength(1)
    })

    it('reports that a registration has expired when the point stays away', () => {
      const world = new World()
      world.keep()
      world.answers(unreachable)
      world.pass(TTL - 1)
      expect(world.registrations).toHaveLength(1)
      expect(world.expired).toEqual([])
      world.pass(1)

      expect(world.registrations).toEqual([])
      expect(world.expired).toMatchObject([{ namespace: 'ns', ttl: TTL }])
    })

    it('reports that a registration has expired while the point keeps silent, and asks no second time meanwhile', () => {
      const world = new World()
      world.keep()
      world.answers('silence')
      world.pass(DAY)

      expect(world.expired).toHaveLength(1)
      expect(world.requests).toHaveLength(2)
      expect(world.keepAlive.has('ns', point)).toBe(true)
    })

    it('reports a refusal that cannot be mended once, and asks no more', () => {
      const world = new World()
      world.answers(new InvalidTtlError('too short', { status: Status.E_INVALID_TTL }))
      world.keep()
      expect(world.keepAlive.has('ns', point)).toBe(false)

      world.changeAddresses('two')
      world.disconnect()
      world.connect()
      world.pass(7 * DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.failed).toMatchObject([{ namespace: 'ns', point, willRetry: false, retryIn: undefined }])
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('lets what is held lapse when it may not be renewed', () => {
      const world = new World()
      world.keep()
      world.answers(new InvalidTtlError('no longer', { status: Status.E_INVALID_TTL }))
      world.pass(TTL - 1)
      expect(world.registrations).toHaveLength(1)
      world.pass(7 * DAY)

      expect(world.requests).toHaveLength(2)
      expect(world.failed).toMatchObject([{ willRetry: false }])
      expect(world.expired).toHaveLength(1)
      expect(world.keepAlive.wakeAt).toBe(Infinity)
      expect(world.keepAlive.release('ns')).toEqual([])
    })
  })

  it('tries a renewal again that is refused as one registration too many, as by points of rust-libp2p, which may have room before the end', () => {
    const world = new World({ random: () => 0 })
    world.keep()
    world.pass(HOUR)
    world.answers(overloaded)
    world.pass(56 * MINUTE)
    const tried = world.requests.length
    expect(tried).toBeGreaterThan(2)
    expect(world.failed.every(({ willRetry }) => willRetry)).toBe(true)
    expect(world.registrations).toHaveLength(1)

    world.grants()
    world.pass(4 * MINUTE)
    expect(world.granted).toHaveLength(2)
    expect(world.lapses).toBe(0)
  })

  describe('after a lost connection', () => {
    it('asks soon whether the point has kept it, by the last cookie, and does not register again', () => {
      const world = new World()
      world.keep()
      world.disconnect()
      world.pass(HOUR)

      expect(world.asked).toEqual(['register', 'confirm'])
      expect(world.gaps[0]).toBeGreaterThanOrEqual(500)
      expect(world.gaps[0]).toBeLessThanOrEqual(1 * SECOND)
      expect(world.requests[1]!.cookie).toBe(cookie)
      expect(world).toMatchObject({ failed: [], expired: [] })
    })

    it('renews in its time what the point has kept', () => {
      const world = new World({ random: () => 0 })
      world.keep()
      world.pass(HOUR)
      world.disconnect()
      world.pass(2 * DAY)

      expect(world.asked.slice(0, 3)).toEqual(['register', 'confirm', 'register'])
      expect(world.requests[2]!.at).toBe(115 * MINUTE)
      expect(world.lapses).toBe(0)
    })

    it('registers again at once when the point has forgotten the cookie', () => {
      const world = new World()
      world.confirmation = () => 'forgotten'
      world.keep()
      world.disconnect()
      world.pass(SECOND)

      expect(world.asked).toEqual(['register', 'confirm', 'register'])
      expect(world.gaps[1]).toBe(0)
      expect(world.requests[2]!.cookie).toBeUndefined()
    })

    it('registers again when it has no cookie to ask with', () => {
      const world = new World()
      world.keep()
      world.disconnect(true, () => undefined)
      world.pass(SECOND)

      expect(world.asked).toEqual(['register', 'register'])
    })

    it('asks with the cookie from before the first loss: a later one says nothing of the time before', () => {
      const world = new World()
      world.keep()
      world.confirmation = () => unreachable
      world.disconnect()
      world.pass(SECOND)
      world.disconnect(true, () => Uint8Array.of(2))
      world.pass(5 * SECOND)

      expect(world.requests.slice(1).every(request => request.what === 'confirm' && request.cookie === cookie)).toBe(true)
    })

    it('asks with a newer cookie about a later loss', () => {
      const world = new World()
      const newer = Uint8Array.of(2)
      world.keep()
      world.disconnect()
      world.pass(MINUTE)
      world.disconnect(true, () => newer)
      world.pass(MINUTE)

      expect(world.requests.map(({ cookie }) => cookie)).toEqual([undefined, cookie, newer])
    })

    it('asks at once when the point comes back', () => {
      const world = new World()
      world.keep()
      world.disconnect()
      world.connect()

      expect(world.asked).toEqual(['register', 'confirm'])
      expect(world.gaps).toEqual([0])
    })

    it('asks once by a cookie for all namespaces at that point, and for none at another', () => {
      const world = new World()
      world.keep('one')
      world.keep('two')
      world.keep('three', { point: other })
      world.disconnect(true, namespace => new TextEncoder().encode(namespace))
      world.connect()
      world.pass(HOUR)

      expect(world.requests.slice(3).map(({ namespace, cookie }) => [namespace, new TextDecoder().decode(cookie)])).toEqual([['one', 'one']])
    })

    it('renews each in its time after one was asked for all', () => {
      const world = new World({ random: () => 0 })
      world.keep('one')
      world.keep('two')
      world.disconnect()
      world.connect()
      world.pass(115 * MINUTE)

      expect(world.asked.slice(2)).toEqual(['confirm', 'register', 'register'])
      expect(world.lapses).toBe(0)
    })

    it('asks for the others as well when the point has forgotten one', () => {
      const world = new World()
      let asked = 0
      world.confirmation = () => asked++ === 0 ? 'forgotten' : 'kept'
      world.keep('one')
      world.keep('two')
      world.disconnect()
      world.connect()
      world.pass(0)

      expect(world.requests.slice(2).map(({ what, namespace }) => `${what} ${namespace}`).sort()).toEqual(['confirm one', 'confirm two', 'register one'])
    })

    it('asks for each where the point says by itself what is registered, or where one has no cookie', () => {
      const says = new World()
      says.says = true
      says.keep('one')
      says.keep('two')
      says.disconnect()
      says.connect()
      expect(says.asked.slice(2)).toEqual(['confirm', 'confirm'])

      const world = new World()
      world.keep('one')
      world.keep('two')
      world.disconnect(true, namespace => namespace === 'one' ? cookie : undefined)
      world.connect()
      world.pass(SECOND)
      expect(world.asked.slice(2)).toEqual(['confirm', 'register'])
    })

    it('asks for another while the answer for one does not come, but not at once', () => {
      const world = new World()
      world.keep('one')
      world.keep('two')
      world.disconnect()
      const [ask, ...others] = world.keepAlive.due(SECOND)
      expect(others).toEqual([])
      world.now = SECOND
      world.keepAlive.fail(ask!, unreachable, world.now)
      world.pass(HOUR)

      expect(world.requests.slice(2).map(({ namespace }) => namespace)).toHaveLength(1)
    })

    it('goes on asking while the point is away, without a word, and then when it comes back', () => {
      const world = new World()
      world.keep()
      world.confirmation = () => unreachable
      world.disconnect()
      world.pass(HOUR)
      const before = world.requests.length
      expect(before).toBeLessThan(HOUR / (2.5 * MINUTE) + 12)
      expect(world.failed).toEqual([])

      world.confirmation = () => 'kept'
      world.connect()
      expect(world.requests).toHaveLength(before + 1)
      world.pass(10 * MINUTE)
      expect(world.requests).toHaveLength(before + 1)
      expect(new Set(world.asked.slice(1))).toEqual(new Set(['confirm']))
    })

    it('renews what could not be confirmed when it is time to', () => {
      const world = new World({ random: () => 0 })
      world.keep()
      world.confirmation = () => unreachable
      world.disconnect()
      world.pass(115 * MINUTE)

      expect(world.requests.at(-1)).toMatchObject({ what: 'register', at: 115 * MINUTE })
      expect(world.lapses).toBe(0)
    })

    it('registers what may have lapsed before it could be confirmed', () => {
      const world = new World()
      world.keep()
      world.disconnect()
      world.now += TTL
      world.run()

      expect(world.expired).toHaveLength(1)
      expect(world.asked).toEqual(['register', 'register'])
    })

    it.each([
      ['does not let it discover', new NotAuthorizedError('no', { status: Status.E_NOT_AUTHORIZED })],
      ['is overloaded', overloaded],
      ['breaks the protocol', new ProtocolError('what?')],
      ['knows no cookies', new InvalidCookieError('what?', { status: Status.E_INVALID_COOKIE })]
    ])('registers again at a point that %s', (_, error) => {
      const world = new World()
      world.keep()
      world.confirmation = () => error
      world.disconnect()
      world.pass(SECOND)

      expect(world.asked).toEqual(['register', 'confirm', 'register'])
      expect(world.failed).toEqual([])
    })

    it('asks a point that ends every connection less and less often, and never registers for it', () => {
      const world = new World()
      world.after = () => {
        // as rust-libp2p's points do ten seconds later
        world.keepAlive.onDisconnect(point, true, () => ({ cookie, says: false }), world.now)
        world.keepAlive.onConnect(point, world.now)
      }
      world.keep()
      world.pass(HOUR)

      expect(world.requests.length).toBeLessThan(HOUR / (2.5 * MINUTE) + 12)
      expect(world.asked.filter(what => what === 'register')).toHaveLength(1)
      world.pass(DAY)
      expect(world).toMatchObject({ lapses: 0, failed: [], expired: [] })
    })

    it('registers less and less often at one that ends every connection and gives no cookie', () => {
      const world = new World()
      world.after = () => { world.keepAlive.onDisconnect(point, true, () => ({ cookie: undefined, says: false }), world.now) }
      world.keep()
      world.pass(HOUR)

      expect(world.requests.length).toBeLessThan(HOUR / (2.5 * MINUTE) + 12)
      expect(world.lapses).toBe(0)
    })

    it('does not hurry what has lapsed and is not yet to be renewed', () => {
      const world = new World()
      world.answers(1 * SECOND)
      world.keep()
      world.pass(2 * SECOND)
      world.disconnect()
      world.connect()
      world.pass(28 * SECOND - 1)
      expect(world.requests).toHaveLength(1)
      world.pass(1)

      expect(world.asked).toEqual(['register', 'register'])
    })

    it('registers what has lapsed while it waited to be confirmed, with a pause', () => {
      const world = new World()
      world.keep()
      world.disconnect()
      const [ask] = world.keepAlive.due(world.now + SECOND)
      world.pass(TTL)
      world.keepAlive.fail(ask!, unreachable, world.now)
      world.pass(499)
      expect(world.requests).toHaveLength(1)
      world.pass(501)

      expect(world.asked).toEqual(['register', 'register'])
    })

    it.each(['confirm', 'forget'] as const)('goes by the registration that was asked for meanwhile (%s)', outcome => {
      const world = new World()
      world.keep()
      world.disconnect()
      const [ask] = world.keepAlive.due(world.now + SECOND)
      world.answers('silence')
      world.keep()
      world.keepAlive[outcome](ask!, world.now)
      world.pass(TTL - 1)

      expect(world.asked).toEqual(['register', 'register'])
    })

    it('asks soon again after a point has stayed', () => {
      const world = new World()
      world.keep()

      for (let loss = 0; loss < 8; loss++) {
        world.disconnect()
        world.pass(5 * MINUTE)
      }

      world.pass(5 * HOUR)
      const before = world.requests.length
      world.disconnect()
      world.pass(SECOND)

      expect(world.requests).toHaveLength(before + 1)
    })

    it('waits for what is on its way instead of asking', () => {
      const world = new World()
      world.keep()
      world.answers('silence')
      const [ask] = [world.begin()]
      world.settle(ask!)
      world.disconnect()
      world.pass(HOUR)
      expect(world.requests).toHaveLength(2)
      world.reply(ask!, TTL)
      world.disconnect()
      world.pass(2 * SECOND)

      expect(world.asked).toEqual(['register', 'register', 'confirm'])
    })

    it('does not hurry what has failed already', () => {
      const world = new World({ random: () => 1 })
      world.keep()
      world.answers(unreachable)
      world.pass(0.9 * 115 * MINUTE + 7 * SECOND)
      const { length } = world.requests
      world.disconnect()
      world.pass(7 * SECOND)

      expect(world.requests).toHaveLength(length)
    })
  })

  describe('at a point that has given no cookie', () => {
    it('asks for one a few seconds after it was registered, so that it need not register again after a loss', () => {
      const world = new World()
      world.hasCookie = false
      world.keep()
      world.pass(HOUR)

      expect(world.asked).toEqual(['register', 'confirm'])
      expect(world.requests[1]!.cookie).toBeUndefined()
      expect(world.gaps[0]).toBeGreaterThanOrEqual(2.5 * SECOND)
      expect(world.gaps[0]).toBeLessThanOrEqual(5 * SECOND)
    })

    it.each<[string, 'forgotten' | Error]>([
      ['says that there is none', 'forgotten'],
      ['does not answer', unreachable],
      ['refuses', overloaded]
    ])('leaves it at that when it %s', (_, confirmation) => {
      const world = new World()
      world.hasCookie = false
      world.confirmation = () => confirmation
      world.keep()
      world.pass(HOUR)

      expect(world.asked).toEqual(['register', 'confirm'])
      expect(world.failed).toEqual([])
      world.hasCookie = true
      world.pass(HOUR)
      expect(world.asked).toEqual(['register', 'confirm', 'register'])
      expect(world.lapses).toBe(0)
    })

    it('asks again what was lost while it asked for one', () => {
      const world = new World()
      world.hasCookie = false
      world.keep()
      world.pass(3 * SECOND)
      const asks = world.keepAlive.due(world.now + 5 * SECOND)
      world.disconnect(true, () => undefined)
      asks.forEach(ask => { world.keepAlive.confirm(ask, world.now) })
      world.pass(SECOND)

      expect(world.asked).toEqual(asks.length === 1 ? ['register', 'register'] : ['register', 'confirm', 'register'])
    })

    it('does not ask for one sooner because the point is connected', () => {
      const world = new World()
      world.hasCookie = false
      world.keep()
      world.connect()

      expect(world.asked).toEqual(['register'])
    })

    it('does not ask for one when registrations are not kept', () => {
      const world = new World({ autoRefresh: false })
      world.hasCookie = false
      world.keep()
      world.pass(HOUR)

      expect(world.asked).toEqual(['register'])
    })
  })

  describe('when addresses change', () => {
    it('sends the new record', () => {
      const world = new World()
      world.keep()
      world.keep('other')
      world.changeAddresses('two')

      expect(world.requests.map(({ namespace, record }) => [namespace, record])).toEqual([
        ['ns', 'one'], ['other', 'one'], ['ns', 'two'], ['other', 'two']
      ])
      expect(new Set(world.asked)).toEqual(new Set(['register']))
    })

    it('sends it also while the old one is on its way', () => {
      const world = new World()
      world.answers('silence')
      world.keep()
      world.grants()
      world.changeAddresses('two')
      world.reply(world.silent[0]!, TTL)

      expect(world.requests.map(({ record }) => record)).toEqual(['one', 'two'])
      expect(world.registrations).toHaveLength(1)
    })

    it('sends nothing when they are the same after all', () => {
      const world = new World()
      world.keep()
      world.changeAddresses()

      expect(world.requests).toHaveLength(1)
    })

    it('registers at the first address', () => {
      const world = new World()
      world.addresses = undefined
      expect(world.keepAlive.isEmpty).toBe(true)
      world.keep()
      world.connect()
      world.changeAddresses(undefined)
      world.pass(DAY)
      expect(world.requests).toEqual([])
      expect(world.failed).toMatchObject([{ willRetry: true, retryIn: undefined, error: { name: 'NoAddressesError' } }])
      expect(world.keepAlive.waitsForAddress).toBe(true)
      expect(world.keepAlive.isEmpty).toBe(false)

      world.changeAddresses('one')

      expect(world.requests).toHaveLength(1)
      expect(world.registrations).toHaveLength(1)
    })

    it('comes back to a point that was lost meanwhile, which may be the relay that gives it one', () => {
      const world = new World({ random: () => 1 })
      world.addresses = undefined
      world.keep()
      world.disconnect()
      expect(world.keepAlive.wakeAt).toBe(world.now + SECOND)
      world.pass(SECOND)
      expect(world.failed).toHaveLength(2)
      world.disconnect()
      expect(world.keepAlive.wakeAt).toBe(world.now + 2 * SECOND)

      world.connect()
      expect(world.failed).toHaveLength(3)
    })

    it('registers again when the address it had has gone and come back', () => {
      const world = new World()
      world.keep()
      world.addresses = undefined
      world.keepAlive.onAddressesChanged(undefined, world.now)
      world.run()
      expect(world.failed).toEqual([])
      world.pass(TTL)
      expect(world.expired).toHaveLength(1)

      world.changeAddresses('one')

      expect(world.registrations).toHaveLength(1)
    })
  })

  describe('without autoRefresh', () => {
    it('asks once, and says when it is over', () => {
      const world = new World({ autoRefresh: false })
      world.keep()
      world.changeAddresses('two')
      world.disconnect()
      world.connect()
      world.pass(TTL - 1)
      expect(world.registrations).toHaveLength(1)
      expect(world.expired).toEqual([])
      world.pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.expired).toHaveLength(1)
      expect(world.registrations).toEqual([])
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('does not try again', () => {
      const world = new World({ autoRefresh: false })
      world.answers(unreachable)
      world.keep()
      world.pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.failed).toMatchObject([{ willRetry: false }])
      expect(world.keepAlive.stop(world.now)).toEqual([])
    })

    it('asks again when it is told to', () => {
      const world = new World({ autoRefresh: false })
      world.keep()
      world.pass(HOUR)
      world.keep()
      world.pass(TTL - 1)

      expect(world.expired).toEqual([])
      expect(world.registrations).toHaveLength(1)
    })

    it('does not go on when its caller aborts asking again', () => {
      const world = new World({ autoRefresh: false })
      world.keep()
      world.keepAlive.abort(world.begin(), true, world.now)
      world.pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.expired).toHaveLength(1)
    })
  })

  describe('at a point that is one only while it is connected', () => {
    it('leaves what it holds to lapse when it goes', () => {
      const world = new World()
      world.keep()
      world.disconnect(false)
      world.pass(TTL - 1)
      expect(world.registrations).toHaveLength(1)
      expect(world.keepAlive.has('ns', point)).toBe(false)
      world.pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.expired).toHaveLength(1)
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('does not tell it to unregister what was given up', () => {
      const world = new World()
      world.keep()
      world.disconnect(false)

      expect(world.keepAlive.stop(world.now)).toEqual([])
    })

    it('keeps it again when it returns', () => {
      const world = new World()
      world.keep()
      world.disconnect(false)
      world.keep()
      world.pass(3 * DAY)

      expect(world).toMatchObject({ lapses: 0, expired: [], isHeldAtPoint: true })
    })

    it('forgets what it was never granted', () => {
      const world = new World()
      world.answers('silence')
      world.keep()
      world.disconnect(false)
      world.reply(world.silent[0]!, unreachable)

      expect(world.keepAlive.has('ns', point)).toBe(false)
      expect(world.failed).toEqual([])
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('says that what failed with the connection is not tried again', () => {
      const world = new World()
      world.keep()
      world.answers('silence')
      world.keep()
      world.disconnect(false)
      world.reply(world.silent[0]!, unreachable)

      expect(world.failed).toMatchObject([{ willRetry: false }])
      expect(world.registrations).toHaveLength(1)
    })

    it('returns to it for what was meant for it by name', () => {
      const world = new World()
      world.keep('ns', { isNamed: true })
      world.keep('ns')
      expect(world.keepAlive.returnsTo(point)).toBe(true)
      world.disconnect(false)
      world.pass(SECOND)

      expect(world.asked).toEqual(['register', 'register', 'confirm'])
    })

    it('does not return to it for what was not', () => {
      const world = new World()
      world.keep()
      world.keep('ns', { point: other, isNamed: true })

      expect(world.keepAlive.returnsTo(point)).toBe(false)
    })

    it('does not return to it for what it has refused', () => {
      const world = new World()
      world.keep('ns', { isNamed: true })
      world.answers(new NotAuthorizedError('no more', { status: Status.E_NOT_AUTHORIZED }))
      world.pass(TTL - 1)

      expect(world.registrations).toHaveLength(1)
      expect(world.keepAlive.returnsTo(point)).toBe(false)
    })
  })

  describe('that is told to stop', () => {
    it('wants nothing any more, and names what points hold', () => {
      const world = new World()
      world.keep('one')
      world.keep('two')
      world.answers('silence')
      world.keep('asked')

      expect(world.keepAlive.stop(world.now)).toEqual([
        { namespace: 'one', point, isHeld: true },
        { namespace: 'two', point, isHeld: true },
        { namespace: 'asked', point, isHeld: false }
      ])
      expect(world.keepAlive.wakeAt).toBe(Infinity)
      expect(world.registrations).toEqual([])
    })

    it('does not take for held what has lapsed', () => {
      const world = new World()
      world.keep()
      world.now += TTL

      expect(world.keepAlive.stop(world.now)).toEqual([{ namespace: 'ns', point, isHeld: false }])
    })

    it.each<[string, (world: World, ask: Ask) => void]>([
      ['granted', (world, ask) => { world.reply(ask, 1) }],
      ['refused', (world, ask) => { world.reply(ask, unreachable) }],
      ['confirmed', (world, ask) => { world.keepAlive.confirm(ask, world.now) }],
      ['forgotten', (world, ask) => { world.keepAlive.forget(ask, world.now) }],
      ['aborted', (world, ask) => { world.keepAlive.abort(ask, false, world.now) }]
    ])('ignores what is %s afterwards, also when it is kept anew', (_, outcome) => {
      const world = new World()
      world.answers('silence')
      world.keep()
      const [ask] = world.silent
      world.keepAlive.stop(world.now)
      outcome(world, ask!)
      expect(world.keepAlive.wakeAt).toBe(Infinity)

      world.keep()
      outcome(world, ask!)
      world.pass(DAY)

      expect(world).toMatchObject({ granted: [], failed: [], expired: [] })
      expect(world.registrations).toEqual([])
      expect(world.requests).toHaveLength(2)
    })

    it('keeps what is released no longer, and does not even ask when it had not asked yet', () => {
      const world = new World()
      const ask = world.begin()
      expect(world.keepAlive.release('ns')).toEqual([point])
      world.settle(ask)
      world.pass(DAY)

      expect(world).toMatchObject({ requests: [], failed: [] })
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('releases at one point what it keeps at another, and one namespace of two', () => {
      const world = new World()
      world.keep()
      world.keep('other')
      world.keep('ns', { point: other })
      expect(world.keepAlive.release('ns', other)).toEqual([other])
      expect(world.registrations.map(({ namespace, point }) => [namespace, point])).toEqual([['ns', point], ['other', point]])
      expect(world.keepAlive.release('ns')).toEqual([point])
      expect(world.registrations.map(({ namespace }) => namespace)).toEqual(['other'])
    })

    it('gives up what its caller aborts before it was ever granted', () => {
      const world = new World()
      world.keepAlive.abort(world.begin(), true, world.now)
      world.pass(DAY)

      expect(world.requests).toEqual([])
      expect(world.keepAlive.has('ns', point)).toBe(false)
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('does not give up what another has asked for since', () => {
      const world = new World()
      const first = world.begin()
      const second = world.begin()
      world.keepAlive.abort(first, true, world.now)
      world.settle(second)

      expect(world.registrations).toHaveLength(1)
      expect(world.keepAlive.has('ns', point)).toBe(true)
    })

    it('goes on with what was kept already when a caller aborts asking for it again', () => {
      const world = new World({ random: () => 0 })
      world.keep()
      world.pass(HOUR)
      world.keepAlive.abort(world.begin(), false, world.now)
      world.pass(DAY)

      expect(world).toMatchObject({ lapses: 0, expired: [], isHeldAtPoint: true })
      expect(world.requests[1]!.at).toBe(115 * MINUTE)
    })

    it('keeps the pause after failures when a caller aborts asking again', () => {
      const world = new World({ random: () => 1 })
      world.answers(unreachable)
      world.keep()
      world.pass(10 * SECOND)
      const { length } = world.requests
      world.keepAlive.abort(world.begin(), false, world.now)
      world.pass(7 * SECOND)

      expect(world.requests).toHaveLength(length)
      world.pass(1 * SECOND)
      expect(world.requests).toHaveLength(length + 1)
    })
  })

  describe('at a point that says what is registered there', () => {
    const says = (world: World, namespaces: string[], askedAt = world.now): void => {
      world.keepAlive.registered(point, new Set(namespaces), askedAt, world.now)
      world.run()
    }

    it('registers what it does not find, and nothing that is still held', () => {
      const world = new World()
      world.keep('one')
      world.keep('two')
      world.pass(MINUTE)
      says(world, ['two'])

      expect(world.requests.slice(2)).toMatchObject([{ what: 'register', namespace: 'one' }])
    })

    it('does not go by an answer from before the grant', () => {
      const world = new World()
      world.pass(MINUTE)
      world.keep()
      says(world, [], world.now - 1)
      says(world, [], world.now)

      expect(world.asked).toEqual(['register'])
    })

    it('does not register what is kept elsewhere, is being asked for, or is no longer kept', () => {
      const world = new World()
      world.keep('elsewhere', { point: other })
      world.answers('silence')
      world.keep('asked')
      world.grants()
      world.keep('released')
      world.keepAlive.release('released')
      world.pass(1)
      const { length } = world.requests
      says(world, [])

      expect(world.requests).toHaveLength(length)
    })

    it('asks it after a lost connection, also where it has given no cookie', () => {
      const world = new World()
      world.says = true
      world.keep()
      world.pass(MINUTE)
      world.disconnect(true, () => undefined)
      world.connect()

      expect(world.asked).toEqual(['register', 'confirm'])
      world.pass(HOUR)
      expect(world.asked).toEqual(['register', 'confirm'])
    })

    it('registers again when it does not have it', () => {
      const world = new World()
      world.says = true
      world.confirmation = () => 'forgotten'
      world.keep()
      world.pass(MINUTE)
      world.disconnect(true, () => undefined)
      world.connect()
      world.pass(0)

      expect(world.asked).toEqual(['register', 'confirm', 'register'])
    })

    it('asks it again where the answer did not come', () => {
      const world = new World({ random: () => 1 })
      world.says = true
      world.keep()
      world.pass(MINUTE)
      world.confirmation = () => unreachable
      world.disconnect(true, () => undefined)
      world.connect()
      world.confirmation = () => 'kept'
      world.pass(SECOND)

      expect(world.asked).toEqual(['register', 'confirm', 'confirm'])
    })
  })

  describe('of a registration that the point ends', () => {
    const ends = (world: World, error: Error): ReturnType<KeepAlive['end']> => {
      const ended = world.keepAlive.end(point, 'ns', error, world.now)
      world.run()

      return ended
    }

    it('registers again a moment later', () => {
      const world = new World({ random: () => 1 })
      world.keep()
      world.pass(MINUTE)
      const [granted] = world.granted

      expect(ends(world, overloaded)).toEqual({
        registration: granted,
        failure: { namespace: 'ns', point, error: overloaded, willRetry: true, retryIn: SECOND }
      })
      expect(world.registrations).toEqual([])
      world.pass(SECOND)
      expect(world.asked).toEqual(['register', 'register'])
      expect(world.registrations).toHaveLength(1)
      world.pass(DAY)
      expect(world.expired).toEqual([])
    })

    it('does so less and less often where it happens again and again', () => {
      const world = new World()
      world.after = () => { ends(world, overloaded) }
      world.keep()
      world.pass(HOUR)

      expect(world.requests.length).toBeLessThan(HOUR / (2.5 * MINUTE) + 12)
    })

    it('takes no account of what was before it could be renewed', () => {
      const world = new World({ random: () => 1 })
      world.keep()

      for (let i = 0; i < 5; i++) {
        world.pass(MINUTE)
        ends(world, overloaded)
      }

      world.pass(DAY)
      expect(ends(world, overloaded)?.failure.retryIn).toBe(SECOND)
    })

    it.each([
      ['the point does not want it', new NotAuthorizedError('no', { status: Status.E_NOT_AUTHORIZED }), {}],
      ['nothing is renewed', overloaded, { autoRefresh: false }]
    ])('ends where %s', (_, error, init) => {
      const world = new World(init)
      world.keep()
      world.pass(MINUTE)

      expect(ends(world, error)?.failure).toMatchObject({ willRetry: false, retryIn: undefined })
      world.pass(DAY)
      expect(world.asked).toEqual(['register'])
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('goes by what comes of a request that is on its way', () => {
      const world = new World()
      world.keep()
      world.pass(MINUTE)
      const renewal = world.begin()
      ends(world, overloaded)
      world.settle(renewal)
      world.pass(HOUR)

      expect(world.asked).toEqual(['register', 'register'])
      expect(world.registrations).toHaveLength(1)
    })

    it('has nothing to end where nothing is held', () => {
      const world = new World()
      expect(ends(world, overloaded)).toBe(undefined)
      world.answers(overloaded)
      world.keep()

      expect(ends(world, overloaded)).toBe(undefined)
    })
  })

  it('knows where it keeps anything', () => {
    const world = new World()
    world.keep()

    expect([world.keepAlive.keepsAt(point), world.keepAlive.keepsAt(other)]).toEqual([true, false])
    world.keepAlive.release('ns')
    expect(world.keepAlive.keepsAt(point)).toBe(false)
  })

  describe('asked for the same again', () => {
    it('asks with the TTL it was last told', () => {
      const world = new World()
      world.keep()
      world.keep('ns', { ttl: 3 * HOUR })
      world.pass(3 * HOUR)

      expect(world.requests.map(({ ttl }) => ttl)).toEqual([TTL, 3 * HOUR, 3 * HOUR])
      expect(world.registrations).toHaveLength(1)
    })

    it('is not taken up again by what was asked before it was refused', () => {
      const world = new World()
      const first = world.begin()
      world.settle(first)
      const earlier = world.begin()
      const last = world.begin()
      world.reply(last, new NotAuthorizedError('no', { status: Status.E_NOT_AUTHORIZED }))
      world.reply(earlier, TTL)
      expect(world.keepAlive.has('ns', point)).toBe(false)
      world.pass(DAY)

      expect(world.expired).toHaveLength(1)
      expect(world.keepAlive.wakeAt).toBe(Infinity)
    })

    it('goes by what came of the last request, and reports what came of each', () => {
      const world = new World()
      const first = world.begin()
      const second = world.begin('ns', { ttl: HOUR })
      world.settle(second)
      world.reply(first, new InvalidTtlError('too short', { status: Status.E_INVALID_TTL }))
      world.pass(DAY)

      expect(world.failed).toMatchObject([{ willRetry: true }])
      expect(world).toMatchObject({ lapses: 0, expired: [] })
      expect(world.requests.length).toBeGreaterThan(24)
    })
  })
})

/** Mulberry32, for runs that can be repeated. */
function seeded (seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ seed >>> 15, 1 | seed)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed

    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
}
