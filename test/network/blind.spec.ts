import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { blind } from '../../src/network/index.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const NOON = Date.UTC(2026, 10, 24, 12)
const secret = new Uint8Array(32).fill(7)

describe('a blinded namespace', () => {
  it('is the HMAC of the day and the name, as the specification has it', () => {
    const day = Buffer.alloc(8)
    day.writeBigUInt64BE(BigInt(Math.floor(NOON / DAY)))
    const expected = createHmac('sha256', secret).update(day).update('my-app').digest('base64url')

    expect(blind(secret)('my-app', NOON)).toEqual([`blind/${expected}`])
  })

  it('is another for another day, name or secret', () => {
    const names = [
      ...blind(secret)('my-app', NOON), ...blind(secret)('my-app', NOON + DAY), ...blind(secret)('my-apq', NOON), ...blind(new Uint8Array(32))('my-app', NOON)
    ]

    expect(new Set(names).size).toBe(4)
  })

  it('has two names around midnight, and says when they change', () => {
    const names = blind(secret)
    const midnight = Math.ceil(NOON / DAY) * DAY
    const [today, tomorrow] = [NOON, NOON + DAY].flatMap(day => names('my-app', day))

    expect(names('my-app', midnight - 2 * HOUR - 1)).toEqual([today])
    expect(names('my-app', midnight - 2 * HOUR)).toEqual([today, tomorrow])
    expect(names('my-app', midnight + 2 * HOUR - 1)).toEqual([today, tomorrow])
    expect(names('my-app', midnight + 2 * HOUR)).toEqual([tomorrow])

    for (let now = NOON; now < NOON + 2 * DAY; now += 7 * MINUTE) {
      const change = names.changesAt(now)
      expect(change).toBeGreaterThan(now)
      expect(names('my-app', change - 1)).toEqual(names('my-app', now))
      expect(names('my-app', change)).not.toEqual(names('my-app', now))
    }
  })

  it('needs a secret that cannot be guessed, and a namespace', () => {
    expect(() => blind(new Uint8Array(15))).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
    expect(() => blind('a long enough secret in letters' as any)).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
    expect(() => blind(secret)('')).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })

  it('keeps its secret when the bytes are wiped or used again', () => {
    const bytes = secret.slice()
    const names = blind(bytes)
    bytes.fill(0)

    expect(names('my-app', NOON)).toEqual(blind(secret)('my-app', NOON))
  })
})

describe('two members over a month', () => {
  /** What a member whose clock is off is registered under: it looks at its clock at each change, and is late by as much as registering takes. */
  function heldAt (now: number, skew: number, lateness: number): Set<string> {
    const names = blind(secret)

    // a name that is over is held on to until the next is there
    return new Set(names('my-app', now + skew - lateness))
  }

  it.each([0, 1, -1, 30, -30, 60, -60])('never miss each other, with clocks that differ by %i minutes, though each change takes half an hour', minutes => {
    for (let now = NOON; now < NOON + 30 * DAY; now += MINUTE) {
      const mine = heldAt(now, 0, 0)
      const theirs = heldAt(now, minutes * MINUTE, 30 * MINUTE)

      expect([...mine].some(name => theirs.has(name)), new Date(now).toISOString()).toBe(true)
    }
  })

  it('miss each other with clocks that differ by more than there is room for', () => {
    let missed = 0

    for (let now = NOON; now < NOON + 3 * DAY; now += MINUTE) {
      missed += [...heldAt(now, 0, 0)].some(name => heldAt(now, 5 * HOUR, 0).has(name)) ? 0 : 1
    }

    expect(missed).toBe(3 * 60)
  })
})
