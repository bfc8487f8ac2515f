import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fromWireTtl, toWireTtl } from '../../src/protocol/ttl.ts'

it.each([
  [0, 0n],
  [1, 1n],
  [999, 1n],
  [1_000, 1n],
  [1_001, 2n],
  [0.5, 1n],
  [7_200_000, 7_200n],
  [259_200_000, 259_200n]
])('%d milliseconds are %d seconds on the wire', (ttl, seconds) => {
  expect(toWireTtl(ttl)).toBe(seconds)
})

it('is never announced as shorter than it is, nor as longer by a second', () => {
  fc.assert(fc.property(fc.nat(), ttl => {
    const announced = fromWireTtl(toWireTtl(ttl))

    expect(announced).toBeGreaterThanOrEqual(ttl)
    expect(announced).toBeLessThan(ttl + 1_000)
  }))
})

it.each([0n, 1n, 7_200n, 2n ** 53n + 1n, 2n ** 64n - 1n])('%d seconds come in as a number of that size', seconds => {
  expect(fromWireTtl(seconds)).toBe(Number(seconds) * 1_000)
  expect(fromWireTtl(seconds)).not.toBe(Infinity)
})
