import { beforeEach, describe, expect, it } from 'vitest'
import { Discovered } from '../../src/client/discovered.ts'
import { Watching } from '../../src/client/watching.ts'
import { listedAs, namedPeer } from '../fixtures/listed.ts'
import { collect } from '../fixtures/nodes.ts'
import type { Listed } from '../../src/client/listing.ts'

describe('Watching', () => {
  const point = namedPeer('point')
  let discovered: Discovered
  let stopping: AbortController
  let signal: AbortController
  let taken: AsyncGenerator<Listed>

  beforeEach(() => {
    discovered = new Discovered({ onNew: () => {}, onGone: () => {} })
    stopping = new AbortController()
    signal = new AbortController()
    taken = new Watching('ns', undefined).take(discovered, stopping.signal, signal.signal)
  })

  function find (name: string, sequence = 1n): void {
    discovered.add(listedAs({ id: namedPeer(name), point, sequence, now: Date.now() }), Date.now())
  }

  async function next (): Promise<string> {
    const { value: { record } } = await taken.next()

    return `${record.peerId} ${record.sequence}`
  }

  it('gives what is known, and then what comes', async () => {
    find('a')
    expect(await next()).toBe('a 1')
    const later = next()
    find('b')
    expect(await later).toBe('b 1')
  })

  it('gives each peer once, and one that waits by its newest record', async () => {
    find('a')
    expect(await next()).toBe('a 1')
    find('a', 2n)
    find('b')
    find('b', 2n)
    find('c')

    expect([await next(), await next()]).toEqual(['b 2', 'c 1'])
  })

  it('gives a peer again that was gone, and none that is gone before it is taken', async () => {
    find('a')
    find('b')
    expect(await next()).toBe('a 1')
    discovered.sweep(Infinity)
    find('a', 2n)

    expect(await next()).toBe('a 2')
  })

  it('ends when all is stopped, also while it waits', async () => {
    find('a')
    await next()
    const end = taken.next()
    stopping.abort()

    expect((await end).done).toBe(true)
  })

  it('throws AbortError when its user\'s signal aborts, also while it waits', async () => {
    const rest = collect(taken)
    signal.abort()

    await expect(rest).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('hears of nothing any longer when its user takes no more', async () => {
    const watching = new Watching('ns', undefined)
    taken = watching.take(discovered, stopping.signal, undefined)
    find('a')
    await next()
    await taken.return(undefined)
    find('b')
    taken = watching.take(new Discovered({ onNew: () => {}, onGone: () => {} }), stopping.signal, undefined)
    const later = taken.next()
    stopping.abort()

    expect((await later).done).toBe(true)
  })
})
