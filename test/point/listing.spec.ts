import fc from 'fast-check'
import { equals } from 'uint8arrays/equals'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeCookie } from '../../src/point/cookie.ts'
import { encodeListing } from '../../src/point/listing.ts'
import { Status } from '../../src/protocol/errors.ts'
import { Message } from '../../src/protocol/message.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { identity } from '../fixtures/records.ts'
import { discover, handlerOf, NOW } from '../fixtures/requests.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import type { RecordDomain } from '../../src/protocol/peer-record.ts'
import type { Page, StoredRegistration } from '../../src/store/types.ts'
import type { PeerId } from '@libp2p/interface'

const MIB = 1024 * 1024
const NO_LIMITS = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }

/** The same by the generated encoder. */
function encodePlainly ({ registrations, cursor }: Page, namespace: string | undefined, now: number): Uint8Array {
  return Message.encode({
    type: Message.MessageType.DISCOVER_RESPONSE,
    discoverResponse: {
      registrations: registrations.map(({ namespace, signedPeerRecord, expires }) => ({
        ns: namespace,
        signedPeerRecord: signedPeerRecord as Uint8Array<ArrayBuffer>,
        ttl: BigInt(Math.ceil((expires - now) / 1000))
      })),
      cookie: encodeCookie({ cursor, namespace: namespace ?? '' }),
      status: Status.OK
    }
  })
}

const ttl = fc.oneof(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.constantFrom(1, 999, 1_000, 127_000, 127_001, 128_000, 16_383_000, 16_384_000, 2_097_151_000, 2_097_152_000, 300_000_000_000, 31_536_000_000_000))
const name = fc.oneof(fc.constantFrom('a', 'b', 'x'.repeat(127), 'x'.repeat(128), 'x'.repeat(255), '漢'.repeat(85)), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }))
const record = fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(0, 1, 126, 127, 128, 129, 16_383, 16_384).map(length => new Uint8Array(length).fill(7)))
const registration: fc.Arbitrary<StoredRegistration> = fc.record({ domain: fc.constant(ORIGIN.domain), network: fc.constant(ORIGIN.network), namespace: name, peer: fc.constant('peer'), signedPeerRecord: record, expires: ttl.map(ttl => NOW + ttl), sequence: fc.constant(0) })
const page: fc.Arbitrary<Page> = fc.tuple(fc.array(registration, { maxLength: 20 }), fc.nat()).map(([registrations, first]) => ({
  registrations: registrations.map((registration, i) => ({ ...registration, sequence: first + i })),
  cursor: first + Math.max(registrations.length - 1, 0)
}))

describe('a listing', () => {
  it('is byte for byte what the generated encoder writes', () => {
    fc.assert(fc.property(page, fc.option(name, { nil: undefined }), (page, namespace) => {
      const { response, registrations } = encodeListing(page, namespace, NOW)

      expect(equals(response, encodePlainly(page, namespace, NOW))).toBe(true)
      expect(registrations).toBe(page.registrations.length)
    }), { numRuns: 300 })
  })

  it('has each record in the form that is read', () => {
    const both = { ...ORIGIN, namespace: 'x', peer: 'peer', expires: NOW + 1_000, sequence: 7, signedPeerRecord: Uint8Array.of(1), otherRecord: new Uint8Array(300).fill(2) }
    const one = { ...both, sequence: 8, otherRecord: undefined }
    const listed = (reads?: RecordDomain): unknown => Message.decode(encodeListing({ registrations: [both, one], cursor: 8 }, 'x', NOW, { reads }).response)
      .discoverResponse?.registrations.map(({ signedPeerRecord }) => signedPeerRecord?.byteLength)

    expect(listed()).toEqual([1, 1])
    expect(listed('libp2p-peer-record')).toEqual([1, 1])
    expect(listed('libp2p-routing-state')).toEqual([300, 1])
  })

  it('of nothing has a status and a cookie', () => {
    expect(Message.decode(encodeListing({ registrations: [], cursor: 5 }, undefined, NOW).response)).toEqual({
      type: 'DISCOVER_RESPONSE',
      discoverResponse: { registrations: [], status: Status.OK, cookie: encodeCookie({ cursor: 5, namespace: '' }) }
    })
  })
})

describe('a page that is too large for one message', () => {
  let peer: PeerId

  beforeAll(async () => {
    peer = (await identity()).peerId
  })

  it.each([
    ['of small records', 15_000, () => 12],
    ['of usual records', 6_000, () => 300],
    ['of the largest records', 200, () => 16_000],
    ['of records of every size', 1_500, (i: number) => i * 7919 % 16_000]
  ])('%s is cut, and goes on where it stopped', async (_, count, length) => {
    const store = new MemoryStore()
    const namespace = 'x'.repeat(255)
    const { ask } = handlerOf({ store, maxDiscoverLimit: count, maxRegistrationsPerNamespace: count })

    for (let i = 0; i < count; i++) {
      const signedPeerRecord = new Uint8Array(Math.max(length(i), 4))
      new DataView(signedPeerRecord.buffer).setUint32(0, i)
      store.register({ ...ORIGIN, namespace, peer: `peer ${i}`, signedPeerRecord, ttl: 7_200_000 }, NO_LIMITS, NOW)
    }

    const listed: number[] = []
    const sizes: number[] = []
    let cookie: Uint8Array | undefined

    while (true) {
      const { message, response, outcome } = await ask(peer, discover(namespace, { cookie }))
      const registrations = message?.discoverResponse?.registrations ?? []
      expect(outcome).toMatchObject({ registrations: registrations.length })

      if (registrations.length === 0) {
        break
      }

      sizes.push(response?.byteLength ?? 0)
      cookie = message?.discoverResponse?.cookie

      for (const { signedPeerRecord = new Uint8Array() } of registrations) {
        listed.push(new DataView(signedPeerRecord.buffer, signedPeerRecord.byteOffset).getUint32(0))
      }
    }

    expect(listed).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(sizes.length).toBeGreaterThan(1)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MIB)
    // no page ends early for another reason
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(MIB - 17_000)
  })

  it('ends where the next registration would leave no room for status and cookie', () => {
    // tags and lengths of the registration and what is in it: 13 bytes beside the record
    const registration = { ...ORIGIN, namespace: 'x', peer: 'peer', expires: NOW + 1_000, sequence: 7 }
    const listed = (length: number): number => encodeListing({ registrations: [{ ...registration, signedPeerRecord: new Uint8Array(length) }], cursor: 7 }, undefined, NOW).registrations

    expect(listed(MIB - 512 - 13)).toBe(1)
    expect(listed(MIB - 512 - 12)).toBe(0)
  })

  it('holds at least one, if it is as large as a request may ever be', () => {
    const registration = { ...ORIGIN, namespace: 'x'.repeat(255), peer: 'peer', signedPeerRecord: new Uint8Array(MIB / 2), expires: NOW + 1_000, sequence: 7 }

    expect(encodeListing({ registrations: [registration, { ...registration, sequence: 8 }], cursor: 8 }, undefined, NOW).registrations).toBe(1)
  })
})
