import { expect, it } from 'vitest'
import { NearLimits } from '../../src/point/near-limits.ts'

const LIMITS = { maxRegistrations: 100, maxNamespaces: 10, maxBytes: 1_000 }
const NOTHING = { registrations: 0, namespaces: 0, peers: 0, bytes: 0 }

it('a limit is near at nine tenths of it, which is told once', () => {
  const limits = new NearLimits(LIMITS)

  expect(limits.check({ ...NOTHING, registrations: 89 })).toEqual([])
  expect(limits.check({ ...NOTHING, registrations: 90 })).toEqual([{ limit: 'maxRegistrations', max: 100, size: 90 }])
  expect(limits.check({ ...NOTHING, registrations: 100 })).toEqual([])
  expect(limits.check({ ...NOTHING, registrations: 80 })).toEqual([])
  expect(limits.check({ ...NOTHING, registrations: 90 })).toEqual([])
})

it('it is told again when less than eight tenths had been reached', () => {
  const limits = new NearLimits(LIMITS)

  limits.check({ ...NOTHING, bytes: 950 })
  limits.check({ ...NOTHING, bytes: 799 })
  expect(limits.check({ ...NOTHING, bytes: 900 })).toEqual([{ limit: 'maxBytes', max: 1_000, size: 900 }])
})

it('each limit is told of by itself', () => {
  const limits = new NearLimits(LIMITS)

  expect(limits.check({ registrations: 95, namespaces: 9, peers: 1_000, bytes: 999 }).map(({ limit }) => limit)).toEqual(['maxRegistrations', 'maxNamespaces', 'maxBytes'])
})
