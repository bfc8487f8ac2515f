import { describe, expect, it } from 'vitest'
import { Trust } from '../../src/client/trust.ts'

describe('Trust', () => {
  it('is lost with what is wrong a hundred times more often than right', () => {
    const trust = new Trust(0)
    trust.judge(0, 99)
    expect(trust.isLost).toBe(false)
    trust.judge(0, 1)
    expect(trust.isLost).toBe(true)
  })

  it('is kept by a point that is right more often than wrong', () => {
    const trust = new Trust(0)

    for (let i = 0; i < 1_000; i++) {
      trust.judge(6, 5)
    }

    expect(trust.isLost).toBe(false)
  })

  it('cannot be saved up', () => {
    const trust = new Trust(0)
    trust.judge(1_000_000, 0)
    trust.judge(0, 100)
    expect(trust.isLost).toBe(true)
  })

  it('listens to fifty thousand at once, and to ten thousand in each minute after that', () => {
    const trust = new Trust(0)
    expect(trust.spend(50_000, 0)).toBe(0)
    expect(trust.spend(1_000, 0)).toBe(6_000)
    expect(trust.spend(0, 6_000)).toBe(0)
    expect(trust.spend(50_000, 3_600_000)).toBe(0)
    expect(trust.spend(10_000, 3_600_000)).toBe(60_000)
  })
})
