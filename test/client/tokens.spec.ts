import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Tokens } from '../../src/client/tokens.ts'
import { InvalidNamespaceError, NotAuthorizedError, Status } from '../../src/protocol/errors.ts'

const NOW = 1_750_000_000_000
const MINUTE = 60_000

function endsAt (ms: number): string {
  return `header.${Buffer.from(JSON.stringify({ exp: ms / 1_000 })).toString('base64url')}.signature`
}

describe('a token that this node shows', () => {
  beforeEach(() => { vi.useFakeTimers({ now: NOW }) })
  afterEach(() => { vi.useRealTimers() })

  /** How often another is asked for while it is looked up every ten seconds of ten minutes. */
  async function asked (token: () => string): Promise<number> {
    let times = 0
    const tokens = new Tokens(() => { times++; return token() }, 1_000)

    for (let now = NOW; now < NOW + 10 * MINUTE; now += 10_000) {
      await tokens.get(now)
    }

    return times
  }

  it.each<[string, () => string, number]>([
    ['that is good for long is asked for once', () => endsAt(NOW + 60 * MINUTE), 1],
    ['is asked for anew a minute before its end, and later once more', () => endsAt(NOW + 10 * MINUTE), 2],
    ['of a minute is kept for nearly as long', () => endsAt(NOW + MINUTE), 55],
    ['that has ended is asked for each time', () => endsAt(NOW - MINUTE), 60],
    ['whose end cannot be read is kept for a minute', () => 'no token', 10],
    ['without an end as well', () => `a.${Buffer.from('{}').toString('base64url')}.b`, 10]
  ])('%s', async (_, token, times) => {
    expect(await asked(token)).toBe(times)
  })

  it('is asked for once by all who want it at a time', async () => {
    let times = 0
    const tokens = new Tokens(async () => { times++; return endsAt(NOW + MINUTE) }, 1_000)
    await Promise.all([tokens.get(), tokens.get(), tokens.get()])

    expect(times).toBe(1)
  })

  it('is waited for no longer than anything else', async () => {
    const tokens = new Tokens(async () => new Promise<string>(() => {}), 1_000)
    const failed = expect(tokens.get()).rejects.toMatchObject({ name: 'TimeoutError' })
    await vi.advanceTimersByTimeAsync(1_000)
    await failed
  })

  it.each<[unknown, string]>([['', 'an empty one'], ['x'.repeat(2_049), 'one that is too long'], [5, 'a number']])('is a text that a point reads, or is not shown, nor said: %s', async token => {
    const error = { name: 'InvalidParametersError', message: 'a token is a text of 1 to 2048 characters' }

    expect(() => new Tokens(token as string, 1_000)).toThrow(expect.objectContaining(error))
    await expect(new Tokens(() => token as string, 1_000).get()).rejects.toMatchObject(error)
  })

  it('that is refused is dropped, unless another was got meanwhile', async () => {
    const tokens = new Tokens(() => endsAt(NOW + 60 * MINUTE), 1_000)
    const token = await tokens.get() as string
    tokens.refused('an older one')
    expect(tokens.isKept(token)).toBe(true)
    tokens.refused(token)
    expect(tokens.isKept(token)).toBe(false)
    expect(tokens.isKept(undefined)).toBe(false)
  })
})

describe('a refusal', () => {
  const refused = new NotAuthorizedError('no', { status: Status.E_NOT_AUTHORIZED })

  it('is for ever, unless there may be another token', () => {
    expect(new Tokens(undefined, 1_000).isPermanent(refused)).toBe(true)
    expect(new Tokens('one', 1_000).isPermanent(refused)).toBe(true)
    expect(new Tokens(() => 'one', 1_000).isPermanent(refused)).toBe(false)
    expect(new Tokens(() => 'one', 1_000).isPermanent(new InvalidNamespaceError('no', { status: Status.E_INVALID_NAMESPACE }))).toBe(true)
  })
})
