import { describe, expect, it } from 'vitest'
import { run, wait } from '../../src/point/steps.ts'
import type { Steps } from '../../src/point/steps.ts'

const failure = new Error('broken')

function * sum (...values: Array<number | PromiseLike<number>>): Steps<number> {
  let total = 0

  for (const value of values) {
    total += yield * wait(value)
  }

  return total
}

function * mended (work: () => number | Promise<number>): Steps<unknown> {
  try {
    return yield * wait(work())
  } catch (err) {
    return { caught: err }
  }
}

describe('work that may have to wait', () => {
  it('is done at once when there is nothing to wait for', () => {
    expect(run(sum(1, 2, 3))).toBe(6)
  })

  it('waits for each promise, wherever it is', async () => {
    for (const values of [[Promise.resolve(1), 2, 3], [1, Promise.resolve(2), 3], [Promise.resolve(1), Promise.resolve(2), Promise.resolve(3)]]) {
      const total = run(sum(...values))

      expect(total).toBeInstanceOf(Promise)
      expect(await total).toBe(6)
    }
  })

  it('waits for promises of another kind', async () => {
    const thenable = { then: (onDone: any) => Promise.resolve(2).then(onDone) } as PromiseLike<number>

    expect(await run(sum(1, thenable))).toBe(3)
  })

  it('takes null and undefined for what they are', () => {
    function * nothing (): Steps<unknown[]> {
      return [yield * wait(null), yield * wait(undefined)]
    }

    expect(run(nothing())).toEqual([null, undefined])
  })

  it('throws what it fails with, at once or later', async () => {
    function * broken (value: unknown): Steps<void> {
      yield * wait(value)
      throw failure
    }

    expect(() => run(broken(1))).toThrow(failure)
    await expect(run(broken(Promise.resolve(1)))).rejects.toBe(failure)
    await expect(run(sum(1, Promise.reject(failure)))).rejects.toBe(failure)
  })

  it('catches what fails, at once or later', async () => {
    expect(run(mended(() => { throw failure }))).toEqual({ caught: failure })
    expect(await run(mended(async () => { throw failure }))).toEqual({ caught: failure })
  })

  it('waits no longer than until the signal says so', async () => {
    const controller = new AbortController()

    function * patient (): Steps<unknown> {
      try {
        return yield * wait(new Promise(() => {}), controller.signal)
      } catch (err) {
        return { caught: err }
      }
    }

    const result = run(patient())
    controller.abort(failure)
    expect(await result).toEqual({ caught: failure })
  })
})
