import { describe, expect, it } from 'vitest'
import { clientSettings } from '../../src/client/settings.ts'
import { pointSettings } from '../../src/point/settings.ts'
import type { RendezvousPointInit } from '../../src/point/types.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function refusal (name: string): unknown {
  return expect.objectContaining({ name: 'InvalidParametersError', message: expect.stringContaining(name) })
}

describe('the settings of a point', () => {
  it('are these by default', () => {
    expect(pointSettings({})).toEqual({
      minTtl: 2 * HOUR,
      defaultTtl: 2 * HOUR,
      maxTtl: 72 * HOUR,
      maxNamespaceLength: 255,
      maxRegistrationsPerPeer: 100,
      maxRegistrationsPerNamespace: 1_000,
      maxNamespaces: 10_000,
      maxRegistrations: 1_000_000,
      maxBytes: 512 * 1024 * 1024,
      maxDiscoverLimit: 1_000,
      maxMessageSize: 16_384,
      maxInboundStreams: 32,
      requestTimeout: 10_000,
      idleTimeout: 180_000,
      rateLimit: { requests: 1_000, interval: 10_000 },
      watch: true,
      shedding: false,
      maxSubscriptionsPerStream: 100,
      maxSubscriptionsPerConnection: 200,
      maxSubscriptions: 100_000,
      presence: { grace: 60_000 },
      keepBothForms: true,
      matchReaders: true,
      identifyPatience: 1_000,
      protocol: '/rendezvous/1.0.0'
    })
  })

  it('leave a stream open for the next poll of a client, also when one is missed', () => {
    expect(pointSettings({}).idleTimeout).toBeGreaterThan(2 * clientSettings({}).discoverInterval)
  })

  it('are those that were given', () => {
    const init: RendezvousPointInit = {
      minTtl: 1,
      defaultTtl: 2,
      maxTtl: 3,
      maxNamespaceLength: 4,
      maxRegistrationsPerPeer: 5,
      maxRegistrationsPerNamespace: 6,
      maxNamespaces: 7,
      maxRegistrations: 8,
      maxBytes: 80,
      maxDiscoverLimit: 9,
      maxMessageSize: 10,
      maxInboundStreams: 11,
      requestTimeout: 12,
      idleTimeout: 13,
      rateLimit: { requests: 14, interval: 15 },
      watch: false,
      shedding: false,
      maxSubscriptionsPerStream: 16,
      maxSubscriptionsPerConnection: 17,
      maxSubscriptions: 18,
      presence: { grace: 19 },
      keepBothForms: false,
      matchReaders: false,
      identifyPatience: 0,
      protocol: '/mine/1.0.0'
    }

    expect(pointSettings(init)).toEqual(init)
    expect(pointSettings({ rateLimit: false }).rateLimit).toBe(false)
    expect(pointSettings({ presence: false }).presence).toBe(false)
  })

  it.each<[RendezvousPointInit, number, number, number]>([
    [{ minTtl: MINUTE }, MINUTE, 2 * HOUR, 72 * HOUR],
    [{ minTtl: 3 * HOUR }, 3 * HOUR, 3 * HOUR, 72 * HOUR],
    [{ minTtl: 100 * HOUR }, 100 * HOUR, 100 * HOUR, 100 * HOUR],
    [{ maxTtl: HOUR }, HOUR, HOUR, HOUR],
    [{ maxTtl: 500 * HOUR }, 2 * HOUR, 2 * HOUR, 500 * HOUR],
    [{ defaultTtl: 5 * HOUR }, 2 * HOUR, 5 * HOUR, 72 * HOUR],
    [{ minTtl: MINUTE, maxTtl: HOUR }, MINUTE, HOUR, HOUR]
  ])('with %j have TTLs that fit each other', (init, minTtl, defaultTtl, maxTtl) => {
    expect(pointSettings(init)).toMatchObject({ minTtl, defaultTtl, maxTtl })
  })

  it.each<[keyof RendezvousPointInit]>([
    ['maxNamespaceLength'], ['maxRegistrationsPerPeer'], ['maxRegistrationsPerNamespace'], ['maxNamespaces'], ['maxBytes'],
    ['maxRegistrations'], ['maxDiscoverLimit'], ['maxMessageSize'], ['maxInboundStreams'],
    ['maxSubscriptionsPerStream'], ['maxSubscriptionsPerConnection'], ['maxSubscriptions']
  ])('need %s to be a whole number of at least one', name => {
    for (const value of [0, -1, 1.5, NaN, Infinity, '10', null]) {
      const init = { [name]: value } as RendezvousPointInit

      if (value === null) {
        expect(() => pointSettings(init)).not.toThrow()
      } else {
        expect(() => pointSettings(init), String(value)).toThrow(refusal(name))
      }
    }

    expect(pointSettings({ [name]: 1 })).toMatchObject({ [name]: 1 })
  })

  it.each<[keyof RendezvousPointInit]>([['minTtl'], ['maxTtl'], ['defaultTtl'], ['requestTimeout'], ['idleTimeout']])('need %s to be a time', name => {
    for (const value of [0, -1, NaN, Infinity, Number.MAX_VALUE, 'soon']) {
      expect(() => pointSettings({ [name]: value } as RendezvousPointInit), String(value)).toThrow(refusal(name))
    }
  })

  it('need a grace that a timer can be set to, or none', () => {
    for (const grace of [-1, NaN, Infinity, 2 ** 31, '1']) {
      expect(() => pointSettings({ presence: { grace: grace as number } }), String(grace)).toThrow(refusal('presence.grace'))
    }

    expect(pointSettings({ presence: { grace: 0 } }).presence).toEqual({ grace: 0 })
  })

  it.each<[keyof RendezvousPointInit]>([['requestTimeout'], ['idleTimeout']])('need %s to be a time that a timer can be set to', name => {
    expect(pointSettings({ [name]: 2 ** 31 - 1 })).toMatchObject({ [name]: 2 ** 31 - 1 })
    expect(() => pointSettings({ [name]: 2 ** 31 })).toThrow(refusal(name))
  })

  it.each([
    [{ minTtl: 2, defaultTtl: 1, maxTtl: 3 }, 'minTtl (2) may not be longer than defaultTtl (1): lower minTtl, or raise defaultTtl'],
    [{ minTtl: 1, defaultTtl: 4, maxTtl: 3 }, 'defaultTtl (4) may not be longer than maxTtl (3): lower defaultTtl, or raise maxTtl'],
    [{ minTtl: 3, maxTtl: 2 }, 'minTtl (3) may not be longer than maxTtl (2): lower minTtl, or raise maxTtl'],
    [{ defaultTtl: HOUR }, `minTtl (${2 * HOUR}) may not be longer than defaultTtl (${HOUR}): lower minTtl, or raise defaultTtl`]
  ])('need the TTLs in their order, and say what to change in %j', (init, problem) => {
    expect(() => pointSettings(init)).toThrow(refusal(problem))
  })

  it('may have TTLs that are all the same', () => {
    expect(pointSettings({ minTtl: 5, defaultTtl: 5, maxTtl: 5 })).toMatchObject({ minTtl: 5, defaultTtl: 5, maxTtl: 5 })
  })

  it('need namespaces to fit into cookies, and registrations into responses', () => {
    expect(() => pointSettings({ maxNamespaceLength: 256 })).toThrow(refusal('maxNamespaceLength'))
    expect(() => pointSettings({ maxMessageSize: 512 * 1024 + 1 })).toThrow(refusal('maxMessageSize'))
    expect(() => pointSettings({ maxMessageSize: 512 * 1024 })).not.toThrow()
  })

  it.each([
    { requests: 0, interval: 1_000 },
    { requests: NaN, interval: 1_000 },
    { requests: 1, interval: 0 },
    { requests: 1, interval: -1 },
    { requests: 1, interval: Infinity },
    { requests: 1, interval: 2 ** 31 },
    {} as any
  ])('need a rate that can be kept, not %j', rateLimit => {
    expect(() => pointSettings({ rateLimit })).toThrow(refusal('rateLimit'))
  })
})
