import { describe, expect, it } from 'vitest'
import { merge } from '../../src/client/merge.ts'
import { collect } from '../fixtures/nodes.ts'
import { listedAs, namedPeer } from '../fixtures/listed.ts'
import type { Listed, ListedPage } from '../../src/client/listing.ts'

const never = new AbortController().signal

/** The pages of a point: each is there at once, or when it comes. */
class Source {
  readonly wanted: number[] = []
  readonly #pages: Array<Listed[] | Error | Promise<Listed[]>>

  constructor (...pages: Array<Listed[] | Error | Promise<Listed[]>>) {
    this.#pages = pages
  }

  async next (wanted: number): Promise<ListedPage | undefined> {
    this.wanted.push(wanted)
    const listed = await this.#pages.shift()

    if (listed instanceof Error) {
      throw listed
    }

    return listed == null ? undefined : { listed, cookie: undefined, isEmpty: listed.length === 0, isFull: false }
  }
}

function listed (name: string, sequence = 1n): Listed {
  return listedAs({ id: namedPeer(name), point: namedPeer('point'), sequence })
}

function namesOf ({ value }: IteratorResult<Listed[]>): string[] {
  return value.map(({ record }: Listed) => record.peerId.toString())
}

async function all (sources: Source[], limit = 100, signal = never): Promise<string[]> {
  return (await collect(merge(sources, limit, signal))).flat().map(({ record }) => `${record.peerId} ${record.sequence}`)
}

describe('merge', () => {
  it('yields the peers of all pages of all points, each once', async () => {
    const sources = [
      new Source([listed('a'), listed('b')], [listed('c')], []),
      new Source([listed('b')], [], [listed('d'), listed('a')])
    ]

    expect((await all(sources)).sort()).toEqual(['a 1', 'b 1', 'c 1', 'd 1'])
  })

  it('takes of records that have come together the newest, in the place of the first', async () => {
    expect(await all([
      new Source([listed('a', 1n), listed('b', 2n)]),
      new Source([listed('b', 1n), listed('a', 2n)])
    ])).toEqual(['a 2', 'b 2'])
  })

  it('yields what one answers while another is silent, page by page', async () => {
    const silent = Promise.withResolvers<Listed[]>()
    const merged = merge([new Source(silent.promise), new Source([listed('a')], [listed('b')])], 100, never)

    expect(namesOf(await merged.next())).toEqual(['a'])
    expect(namesOf(await merged.next())).toEqual(['b'])
    const last = merged.next()
    silent.resolve([listed('c')])
    expect(namesOf(await last)).toEqual(['c'])
    expect((await merged.next()).done).toBe(true)
  })

  it('asks a point that is silent no second time', async () => {
    const silent = new Source(new Promise(() => {}))
    const merged = merge([silent, new Source([listed('a')], [listed('b')])], 100, never)
    await merged.next()
    await merged.next()

    expect(silent.wanted).toHaveLength(1)
  })

  it('ends at its limit, and waits for nobody then', async () => {
    const source = new Source([listed('a')], [listed('a'), listed('b'), listed('c')], [listed('d')])

    expect(await all([source, new Source(new Promise(() => {}))], 2)).toEqual(['a 1', 'b 1'])
    expect(source.wanted).toEqual([2, 1])
  })

  it('reads on only when more is taken', async () => {
    const source = new Source([listed('a')], [listed('b')])
    const merged = merge([source], 100, never)
    await merged.next()
    await merged.return(undefined)

    expect(source.wanted).toHaveLength(1)
  })

  it('leaves out a point that fails, and keeps what it listed before', async () => {
    expect((await all([new Source([listed('a')], new Error('gone'), [listed('z')]), new Source([listed('b')], [listed('c')])])).sort()).toEqual(['a 1', 'b 1', 'c 1'])
  })

  it('throws the reasons of all points after what they listed, when each has failed', async () => {
    const merged = merge([new Source([listed('a')], new Error('one')), new Source(new Error('two'))], 100, never)
    expect((await merged.next()).value).toHaveLength(1)
    const error = await merged.next().catch(err => err)

    expect(error).toBeInstanceOf(AggregateError)
    expect(error.errors.map(({ message }: Error) => message).sort()).toEqual(['one', 'two'])
    expect(error.message).toMatch(/No rendezvous point could be asked: (one; two|two; one)/)
  })

  it('ends without an error where nobody is listed, and where there is no point', async () => {
    expect(await all([new Source()])).toEqual([])
    expect(await all([])).toEqual([])
  })

  it('throws AbortError when its signal has aborted, whatever came', async () => {
    const controller = new AbortController()
    controller.abort()

    await expect(all([new Source([listed('a')])], 100, controller.signal)).rejects.toMatchObject({ name: 'AbortError' })
  })
})
