import { beforeEach, describe, expect, it } from 'vitest'
import { PATIENCE, Reach } from '../../src/client/reach.ts'
import type { Reached } from '../../src/client/reach.ts'

const all: Reached = { wantsPoint: true, hasPoint: true, wantsAddress: true, hasAddress: true }
const noPoint = { ...all, hasPoint: false }
const noAddress = { ...all, hasAddress: false }

describe('Reach', () => {
  let reach: Reach

  beforeEach(() => {
    reach = new Reach()
  })

  it('waits for nothing where nothing is missing, or nothing is wanted', () => {
    for (const reached of [all, { ...noPoint, wantsPoint: false, wantsAddress: false }, { ...noAddress, wantsAddress: false }]) {
      expect(reach.look(reached, 0)).toBeUndefined()
      expect(reach.wakeAt).toBe(Infinity)
    }
  })

  it.each([
    ['points', noPoint],
    ['self', noAddress]
  ])('tells that %s is missing when it has been for long enough, and once', (missing, reached) => {
    expect(reach.look(reached, 5)).toBeUndefined()
    expect(reach.wakeAt).toBe(5 + PATIENCE)
    expect(reach.look(reached, 4 + PATIENCE)).toBeUndefined()
    expect(reach.look(reached, 5 + PATIENCE)).toBe(missing)
    expect(reach.wakeAt).toBe(Infinity)
    expect(reach.look(reached, 10 * PATIENCE)).toBeUndefined()
  })

  it('tells again when it is missing again', () => {
    reach.look(noPoint, 0)
    reach.look(noPoint, PATIENCE)
    reach.look(all, PATIENCE + 1)
    expect(reach.look(noPoint, PATIENCE + 2)).toBeUndefined()

    expect(reach.look(noPoint, 2 * PATIENCE + 2)).toBe('points')
  })

  it('does not ask for an address before there is a point, and then waits anew', () => {
    const neither = { ...noPoint, hasAddress: false }
    reach.look(neither, 0)
    expect(reach.look(neither, PATIENCE)).toBe('points')
    expect(reach.look(noAddress, PATIENCE + 1)).toBeUndefined()

    expect(reach.look(noAddress, 2 * PATIENCE)).toBeUndefined()
    expect(reach.look(noAddress, 2 * PATIENCE + 1)).toBe('self')
  })
})
