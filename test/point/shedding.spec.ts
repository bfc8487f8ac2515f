import { describe, expect, it } from 'vitest'
import { Shedding } from '../../src/point/shedding.ts'

const LATE = 41
const EARLY = 14

function after (looks: number[], shedding = new Shedding()): Shedding {
  looks.forEach(late => { shedding.look(late) })

  return shedding
}

function times (count: number, late: number): number[] {
  return Array.from({ length: count }, () => late)
}

describe('Shedding', () => {
  it('lets in sixteen newcomers at a time, and answers every listing, while there is time', () => {
    const { newcomers, listings } = after(times(10, 0))

    expect([newcomers, listings]).toEqual([16, Infinity])
  })

  it('halves the newcomers each time that it is late, and lets one in always', () => {
    const shedding = new Shedding()

    expect(times(6, LATE).map(late => after([late], shedding).newcomers)).toEqual([8, 4, 2, 1, 1, 1])
  })

  it('holds back no listing before fewer newcomers were tried', () => {
    const shedding = new Shedding()

    expect(times(6, LATE).map(late => after([late], shedding).listings)).toEqual([Infinity, Infinity, Infinity, Infinity, 64, 32])
  })

  it('answers one listing always', () => {
    expect(after(times(30, LATE)).listings).toBe(1)
  })

  it('changes nothing when it is neither late nor early', () => {
    const shedding = after([LATE, ...times(10, 40), ...times(10, 15)])

    expect([shedding.newcomers, shedding.listings]).toEqual([8, Infinity])
  })

  it('lets listings go first, and then one newcomer more each time', () => {
    const shedding = after(times(8, LATE))
    const seen = times(13, EARLY).map(late => {
      after([late], shedding)

      return [shedding.newcomers, shedding.listings]
    })

    expect(seen).toEqual([
      [1, 10], [1, 12], [1, 15], [1, 18], [1, 22], [1, 27], [1, 33], [1, 41], [1, 51], [1, 63], [1, 64],
      [1, Infinity], [2, Infinity]
    ])
  })

  it('lets in no more than sixteen again', () => {
    expect(after([LATE, ...times(30, EARLY)]).newcomers).toBe(16)
  })
})
