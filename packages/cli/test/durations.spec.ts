import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration, writeDuration } from '../src/durations.ts'

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['90m', 5_400_000],
    ['2h', 7_200_000],
    ['72h', 259_200_000],
    ['3d', 259_200_000],
    ['1h30m', 5_400_000],
    ['1m5ms', 60_005],
    ['1.5s', 1_500]
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).to.equal(ms)
  })

  it.each(['', '2', 'h', '2 h', '-2h', '+2h', '2H', '2h3', '2w', '0s', '0h0m', '1e3s', '.5s', '2h ', 'Infinity', '9999999999999999d'])('does not take "%s" for one', text => {
    expect(parseDuration(text)).to.equal(undefined)
  })

  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [61_000, '1m 1s'],
    [7_200_000, '2h'],
    [7_199_999, '2h'],
    [7_140_000, '1h 59m'],
    [86_399_999, '1d'],
    [259_200_000, '3d'],
    [90_061_000, '1d 1h']
  ])('writes %i ms as %s', (ms, text) => {
    expect(formatDuration(ms)).to.equal(text)
  })

  it.each([
    [1, '1ms'],
    [3_600_000, '1h'],
    [7_199_999, '1h59m59s999ms'],
    [2 ** 31 - 1, '24d20h31m23s647ms']
  ])('writes %i ms exactly as %s, as it is read', (ms, text) => {
    expect(writeDuration(ms)).to.equal(text)
    expect(parseDuration(text)).to.equal(ms)
  })
})
