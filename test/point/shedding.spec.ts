import { describe, expect, it } from 'vitest'
import { Shedding } from '../../src/point/shedding.ts'

const LATE = 101
const EARLY = 49

function after (looks: number[], shedding = new Shedding()): Shedding {
  looks.forEach(late => { shedding.look(late) })

  return shedding
}

function times (count: number, late: number): number[] {
  return Array.from({ length: count }, () => late)
}

describe('Shedding', () => {
  it('lets in sixteen newcomers at a time, and answers every listing, while there is time', () => {
    const shedding = after(times(10, 0))

    expect([shedding.newcomers(20), shedding.listings(20)]).toEqual([16, Infinity])
  })

  it('halves the newcomers each time that it is late, and lets one in always', () => {
    const shedding = new Shedding()

    expect(times(6, LATE).map(late => after([late], shedding).newcomers(20))).toEqual([8, 4, 2, 1, 1, 1])
  })

  it('holds back no listing before fewer newcomers were tried', () => {
    const shedding = new Shedding()

    expect(times(6, LATE).map(late => after([late], shedding).listings(20))).toEqual([Infinity, Infinity, Infinity, Infinity, 64, 32])
  })

  it('answers five listings always', () => {
    expect(after(times(30, LATE)).listings(20)).toBe(5)
  })

  it('changes nothing when it is neither late nor early', () => {
    const shedding = after([LATE, ...times(10, 100), ...times(10, 50)])

    expect([shedding.newcomers(20), shedding.listings(20)]).toEqual([8, Infinity])
  })

  it('lets listings go first, and then one newcomer more each time', () => {
    const shedding = after(times(8, LATE))
    const seen = times(13, EARLY).map(late => {
      after([late], shedding)

      return [shedding.newcomers(20), shedding.listings(20)]
    })

    expect(seen).toEqual([
      [1, 10], [1, 12], [1, 15], [1, 18], [1, 22], [1, 27], [1, 33], [1, 41], [1, 51], [1, 63], [1, 64],
      [1, Infinity], [2, Infinity]
    ])
  })

  it('counts the time since the last look, which comes late when others keep the processor busy', () => {
    const shedding = after(times(30, 1_000))

    expect([0, 20, 60, 1_020].map(elapsed => shedding.listings(elapsed))).toEqual([5, 5, 15, 255])
    expect([0, 20, 60, 1_020].map(elapsed => shedding.newcomers(elapsed))).toEqual([1, 1, 3, 4])
  })

  it('lets in no more than sixteen again', () => {
    expect(after([LATE, ...times(30, EARLY)]).newcomers(20)).toBe(16)
  })
})
