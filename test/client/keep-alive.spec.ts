import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KeepAlive } from '../../src/client/keep-alive.ts'
import { InvalidTtlError, Status, UnavailableError } from '../../src/protocol/errors.ts'
import { makePeer } from '../fixtures/peers.ts'
import type { Registration, RegistrationFailedDetail } from '../../src/index.ts'
import type { PeerId } from '@libp2p/interface'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const TTL = 2 * HOUR

const unreachable = new Error('connection refused')
const overloaded = new UnavailableError('full', { status: Status.E_UNAVAILABLE })

/** A point that notes what it is asked, and a keep-alive that asks it. Its clock is not the system's. */
class World {
  readonly requests: Array<{ at: number, namespace: string, envelope: string, ttl: number }> = []
  readonly granted: Registration[] = []
  readonly failed: RegistrationFailedDetail[] = []
  readonly expired: Registration[] = []
  /** How often a refresh came too late. */
  lapses = 0
  addresses: string | undefined = 'one'
  answer: (ttl: number) => number | Promise<number> = ttl => ttl
  readonly keepAlive: KeepAlive
  readonly #heldUntil = new Map<string, number>()

  constructor (init: { autoRefresh?: boolean, refreshBuffer?: number } = {}) {
    const world = this

    this.keepAlive = new KeepAlive({
      autoRefresh: true,
      refreshBuffer: 5 * MINUTE,
      ...init,
      record: {
        get fingerprint () {
          return world.addresses
        },
        async seal () {
          if (world.addresses == null) {
            return
          }

          const envelope = new TextEncoder().encode(world.addresses)

          return { fingerprint: world.addresses, envelope, inOtherForm: async () => envelope }
        }
      },
      register: async (_, namespace, { envelope }, ttl) => {
        const at = performance.now()
        this.requests.push({ at, namespace, ttl, envelope: new TextDecoder().decode(envelope) })
        const granted = await this.answer(ttl)

        if ((this.#heldUntil.get(namespace) ?? Infinity) < at) {
          this.lapses++
        }

        this.#heldUntil.set(namespace, at + granted)

        return granted
      },
      onGranted: registration => { this.granted.push(registration) },
      onFailed: failure => { this.failed.push(failure) },
      onExpired: registration => { this.expired.push(registration) }
    })
  }

  get isHeldAtPoint (): boolean {
    return [...this.#heldUntil.values()].every(until => until >= performance.now())
  }

  /** Milliseconds between one request and the next. */
  get gaps (): number[] {
    return this.requests.slice(1).map(({ at }, index) => at - this.requests[index]!.at)
  }

  get refuses (): (error: Error) => void {
    return error => { this.answer = async () => { throw error } }
  }

  grants (): void {
    this.answer = ttl => ttl
  }
}

async function pass (ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

/** Runs 1,000 that start at the same time, a few at a time: many fake timers at once are slow. */
async function fleet (point: PeerId, ms: number, make: () => World): Promise<{ worlds: World[], busiest: (from: number) => number }> {
  const step = 10 * SECOND
  const worlds: World[] = []
  const perStep = new Map<number, number>()

  while (worlds.length < 1_000) {
    const some = Array.from({ length: 40 }, make)
    const start = performance.now()
    some.forEach(({ keepAlive }) => { keepAlive.keep('ns', point, { ttl: TTL }).catch(() => {}) })

    for (let passed = 0; passed < ms; passed += step) {
      vi.advanceTimersByTime(step)

      for (let turn = 0; turn < 8; turn++) {
        await Promise.resolve()
      }
    }

    for (const { at } of some.flatMap(({ requests }) => requests)) {
      const index = Math.floor((at - start) / step)
      perStep.set(index, (perStep.get(index) ?? 0) + 1)
    }

    some.forEach(({ keepAlive }) => { keepAlive.stop() })
    worlds.push(...some)
  }

  return {
    worlds,
    busiest: from => Math.max(...[...perStep].filter(([index]) => index > 1 && index * step >= from).map(([, count]) => count))
  }
}

describe('KeepAlive', () => {
  let point: PeerId

  beforeEach(async () => {
    point = (await makePeer()).peerId
    vi.useFakeTimers()
  })

  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })

  describe('over days', () => {
    it('refreshes between nine tenths of the time and five minutes before the end', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(7 * DAY)

      expect(Math.min(...world.gaps)).toBeGreaterThanOrEqual(0.9 * 115 * MINUTE - 1)
      expect(Math.max(...world.gaps)).toBeLessThanOrEqual(115 * MINUTE + 1)
      expect(world.requests.length).toBeGreaterThanOrEqual(7 * 24 * 60 / 115)
      expect(world).toMatchObject({ lapses: 0, isHeldAtPoint: true, expired: [], failed: [] })
      expect(world.keepAlive.registrations).toHaveLength(1)
    })

    it('sends the same envelope each time', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(DAY)

      expect(new Set(world.requests.map(({ envelope }) => envelope))).toEqual(new Set(['one']))
    })

    it.each([1 * SECOND, 10 * SECOND, 5 * MINUTE, 9 * MINUTE])('refreshes a registration of %d ms after half its time', async ttl => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl })
      await pass(20 * ttl)

      expect(Math.min(...world.gaps)).toBeGreaterThanOrEqual(0.9 * ttl / 2 - 1)
      expect(Math.max(...world.gaps)).toBeLessThanOrEqual(ttl / 2 + 1)
      expect(world).toMatchObject({ lapses: 0, expired: [] })
    })

    it('goes by what the point grants, not by what was asked', async () => {
      const world = new World()
      world.answer = () => 10 * MINUTE
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(HOUR)

      expect(Math.max(...world.gaps)).toBeLessThanOrEqual(5 * MINUTE + 1)
      expect(world).toMatchObject({ lapses: 0, expired: [] })
    })

    it('refreshes a registration of a month, which is longer than a timer can wait', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: 30 * DAY })
      await pass(26 * DAY)
      expect(world.requests).toHaveLength(1)
      await pass(4 * DAY)

      expect(world.requests).toHaveLength(2)
      expect(world.lapses).toBe(0)
    })

    it.each([1, 2, 3])('never lets a registration lapse while the point is away for no more than four minutes (seed %d)', async seed => {
      const random = seeded(seed)
      vi.spyOn(Math, 'random').mockImplementation(random)
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })

      for (let outage = 0; outage < 2_000; outage++) {
        await pass(5 * MINUTE + random() * 20 * MINUTE)
        world.refuses(unreachable)
        await pass(random() * 4 * MINUTE)
        world.grants()
      }

      await pass(5 * MINUTE)

      expect(world.failed.length).toBeGreaterThan(10)
      expect(world).toMatchObject({ lapses: 0, expired: [], isHeldAtPoint: true })
    })

    it('does not let a fleet of 1,000 that started together refresh together', async () => {
      const { busiest, worlds } = await fleet(point, 12 * HOUR, () => new World())

      // spread evenly over the eleven minutes of the jitter it would be 15
      expect(busiest(1)).toBeLessThanOrEqual(50)
      expect(worlds.every(({ lapses, requests }) => lapses === 0 && requests.length >= 7)).toBe(true)
    })
  })

  describe('when the system\'s clock is set', () => {
    it.each([
      ['back by a day', -DAY],
      ['back by twenty minutes', -20 * MINUTE],
      ['back by a little more than was left', -50 * MINUTE],
      ['forward by ten minutes', 10 * MINUTE],
      ['forward by a year', 365 * DAY]
    ])('keeps the registration: %s', async (_, change) => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })

      for (let times = 0; times < 10; times++) {
        await pass(47 * MINUTE)
        vi.setSystemTime(Date.now() + change)
      }

      await pass(TTL)

      expect(world).toMatchObject({ lapses: 0, isHeldAtPoint: true })
      expect(world.keepAlive.registrations).toHaveLength(1)
      expect(world.requests.length).toBeLessThanOrEqual(20)
    })

    it('renews within minutes what ran out while the machine slept', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(MINUTE)
      // timers and the steady clock stand still, the system's goes on
      vi.setSystemTime(Date.now() + 8 * HOUR)

      expect(world.keepAlive.registrations).toEqual([])
      await pass(5 * MINUTE)

      expect(world.expired).toHaveLength(1)
      expect(world.requests).toHaveLength(2)
      expect(world.keepAlive.registrations).toHaveLength(1)
    })
  })

  describe('when the point fails', () => {
    it('tries again with pauses that double up to five minutes', async () => {
      const world = new World()
      world.refuses(unreachable)
      await expect(world.keepAlive.keep('ns', point, { ttl: TTL })).rejects.toThrow('refused')
      await pass(HOUR)

      world.gaps.slice(0, 9).forEach((gap, index) => {
        expect(gap).toBeGreaterThanOrEqual(500 * 2 ** index - 1)
        expect(gap).toBeLessThanOrEqual(1000 * 2 ** index + 1)
      })
      world.gaps.slice(9).forEach(gap => {
        expect(gap).toBeGreaterThanOrEqual(2.5 * MINUTE - 1)
        expect(gap).toBeLessThanOrEqual(5 * MINUTE + 1)
      })
      expect(world.failed.every(({ willRetry }) => willRetry)).toBe(true)
      world.gaps.forEach((gap, index) => { expect(world.failed[index]?.retryIn).toBeCloseTo(gap, -1) })
      expect(world.keepAlive.registrations).toEqual([])
    })

    it('does not let a fleet come back together', async () => {
      const { busiest } = await fleet(point, HOUR, () => {
        const world = new World()
        world.refuses(unreachable)

        return world
      })

      // spread evenly over five minutes it would be 45
      expect(busiest(10 * MINUTE)).toBeLessThanOrEqual(100)
    })

    it('registers as soon as a point that could not be reached is connected', async () => {
      const world = new World()
      world.refuses(unreachable)
      await world.keepAlive.keep('ns', point, { ttl: TTL }).catch(() => {})
      await pass(HOUR)
      const before = world.requests.length
      world.grants()
      world.keepAlive.onConnect(point)
      await pass(0)

      expect(world.requests).toHaveLength(before + 1)
      expect(world.keepAlive.registrations).toHaveLength(1)
    })

    it('registers again when a lost point returns, by itself or by a connection', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })

      world.keepAlive.onDisconnect(point, true)
      await pass(SECOND)
      expect(world.requests).toHaveLength(2)

      world.keepAlive.onDisconnect(point, true)
      world.keepAlive.onConnect(point)
      await pass(0)
      expect(world.requests).toHaveLength(3)
    })

    it('does not ask again for a connection that is new while nothing was lost', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.keepAlive.onConnect(point)
      await pass(HOUR)

      expect(world.requests).toHaveLength(1)
    })

    it('asks a point that ends every connection less and less often', async () => {
      const world = new World()
      world.answer = ttl => {
        setTimeout(() => { world.keepAlive.onDisconnect(point, true) }, 100)

        return ttl
      }
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(DAY)

      expect(world.requests.length).toBeLessThan(DAY / (2.5 * MINUTE) + 10)
      expect(world.lapses).toBe(0)
    })

    it('is not brought out of its pauses by a point that refuses and ends the connection', async () => {
      const world = new World()
      world.answer = async () => {
        setTimeout(() => { world.keepAlive.onConnect(point) }, 5)
        setTimeout(() => { world.keepAlive.onDisconnect(point, true) }, 10)
        throw overloaded
      }
      await world.keepAlive.keep('ns', point, { ttl: TTL }).catch(() => {})
      await pass(HOUR)

      expect(world.requests.length).toBeLessThan(HOUR / (2.5 * MINUTE) + 10)
    })

    it('goes by the full refresh time again after a point has stayed', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })

      for (let loss = 0; loss < 8; loss++) {
        world.keepAlive.onDisconnect(point, true)
        await pass(5 * MINUTE)
      }

      await pass(5 * HOUR)
      const before = world.requests.length
      world.keepAlive.onDisconnect(point, true)
      await pass(SECOND)

      expect(world.requests).toHaveLength(before + 1)
    })

    it('reports that a registration has expired when the point stays away', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.refuses(unreachable)
      await pass(TTL - 1)
      expect(world.keepAlive.registrations).toHaveLength(1)
      expect(world.expired).toEqual([])
      await pass(1)

      expect(world.keepAlive.registrations).toEqual([])
      expect(world.expired).toMatchObject([{ namespace: 'ns', ttl: TTL }])
    })

    it('reports that a registration has expired while the point keeps silent', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.answer = async () => new Promise(() => {})
      await pass(TTL)

      expect(world.expired).toHaveLength(1)
      expect(world.requests).toHaveLength(2)
    })

    it('reports a refusal that cannot be mended once, and asks no more', async () => {
      const world = new World()
      world.refuses(new InvalidTtlError('too short', { status: Status.E_INVALID_TTL }))
      await expect(world.keepAlive.keep('ns', point, { ttl: TTL })).rejects.toThrow('too short')
      expect(world.keepAlive.has('ns', point)).toBe(false)

      world.addresses = 'two'
      world.keepAlive.onAddressesChanged()
      world.keepAlive.onDisconnect(point, true)
      world.keepAlive.onConnect(point)
      await pass(7 * DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.failed).toMatchObject([{ namespace: 'ns', point, willRetry: false }])
      expect(vi.getTimerCount()).toBe(0)
    })

    it('lets what is held lapse when it may not be renewed', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.refuses(new InvalidTtlError('no longer', { status: Status.E_INVALID_TTL }))
      await pass(TTL - 1)
      expect(world.keepAlive.registrations).toHaveLength(1)
      await pass(7 * DAY)

      expect(world.requests).toHaveLength(2)
      expect(world.failed).toMatchObject([{ willRetry: false }])
      expect(world.expired).toHaveLength(1)
      expect(vi.getTimerCount()).toBe(0)
    })
  })

  describe('when addresses change', () => {
    it('sends the new record', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await world.keepAlive.keep('other', point, { ttl: TTL })
      world.addresses = 'two'
      world.keepAlive.onAddressesChanged()
      await pass(0)

      expect(world.requests.map(({ namespace, envelope }) => [namespace, envelope])).toEqual([
        ['ns', 'one'], ['other', 'one'], ['ns', 'two'], ['other', 'two']
      ])
    })

    it('sends nothing when they are the same after all', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.keepAlive.onAddressesChanged()
      await pass(0)

      expect(world.requests).toHaveLength(1)
    })

    it('registers at the first address', async () => {
      const world = new World()
      world.addresses = undefined
      await expect(world.keepAlive.keep('ns', point, { ttl: TTL })).rejects.toMatchObject({ name: 'NoAddressesError', namespace: 'ns' })
      world.keepAlive.onConnect(point)
      world.keepAlive.onDisconnect(point, true)
      world.keepAlive.onAddressesChanged()
      await pass(DAY)
      expect(world.requests).toEqual([])
      expect(world.failed).toMatchObject([{ willRetry: true, retryIn: undefined }])

      world.addresses = 'one'
      world.keepAlive.onAddressesChanged()
      await pass(0)

      expect(world.requests).toHaveLength(1)
      expect(world.keepAlive.registrations).toHaveLength(1)
    })

    it('registers again when the address it had has gone and come back', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.addresses = undefined
      world.keepAlive.onAddressesChanged()
      await pass(TTL)
      expect(world.expired).toHaveLength(1)

      world.addresses = 'one'
      world.keepAlive.onAddressesChanged()
      await pass(0)

      expect(world.keepAlive.registrations).toHaveLength(1)
    })
  })

  describe('without autoRefresh', () => {
    it('asks once, and says when it is over', async () => {
      const world = new World({ autoRefresh: false })
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.addresses = 'two'
      world.keepAlive.onAddressesChanged()
      world.keepAlive.onDisconnect(point, true)
      world.keepAlive.onConnect(point)
      await pass(TTL - 1)
      expect(world.keepAlive.registrations).toHaveLength(1)
      expect(world.expired).toEqual([])
      await pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.expired).toHaveLength(1)
      expect(world.keepAlive.registrations).toEqual([])
      expect(vi.getTimerCount()).toBe(0)
    })

    it('does not try again', async () => {
      const world = new World({ autoRefresh: false })
      world.refuses(unreachable)
      await world.keepAlive.keep('ns', point, { ttl: TTL }).catch(() => {})
      await pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.failed).toMatchObject([{ willRetry: false }])
    })

    it('asks again when it is told to', async () => {
      const world = new World({ autoRefresh: false })
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(HOUR)
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(TTL - 1)

      expect(world.expired).toEqual([])
      expect(world.keepAlive.registrations).toHaveLength(1)
    })
  })

  describe('at a point that is one only while it is connected', () => {
    it('leaves what it holds to lapse when it goes', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.keepAlive.onDisconnect(point, false)
      await pass(TTL - 1)
      expect(world.keepAlive.registrations).toHaveLength(1)
      expect(world.keepAlive.has('ns', point)).toBe(false)
      await pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.expired).toHaveLength(1)
      expect(vi.getTimerCount()).toBe(0)
    })

    it('keeps it again when it returns', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      world.keepAlive.onDisconnect(point, false)
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(3 * DAY)

      expect(world).toMatchObject({ lapses: 0, expired: [], isHeldAtPoint: true })
    })

    it('returns to it for what was meant for it by name', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL, isNamed: true })
      world.keepAlive.onDisconnect(point, false)
      await pass(SECOND)

      expect(world.requests).toHaveLength(2)
    })
  })

  describe('that is told to stop', () => {
    it('leaves no timer, and names what points hold', async () => {
      const world = new World()
      await world.keepAlive.keep('one', point, { ttl: TTL })
      await world.keepAlive.keep('two', point, { ttl: TTL })
      world.answer = async () => new Promise(() => {})
      world.keepAlive.keep('asked', point, { ttl: TTL }).catch(() => {})
      await pass(0)

      expect(world.keepAlive.stop()).toEqual([
        { namespace: 'one', point, isHeld: true },
        { namespace: 'two', point, isHeld: true },
        { namespace: 'asked', point, isHeld: false }
      ])
      expect(vi.getTimerCount()).toBe(0)
      expect(world.keepAlive.registrations).toEqual([])
    })

    it('ignores what is granted afterwards', async () => {
      const world = new World()
      const answer = Promise.withResolvers<number>()
      world.answer = async () => answer.promise
      const registered = world.keepAlive.keep('ns', point, { ttl: TTL })
      await pass(0)
      world.keepAlive.stop()
      answer.resolve(TTL)

      await expect(registered).resolves.toMatchObject({ ttl: TTL })
      expect(world.granted).toEqual([])
      expect(world.keepAlive.registrations).toEqual([])
      expect(vi.getTimerCount()).toBe(0)
    })

    it('keeps what is released no longer, and does not even ask when it had not asked yet', async () => {
      const world = new World()
      const registered = world.keepAlive.keep('ns', point, { ttl: TTL })
      expect(world.keepAlive.release('ns')).toEqual([point])

      await expect(registered).rejects.toMatchObject({ name: 'AbortError' })
      await pass(DAY)
      expect(world).toMatchObject({ requests: [], failed: [] })
      expect(vi.getTimerCount()).toBe(0)
    })

    it('releases at one point what it keeps at another', async () => {
      const other = (await makePeer()).peerId
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      await world.keepAlive.keep('ns', other, { ttl: TTL })
      world.keepAlive.release('ns', other)

      expect(world.keepAlive.registrations.map(({ point }) => point)).toEqual([point])
    })

    it('gives up what its caller aborts before it was ever granted', async () => {
      const world = new World()
      const controller = new AbortController()
      world.answer = async () => {
        controller.abort()
        throw new Error('aborted')
      }

      await expect(world.keepAlive.keep('ns', point, { ttl: TTL, signal: controller.signal })).rejects.toThrow()
      await pass(DAY)

      expect(world.requests).toHaveLength(1)
      expect(world.failed).toEqual([])
      expect(world.keepAlive.has('ns', point)).toBe(false)
    })

    it('goes on with what was kept already when a caller aborts asking for it again', async () => {
      const world = new World()
      await world.keepAlive.keep('ns', point, { ttl: TTL })
      const controller = new AbortController()
      world.answer = async () => {
        controller.abort()
        throw new Error('aborted')
      }
      await world.keepAlive.keep('ns', point, { ttl: TTL, signal: controller.signal }).catch(() => {})
      world.grants()
      await pass(DAY)

      expect(world).toMatchObject({ lapses: 0, expired: [], isHeldAtPoint: true })
    })
  })

  it('asks with the TTL it was last told', async () => {
    const world = new World()
    await world.keepAlive.keep('ns', point, { ttl: TTL })
    await world.keepAlive.keep('ns', point, { ttl: 3 * HOUR })
    await pass(3 * HOUR)

    expect(world.requests.map(({ ttl }) => ttl)).toEqual([TTL, 3 * HOUR, 3 * HOUR])
    expect(world.keepAlive.registrations).toHaveLength(1)
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
