import { beforeEach, describe, expect, it } from 'vitest'
import { Pages } from '../../src/client/pages.ts'
import { InvalidCookieError, UnavailableError } from '../../src/protocol/errors.ts'
import { listedAs, namedPeer } from '../fixtures/listed.ts'
import type { ListedPage } from '../../src/client/listing.ts'
import type { RemotePoint } from '../../src/client/remote-point.ts'

interface Request {
  limit: number
  cookie: number | undefined
  sample: boolean
}

describe('Pages', () => {
  const point = { peerId: namedPeer('point') } as unknown as RemotePoint
  let requests: Request[]
  let answer: (request: Request) => ListedPage
  const signal = new AbortController().signal

  beforeEach(() => { requests = [] })

  function pages (cookie?: number, sample = false): Pages {
    return new Pages({
      point,
      namespace: 'ns',
      cookie: cookie == null ? undefined : new Uint8Array([cookie]),
      signal,
      sample,
      listings: {
        page: async (...args) => {
          const [asked, namespace, limit, cookie, given, sample = false] = args
          expect([asked, namespace, given]).toEqual([point, 'ns', signal])
          requests.push({ limit, cookie: cookie?.[0], sample })

          return answer(requests.at(-1)!)
        }
      }
    })
  }

  function page (cookie: number | undefined, names: string[], isEmpty = names.length === 0, isFull = true): ListedPage {
    return {
      cookie: cookie == null ? undefined : new Uint8Array([cookie]),
      isEmpty,
      isFull,
      listed: names.map(name => listedAs({ id: namedPeer(name), point: point.peerId }))
    }
  }

  async function readAll (pages: Pages): Promise<string[]> {
    const names: string[] = []

    for (let page = await pages.next(1_000); page != null; page = await pages.next(1_000)) {
      names.push(...page.listed.map(({ record }) => record.peerId.toString()))
    }

    return names
  }

  it('go on from each cookie until one is empty', async () => {
    answer = ({ cookie = 0 }) => page(cookie + 1, cookie < 3 ? [`peer-${cookie}`] : [])

    expect(await readAll(pages())).toEqual(['peer-0', 'peer-1', 'peer-2'])
    expect(requests.map(({ cookie }) => cookie)).toEqual([undefined, 1, 2, 3])
  })

  it('begin at the cookie that is given', async () => {
    answer = () => page(8, [])
    await readAll(pages(7))

    expect(requests).toEqual([{ limit: 500, cookie: 7, sample: false }])
  })

  it('end where the point gives no cookie', async () => {
    answer = () => page(undefined, ['peer'])

    expect(await readAll(pages())).toEqual(['peer'])
    expect(requests).toHaveLength(1)
  })

  it('ask for what is wanted, at most 500 at a time, and for nothing where nothing is', async () => {
    answer = ({ cookie = 0 }) => page(cookie + 1, [`peer-${cookie}`])
    const all = pages()
    await all.next(3)
    await all.next(501)
    expect(await all.next(0)).toBeUndefined()
    expect(await all.next(-1)).toBeUndefined()
    await all.next(1)

    expect(requests.map(({ limit }) => limit)).toEqual([3, 500, 1])
  })

  it('are large after one that brought nobody', async () => {
    answer = ({ cookie = 0 }) => page(cookie + 1, [cookie < 2 ? 'same' : `peer-${cookie}`])
    const all = pages()

    for (let index = 0; index < 4; index++) {
      await all.next(2)
    }

    expect(requests.map(({ limit }) => limit)).toEqual([2, 2, 500, 2])
  })

  it.each([
    ['of the same peer', ['same'], 101],
    ['that hold nothing that is believed', [], 100]
  ])('end after a hundred %s', async (_, names, count) => {
    answer = ({ cookie = 0 }) => page((cookie + 1) % 250, names, false)
    await readAll(pages())

    expect(requests).toHaveLength(count)
  })

  it('start over once when the cookie is no longer known', async () => {
    answer = ({ cookie }) => {
      if (cookie === 7) {
        throw new InvalidCookieError()
      }

      return cookie == null ? page(8, ['again']) : page(8, [])
    }

    expect(await readAll(pages(7))).toEqual(['again'])
    expect(requests.map(({ cookie }) => cookie)).toEqual([7, undefined, 8])
  })

  it('count peers as new again when they start over', async () => {
    let isLost = false
    answer = ({ cookie = 0 }) => {
      if (cookie === 1 && !isLost) {
        isLost = true
        throw new InvalidCookieError()
      }

      return page(cookie + 1, ['same'])
    }
    const all = pages()
    await all.next(3)
    await all.next(3)
    await all.next(3)

    expect(requests.map(({ limit }) => limit)).toEqual([3, 3, 3, 3])
  })

  it('give up when the cookie is refused again', async () => {
    answer = ({ cookie }) => {
      if (cookie != null) {
        throw new InvalidCookieError()
      }

      return page(8, ['again'])
    }

    await expect(readAll(pages(7))).rejects.toMatchObject({ name: 'InvalidCookieError' })
    expect(requests).toHaveLength(3)
  })

  it('give up when a cookie is refused though none was sent', async () => {
    answer = () => { throw new InvalidCookieError() }

    await expect(readAll(pages())).rejects.toMatchObject({ name: 'InvalidCookieError' })
    expect(requests).toHaveLength(1)
  })

  it('end with what the point says otherwise', async () => {
    answer = () => { throw new UnavailableError() }
    const all = pages(7)

    await expect(all.next(1)).rejects.toMatchObject({ name: 'UnavailableError' })
    expect(await all.next(1)).toBeUndefined()
    expect(requests).toHaveLength(1)
  })

  describe('where any peers will do', () => {
    it('begin with a sample, when no more than 200 are wanted', async () => {
      answer = () => page(9, ['a', 'b'])
      await pages(undefined, true).next(200)
      await pages(undefined, true).next(201)

      expect(requests).toEqual([{ limit: 200, cookie: undefined, sample: true }, { limit: 201, cookie: undefined, sample: false }])
    })

    it('go on behind a sample that was all there is', async () => {
      answer = ({ cookie }) => cookie == null ? page(9, ['a', 'b'], false, false) : page(9, [])
      const all = pages(undefined, true)

      expect((await all.next(3))?.listed).toHaveLength(2)
      expect((await all.next(1))?.listed).toEqual([])
      expect(await all.next(1)).toBeUndefined()
      expect(requests.slice(1)).toEqual([{ limit: 1, cookie: 9, sample: false }])
    })

    it('start at the beginning when the sample was not enough', async () => {
      answer = ({ limit, cookie = 0, sample }) => sample ? page(9, ['a', 'b']) : page(cookie + 1, limit === 1 ? ['a'] : cookie < 3 ? [`peer ${cookie}`] : [])
      const all = pages(undefined, true)
      // of which one was of no use
      await all.next(3)
      await all.next(1)
      await all.next(1)

      expect(requests.slice(1)).toEqual([{ limit: 1, cookie: undefined, sample: false }, { limit: 500, cookie: 1, sample: false }])
    })
  })
})
