import { describe, expect, it } from 'vitest'
import { Places } from '../../src/http/places.ts'

describe('places', () => {
  it('are there up to their number', () => {
    const places = new Places<number>(2)

    expect(places.take('a', 1)).toEqual({ isTaken: true })
    expect(places.take('b', 2)).toEqual({ isTaken: true })
    expect(places.take('c', 3)).toEqual({ isTaken: false })
    expect(places.taken).toBe(2)
  })

  it('are there again when somebody leaves, who can leave but once', () => {
    const places = new Places<number>(1)
    places.take('a', 1)
    places.leave('a', 1)
    places.leave('a', 1)
    places.leave('b', 1)

    expect(places.taken).toBe(0)
    expect(places.take('a', 2)).toEqual({ isTaken: true })
    expect(places.take('b', 3)).toEqual({ isTaken: false })
  })

  it('are given up by the youngest of the network that has most, for one that has fewer even then', () => {
    const places = new Places<number>(4)
    places.take('a', 1)
    places.take('b', 2)
    places.take('b', 3)
    places.take('b', 4)

    expect(places.take('c', 5)).toEqual({ isTaken: true, displaced: 4 })
    expect(places.take('c', 6)).toEqual({ isTaken: false })
    expect(places.take('b', 7)).toEqual({ isTaken: false })
    expect(places.taken).toBe(4)
  })
})
