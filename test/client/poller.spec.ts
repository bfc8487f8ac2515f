import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Pages } from '../../src/client/pages.ts'
import { Poller } from '../../src/client/poller.ts'
import { InvalidCookieError, UnavailableError } from '../../src/protocol/errors.ts'
import { makePeers } from '../fixtures/peers.ts'
import type { Found, VerifiedPage } from '../../src/client/listing.ts'
import type { RemotePoint } from '../../src/client/remote-point.ts'
import type { PeerId } from '@libp2p/interface'

const INTERVAL = 60_000

interface Request {
  at: number
  point: PeerId
  namespace: string | undefined
  cookie: number | undefined
}

describe('Poller', () => {
  let points: RemotePoint[]
  let peers: PeerId[]
  let requests: Request[]
  let found: string[]
  let failed: Error[]
  let answer: (request: Request, signal: AbortSignal) => Promise<VerifiedPage> | VerifiedPage
  let poller: Poller

  beforeEach(async () => {
    peers = (await makePeers(4)).map(({ peerId }) => peerId)
    points = peers.slice(0, 2).map(peerId => ({ peerId }) as RemotePoint)
    requests = []
    found = []
    failed = []
    answer = () => page(0, [])
    vi.useFakeTimers()
    poller = new Poller({
      interval: INTERVAL,
      points: named => named == null ? points : points.filter(({ peerId }) => peerId.equals(named)),
      listings: {
        pages: ({ peerId }, options) => new Pages(async (_, cookie) => {
          const request = { at: performance.now(), point: peerId, namespace: options.namespace, cookie: cookie?.[0] }
          requests.push(request)

          return answer(request, options.signal!)
        }, options)
      },
      onFound: ({ peer }) => { found.push(peer.id.toString()) },
      onFailed: (_, __, error) => { failed.push(error) }
    })
  })

  afterEach(() => {
    poller.stop()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  function page (cookie: number | undefined, ids: PeerId[]): VerifiedPage {
    return {
      cookie: cookie == null ? undefined : new Uint8Array([cookie]),
      isEmpty: ids.length === 0,
      found: ids.map(id => ({ peer: { id } }) as Found)
    }
  }

  function of (point: RemotePoint): Request[] {
    return requests.filter(request => request.point.equals(point.peerId))
  }

  it('asks every point at once, and then at every interval, give or take a tenth', async () => {
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)
    expect(requests.map(({ point }) => point)).toEqual(points.map(({ peerId }) => peerId))
    await vi.advanceTimersByTimeAsync(24 * 60 * INTERVAL)

    const times = of(points[0]!).map(({ at }) => at)
    const gaps = times.slice(1).map((at, index) => at - times[index]!)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.9 * INTERVAL - 1)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1.1 * INTERVAL + 1)
    expect(new Set(gaps.map(gap => Math.round(gap / 1_000))).size).toBeGreaterThan(5)
  })

  it('has a cookie for each point and namespace', async () => {
    answer = ({ point, namespace }) => page((point.equals(points[0]!.peerId) ? 10 : 20) + (namespace === 'one' ? 1 : 2), [])
    poller.follow('one')
    poller.follow('two')
    await vi.advanceTimersByTimeAsync(1.2 * INTERVAL)

    expect(of(points[0]!).map(({ namespace, cookie }) => [namespace, cookie])).toEqual(expect.arrayContaining([
      ['one', undefined], ['two', undefined], ['one', 11], ['two', 12]
    ]))
    expect(of(points[1]!).map(({ namespace, cookie }) => [namespace, cookie])).toEqual(expect.arrayContaining([
      ['one', undefined], ['two', undefined], ['one', 21], ['two', 22]
    ]))
  })

  it('starts over at a point that it was told to forget', async () => {
    answer = () => page(7, [])
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)
    poller.forget(points[0]!.peerId)
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)

    expect(points.map(point => of(point)[1]!.cookie)).toEqual([undefined, 7])
  })

  it('reads on until a page is empty', async () => {
    points = points.slice(0, 1)
    answer = ({ cookie = 0 }) => page(cookie + 1, cookie < 3 ? [peers[cookie]!] : [])
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)

    expect(requests.map(({ cookie }) => cookie)).toEqual([undefined, 1, 2, 3])
    expect(found).toEqual(peers.slice(0, 3).map(String))
  })

  it('starts over in the same round when the cookie is no longer known', async () => {
    points = points.slice(0, 1)
    answer = () => page(7, [])
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)
    answer = ({ cookie }) => {
      if (cookie === 7) {
        throw new InvalidCookieError()
      }

      return page(8, [])
    }
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)

    expect(requests.slice(0, 4).map(({ cookie }) => cookie)).toEqual([undefined, 7, undefined, 8])
    expect(failed).toEqual([])
  })

  it('reports a failure, and asks again at the next interval from where it was', async () => {
    points = points.slice(0, 1)
    answer = () => page(7, [])
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)
    answer = () => { throw new UnavailableError() }
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)
    expect(failed).toHaveLength(1)
    answer = () => page(8, [])
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)

    expect(requests[2]!.cookie).toBe(7)
  })

  it('is not kept waiting by a point that does not answer, which is not asked twice at a time', async () => {
    answer = async ({ point }) => point.equals(points[0]!.peerId) ? new Promise(() => {}) : page(1, [])
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(10 * INTERVAL)

    expect(of(points[0]!)).toHaveLength(1)
    expect(of(points[1]!).length).toBeGreaterThanOrEqual(9)
  })

  it('asks a point at once that is connected again, where it is wanted', async () => {
    poller.follow('ns')
    poller.follow('other', points[1]!.peerId)
    await vi.advanceTimersByTimeAsync(0)
    const before = requests.length

    poller.onConnect(points[0]!.peerId, true)
    await vi.advanceTimersByTimeAsync(0)
    expect(requests.slice(before).map(({ namespace }) => namespace)).toEqual(['ns'])

    poller.onConnect(points[1]!.peerId, false)
    await vi.advanceTimersByTimeAsync(0)
    expect(requests.slice(before + 1).map(({ namespace }) => namespace)).toEqual(['other'])
  })

  it('polls once for all that follow the same, until the last has gone', async () => {
    points = points.slice(0, 1)
    const ends = [poller.follow('ns'), poller.follow('ns')]
    await vi.advanceTimersByTimeAsync(0)
    expect(requests).toHaveLength(1)
    ends[0]!()
    ends[0]!()
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)
    expect(requests).toHaveLength(2)
    ends[1]!()
    await vi.advanceTimersByTimeAsync(10 * INTERVAL)

    expect(requests).toHaveLength(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends what is on its way when it stops, and ignores what arrives afterwards', async () => {
    const late = Promise.withResolvers<VerifiedPage>()
    let signal: AbortSignal | undefined
    answer = async (_, given) => {
      signal = given

      return late.promise
    }
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)
    poller.stop()
    expect(signal?.aborted).toBe(true)
    late.resolve(page(1, [peers[3]!]))
    await vi.advanceTimersByTimeAsync(10 * INTERVAL)

    expect(found).toEqual([])
    expect(failed).toEqual([])
  })

  it('is not ended by one that followed before it stopped and began again', async () => {
    const end = poller.follow('ns')
    poller.stop()
    poller.follow('ns')
    end()
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)
    poller.stop()

    expect(of(points[0]!)).toHaveLength(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('reads no more than 100,000 registrations in one go, and the rest at the next', async () => {
    points = points.slice(0, 1)
    let pages = 0
    // each page brings somebody new
    answer = async () => {
      const ids = Array.from({ length: 500 }, (_, index) => ({ toString: () => `${pages}-${index}` }) as PeerId)

      return page(1 + pages++ % 200, ids)
    }
    poller.follow('ns')
    await vi.advanceTimersByTimeAsync(0)

    expect(requests).toHaveLength(200)
    await vi.advanceTimersByTimeAsync(1.1 * INTERVAL)
    expect(requests.length).toBeGreaterThanOrEqual(400)
    expect(requests[200]!.cookie).toBe(200)
  })
})
