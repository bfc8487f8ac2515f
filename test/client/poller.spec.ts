import { beforeEach, describe, expect, it } from 'vitest'
import { Poller } from '../../src/client/poller.ts'
import { namedPeer } from '../fixtures/listed.ts'

const INTERVAL = 60_000
const MIDDLE = (): number => 0.5

describe('Poller', () => {
  const [point, otherPoint] = [namedPeer('point'), namedPeer('other point')]
  let poller: Poller

  beforeEach(() => { poller = new Poller(INTERVAL) })

  /** When each poll comes to be due until then, by the poller's own word. */
  function run (from: number, until: number, random = MIDDLE): number[] {
    const times: number[] = []

    for (let now = from; now <= until; now = poller.wakeAt) {
      poller.due(now, random).forEach(() => { times.push(now) })
    }

    return times
  }

  it('is due never while nobody follows', () => {
    expect(poller.wakeAt).toBe(Infinity)
    expect(poller.due(1e9, MIDDLE)).toEqual([])
  })

  it('is due at once, after 1, 2, 5 and 15 seconds, and then at each interval', () => {
    poller.follow('ns', undefined, 1_000)
    expect(poller.wakeAt).toBe(1_000)
    expect(poller.due(999, MIDDLE)).toEqual([])

    expect(run(1_000, 200_000)).toEqual([1_000, 2_000, 3_000, 6_000, 16_000, 76_000, 136_000, 196_000])
  })

  it('is due with each interval where that is short', () => {
    poller = new Poller(20)
    poller.follow('ns', undefined, 0)

    expect(run(0, 100)).toEqual([0, 20, 40, 60, 80, 100])
  })

  it('begins once more with the first grant, and not with later ones', () => {
    const poll = poller.follow('ns', undefined, 0)
    const named = poller.follow('ns', point, 0)
    poller.follow('other', undefined, 0)
    run(0, 100_000)
    poller.onGranted('ns', otherPoint, 100_500)
    expect(poller.wakeAt).toBe(100_500)
    expect(poller.due(100_500, MIDDLE)).toEqual([poll])
    poller.onGranted('ns', point, 100_600)

    expect(poller.due(100_600, MIDDLE)).toEqual([named])
    expect(poller.wakeAt).toBe(101_500)
    poller.onGranted('ns', point, 100_700)
    expect(poller.due(100_700, MIDDLE)).toEqual([])
  })

  it('gives each poll its own time', () => {
    const one = poller.follow('one', undefined, 0)
    const two = poller.follow('two', undefined, 500)
    expect(poller.due(0, MIDDLE)).toEqual([one])
    expect(poller.wakeAt).toBe(500)
    expect(poller.due(500, MIDDLE)).toEqual([two])
    expect(poller.wakeAt).toBe(1_000)
  })

  it('is shared by all that follow the same, until the last has gone', () => {
    const polls = [poller.follow('ns', undefined, 0), poller.follow('ns', undefined, 5)]
    expect(polls[1]).toBe(polls[0])
    expect(poller.follow('ns', point, 0)).not.toBe(polls[0])
    run(0, 0)
    poller.unfollow(polls[0]!)
    expect(polls[0]!.signal.aborted).toBe(false)
    expect(poller.of(otherPoint, true)).toHaveLength(1)
    poller.unfollow(polls[0]!)

    expect(polls[0]!.signal.aborted).toBe(true)
    expect(poller.of(otherPoint, true)).toEqual([])
  })

  it('is not ended by one that followed before it stopped and began again', () => {
    const before = poller.follow('ns', undefined, 0)
    poller.stop()
    expect(before.signal.aborted).toBe(true)
    expect(poller.wakeAt).toBe(Infinity)
    const after = poller.follow('ns', undefined, 0)
    poller.unfollow(before)

    expect(after.signal.aborted).toBe(false)
    expect(poller.wakeAt).toBe(0)
  })

  it('names the polls of a point: where it is named, and where none is if it is used then', () => {
    const all = poller.follow('ns', undefined, 0)
    const named = poller.follow('ns', point, 0)

    expect(poller.of(point, true)).toEqual([all, named])
    expect(poller.of(namedPeer('point'), false)).toEqual([named])
    expect(poller.of(otherPoint, true)).toEqual([all])
    expect(poller.of(otherPoint, false)).toEqual([])
  })

  it('finds that a point has missed what it did not answer, or was not asked for longer than an interval', () => {
    const all = poller.follow('ns', undefined, 0)
    const named = poller.follow('other', point, 0)
    const ask = (isAnswered: boolean, now: number): void => {
      for (const poll of [all, named]) {
        poller.begin(poll, point, false, now)
        poller.end(poll, point, isAnswered)
      }
    }

    expect(poller.missed(point, true, 0)).toEqual([all, named])
    expect(poller.missed(point, false, 0)).toEqual([named])
    ask(true, 0)
    expect(poller.missed(point, true, 1.1 * INTERVAL)).toEqual([])
    expect(poller.missed(point, true, 1.1 * INTERVAL + 1)).toEqual([all, named])
    expect(poller.missed(otherPoint, true, 1)).toEqual([all])
    ask(false, 1)
    expect(poller.missed(point, true, 2)).toEqual([all, named])
  })

  it('asks a point no second time while it is being asked, and others all the same', () => {
    const poll = poller.follow('ns', undefined, 0)
    const other = poller.follow('other', undefined, 0)
    expect(poller.begin(poll, point, false, 0)).toBe(true)
    expect(poller.begin(poll, point, false, 0)).toBe(false)
    expect(poller.begin(poll, otherPoint, false, 0)).toBe(true)
    expect(poller.begin(other, point, false, 0)).toBe(true)
    poller.end(poll, point, true)

    expect(poller.begin(poll, point, false, 0)).toBe(true)
    expect(poller.begin(poll, otherPoint, false, 0)).toBe(false)
  })

  it('asks a point that tells by itself once an hour, and one that does so no longer at once', () => {
    const poll = poller.follow('ns', undefined, 0)
    const ask = (tells: boolean, now: number, from = point): boolean => {
      const isAsked = poller.begin(poll, from, tells, now)

      if (isAsked) {
        poller.end(poll, from, true)
      }

      return isAsked
    }

    expect(ask(false, 0)).toBe(true)
    expect(ask(true, 60 * INTERVAL - 1)).toBe(false)
    expect(ask(true, 60 * INTERVAL, otherPoint)).toBe(true)
    expect(ask(true, 60 * INTERVAL)).toBe(true)
    expect(ask(true, 61 * INTERVAL)).toBe(false)
    expect(ask(false, 61 * INTERVAL)).toBe(true)
  })

  describe('the cookies', () => {
    const [one, two] = [new Uint8Array([1]), new Uint8Array([2])]

    it('are kept for each point and namespace', () => {
      poller.keepCookie('ns', point, one)
      poller.keepCookie('other', point, two)

      expect(poller.cookie('ns', point)).toBe(one)
      expect(poller.cookie('other', point)).toBe(two)
      expect(poller.cookie('ns', otherPoint)).toBeUndefined()
      expect(poller.cookie('third', point)).toBeUndefined()
    })

    it('are forgotten where a point gives none any longer', () => {
      poller.keepCookie('ns', point, one)
      poller.keepCookie('other', point, two)
      poller.keepCookie('ns', point, undefined)
      poller.keepCookie('ns', otherPoint, undefined)

      expect(poller.cookie('ns', point)).toBeUndefined()
      expect(poller.cookie('other', point)).toBe(two)
    })

    it('are forgotten with a point, and when all ends', () => {
      poller.keepCookie('ns', point, one)
      poller.keepCookie('ns', otherPoint, two)
      poller.forget(point)
      expect(poller.cookie('ns', point)).toBeUndefined()
      expect(poller.cookie('ns', otherPoint)).toBe(two)
      poller.stop()

      expect(poller.cookie('ns', otherPoint)).toBeUndefined()
    })
  })
})
