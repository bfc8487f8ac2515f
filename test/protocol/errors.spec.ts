import { beforeAll, describe, expect, it } from 'vitest'
import * as api from '../../src/index.ts'
import { errorFromStatus, isPermanent, NoAddressesError, NoPointsError, RendezvousError, Status } from '../../src/protocol/errors.ts'
import { identity } from '../fixtures/records.ts'
import type { ErrorStatus } from '../../src/protocol/errors.ts'
import type { PeerId } from '@libp2p/interface'

const STATUSES: Array<[ErrorStatus, keyof typeof api, boolean]> = [
  [Status.E_INVALID_NAMESPACE, 'InvalidNamespaceError', true],
  [Status.E_INVALID_SIGNED_PEER_RECORD, 'InvalidSignedPeerRecordError', true],
  [Status.E_INVALID_TTL, 'InvalidTtlError', true],
  [Status.E_INVALID_COOKIE, 'InvalidCookieError', false],
  [Status.E_NOT_AUTHORIZED, 'NotAuthorizedError', true],
  [Status.E_INTERNAL_ERROR, 'PointInternalError', false],
  [Status.E_UNAVAILABLE, 'UnavailableError', false]
]

let point: PeerId

beforeAll(async () => {
  point = (await identity()).peerId
})

it('has an error for every status but OK', () => {
  const statuses = Object.values(Status).filter(status => typeof status === 'string')

  expect(STATUSES.map(([status]) => status)).toEqual(statuses.filter(status => status !== Status.OK))
})

describe.each(STATUSES)('%s', (status, name, permanent) => {
  it(`is a ${name} that says who refused what, and why`, () => {
    const error = errorFromStatus(status, 'not today', { point, namespace: 'my-app' })

    expect(error).toBeInstanceOf(api[name])
    expect(error).toBeInstanceOf(RendezvousError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name, status, statusText: 'not today', point, namespace: 'my-app' })
    expect(error.message).toContain(status)
    expect(error.message).toContain('not today')
    expect(error.message).toContain(point.toString())
    expect(error.message).toContain('"my-app"')
    expect((api[name] as any).name).toBe(name)
  })

  it(permanent ? 'is pointless to try again' : 'may pass', () => {
    expect(isPermanent(errorFromStatus(status, undefined, {}))).toBe(permanent)
  })
})

describe('an error from a status', () => {
  it('does without a text, a point and a namespace', () => {
    const error = errorFromStatus(Status.E_UNAVAILABLE, undefined, {})

    expect(error.message).toBe('Refused with E_UNAVAILABLE')
    expect('statusText' in error && error.statusText).toBeFalsy()
    expect(error.point).toBeUndefined()
    expect(error.namespace).toBeUndefined()
  })

  it('takes an empty text for none', () => {
    expect(errorFromStatus(Status.E_UNAVAILABLE, ' ', {}).message).toBe('Refused with E_UNAVAILABLE')
  })

  it('lets no control characters of a point through to a terminal', () => {
    const { message, statusText } = errorFromStatus(Status.E_UNAVAILABLE, 'a\u001b[2Jb\r\nc\u0000d\u202ee\u009bf', { point })

    expect(statusText).toBe('a [2Jb  c d e f')
    expect(message).not.toMatch(/\p{C}/u)
  })

  it('lets none of a namespace through either', () => {
    expect(errorFromStatus(Status.E_UNAVAILABLE, undefined, { namespace: 'a\u001b[2Jb\n' }).message).not.toMatch(/\p{C}/u)
  })

  it('shortens what a point has to say', () => {
    const { message, statusText } = errorFromStatus(Status.E_UNAVAILABLE, 'x'.repeat(100_000), { point })

    expect(statusText).toHaveLength(256)
    expect(message.length).toBeLessThan(400)
  })

  it('does not cut a character in half', () => {
    expect(errorFromStatus(Status.E_UNAVAILABLE, 'x' + '😀'.repeat(1_000), {}).statusText?.isWellFormed()).toBe(true)
  })
})

describe('errors of the own side', () => {
  it.each([
    [NoAddressesError, 'NoAddressesError'],
    [NoPointsError, 'NoPointsError'],
    [RendezvousError, 'RendezvousError']
  ])('have a name and a message', (Type, name) => {
    const error = new Type()

    expect(error).toMatchObject({ name, status: undefined })
    expect(error).toBeInstanceOf(RendezvousError)
    expect(error.message).not.toBe('')
    expect(isPermanent(error)).toBe(false)
  })

  it('say in their message what they are told', () => {
    expect(new NoPointsError('nowhere', { namespace: 'my-app' })).toMatchObject({ message: 'nowhere', namespace: 'my-app' })
  })
})

it('other errors are not permanent', () => {
  expect(isPermanent(new Error('no'))).toBe(false)
  expect(isPermanent(undefined)).toBe(false)
})
