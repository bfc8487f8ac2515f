import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { lookUp } from '../../../src/client/routing/look-up.ts'
import type { Source, Step } from '../../../src/client/routing/look-up.ts'

describe('lookUp', () => {
  let caller: AbortController
  /** Who was asked, who failed, and whose signal has aborted. */
  let told: string[]

  beforeEach(() => {
    vi.useFakeTimers()
    caller = new AbortController()
    told = []
  })

  afterEach(() => { vi.useRealTimers() })

  /** Says each of these after some milliseconds more; an error is thrown, and `undefined` never comes. */
  function says (...all: Array<[ms: number, what: string | Error | undefined]>): Source<string> {
    return async function * (signal) {
      signal.addEventListener('abort', () => { told.push('aborted') })

      for (const [ms, what] of all) {
        await new Promise(resolve => { what == null || setTimeout(resolve, ms) })

        if (what instanceof Error) {
          throw what
        }

        yield what!
      }
    }
  }

  function step (name: string, patience: number, ...sources: Array<Source<string>>): Step<string> {
    return { name, patience, sources }
  }

  function begin (...steps: Array<Step<string>>): AsyncGenerator<string> {
    return lookUp(steps, caller.signal, {
      onBegin: name => { told.push(`asked ${name}`) },
      onFailed: (name, error) => { told.push(`${name}: ${error.message}`) }
    })
  }

  /** What is found, each with when it was, until nothing more happens. */
  async function all (...steps: Array<Step<string>>): Promise<Array<[number, string]>> {
    const start = Date.now()
    const found: Array<[number, string]> = []
    const reading = (async () => {
      for await (const one of begin(...steps)) {
        found.push([Date.now() - start, one])
      }
    })()
    await vi.advanceTimersByTimeAsync(10_000)
    await reading

    return found
  }

  it('asks the next as soon as one step knows no more', async () => {
    expect(await all(step('one', 1_000, says(), says([5, 'a'])), step('two', 1_000, says()), step('three', 1_000, says([1, 'b'])))).toEqual([[5, 'a'], [6, 'b']])
    expect(told.filter(one => one !== 'aborted')).toEqual(['asked one', 'asked two', 'asked three'])
  })

  it('asks the next beside a step that says nothing for as long as it has patience', async () => {
    expect(await all(step('one', 100, says([250, 'late'])), step('two', 100, says([20, 'a'], [30, 'b'])))).toEqual([[120, 'a'], [150, 'b'], [250, 'late']])
  })

  it('asks the next when a step falls silent, but not while it speaks', async () => {
    const found = await all(step('one', 100, says([90, 'a'], [90, 'b'], [300, 'c'])), step('two', 100, says([1, 'd'])))

    expect(found).toEqual([[90, 'a'], [180, 'b'], [281, 'd'], [480, 'c']])
  })

  it('asks those of one step side by side', async () => {
    expect(await all(step('one', 100, says([30, 'b']), says([10, 'a'], [50, 'c'])))).toEqual([[10, 'a'], [30, 'b'], [60, 'c']])
  })

  it('passes over steps in which there is nobody to ask', async () => {
    expect(await all(step('one', 1_000), step('two', 1_000, says([1, 'a'])), step('three', 1_000))).toEqual([[1, 'a']])
    expect(told).not.toContain('asked one')
  })

  it('finds nothing where nobody is asked, or nobody knows', async () => {
    expect(await all()).toEqual([])
    expect(await all(step('one', 100, says()), step('two', 100, says()))).toEqual([])
  })

  it('says who failed, and goes on with others', async () => {
    expect(await all(step('one', 100, says([10, new Error('dead')]), says([30, 'a'])), step('two', 100, says([10, 'b'], [10, new Error('ended')])))).toEqual([[30, 'a'], [40, 'b']])
    expect(told.filter(one => one !== 'aborted')).toEqual(['asked one', 'one: dead', 'asked two', 'two: ended'])
  })

  it('asks nobody before something is wanted', async () => {
    const found = begin(step('one', 100, says([1, 'a'])), step('two', 100, says([1, 'b'])))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(told).toEqual([])

    const first = found.next()
    await vi.advanceTimersByTimeAsync(1)
    expect(await first).toEqual({ done: false, value: 'a' })

    await vi.advanceTimersByTimeAsync(1_000)
    expect(told).toEqual(['asked one'])
  })

  it('stops asking when the caller has enough', async () => {
    const ended = vi.fn()
    const found = begin(step('one', 10, says([0, undefined]), async function * () {
      try {
        yield 'a'
        yield 'b'
      } finally {
        ended()
      }
    }), step('two', 10, says([0, 'c'])))
    await found.next()
    await found.return(undefined)
    expect(vi.getTimerCount()).toBe(0)
    await vi.advanceTimersByTimeAsync(1_000)

    expect(told).toEqual(['asked one', 'aborted'])
    expect(ended).toHaveBeenCalledOnce()
  })

  it('ends at once when the caller aborts, whatever those who are asked make of it', async () => {
    const found = begin(step('one', 10, says([0, undefined])), step('two', 10, says([0, undefined])), step('three', 10, says([0, 'a'])))
    const ended = expect(found.next()).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
    await vi.advanceTimersByTimeAsync(15)
    caller.abort()
    await ended
    await vi.advanceTimersByTimeAsync(1_000)

    expect(told).toEqual(['asked one', 'asked two', 'aborted', 'aborted'])
  })

  it('does not begin when the caller has aborted before', async () => {
    caller.abort()

    await expect(begin(step('one', 10, says([0, 'a']))).next()).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
    expect(told).toEqual([])
  })
})
