import { describe, expect, it } from 'vitest'
import { Turnstile } from '../../src/point/turnstile.ts'

/** Notes who went on, and who was turned away. */
function line (patience = 1_000, most = 100): { turnstile: Turnstile, enter: (name: string, now?: number) => void, seen: () => Promise<string[]> } {
  const turnstile = new Turnstile(patience, most)
  const seen: string[] = []

  return {
    turnstile,
    enter: (name, now = 0) => {
      const entered = turnstile.enter(now)

      if (entered === true) {
        seen.push(`${name} at once`)
      } else {
        entered.then(isIn => { seen.push(`${name} ${isIn ? 'in' : 'away'}`) }, () => {})
      }
    },
    seen: async () => {
      await Promise.resolve()
      await Promise.resolve()

      return seen
    }
  }
}

describe('Turnstile', () => {
  it('lets everybody in until it is turned', async () => {
    const { enter, seen } = line()
    enter('a')
    enter('b')

    expect(await seen()).toEqual(['a at once', 'b at once'])
  })

  it('lets in as many as it was turned for, and the others in their order', async () => {
    const { turnstile, enter, seen } = line()
    turnstile.turn(1, 0)
    for (const name of ['a', 'b', 'c', 'd']) enter(name)

    expect(await seen()).toEqual(['a at once'])
    turnstile.turn(2, 1)
    expect(await seen()).toEqual(['a at once', 'b in', 'c in'])
    expect(turnstile.waiting).toBe(1)
    turnstile.turn(2, 2)
    expect(await seen()).toEqual(['a at once', 'b in', 'c in', 'd in'])
    enter('e')
    enter('f')
    expect(await seen()).toEqual(['a at once', 'b in', 'c in', 'd in', 'e at once'])
  })

  it('has nobody overtake those who wait', async () => {
    const { turnstile, enter, seen } = line()
    turnstile.turn(0, 0)
    enter('a')
    turnstile.turn(0, 1)
    enter('b')
    turnstile.turn(1, 2)

    expect(await seen()).toEqual(['a in'])
  })

  it('turns away who has waited too long, and lets in somebody else for that', async () => {
    const { turnstile, enter, seen } = line(10)
    turnstile.turn(0, 0)
    enter('a', 0)
    enter('b', 1)
    turnstile.turn(1, 10)

    expect(await seen()).toEqual(['a away', 'b in'])
  })

  it('turns away at once who comes when the line is full', async () => {
    const { turnstile, enter, seen } = line(10, 2)
    turnstile.turn(0, 0)
    for (const name of ['a', 'b', 'c']) enter(name)

    expect(await seen()).toEqual(['c away'])
    expect(turnstile.waiting).toBe(2)
  })

  it('keeps its order over thousands that come and go', async () => {
    const { turnstile, enter, seen } = line(1_000, 5_000)
    turnstile.turn(0, 0)
    const names = Array.from({ length: 3_000 }, (_, index) => `${index}`)
    names.slice(0, 2_000).forEach(name => { enter(name) })
    turnstile.turn(1_500, 0)
    names.slice(2_000).forEach(name => { enter(name) })
    turnstile.turn(1_500, 0)

    expect(await seen()).toEqual(names.map(name => `${name} in`))
  })

  it('turns everybody away when it is cleared, and is open from then on', async () => {
    const { turnstile, enter, seen } = line()
    turnstile.turn(0, 0)
    enter('a')
    turnstile.clear()
    enter('b')

    expect(await seen()).toEqual(['b at once', 'a away'])
  })
})
