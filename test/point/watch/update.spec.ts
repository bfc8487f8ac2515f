import * as lp from 'it-length-prefixed'
import { beforeAll, describe, expect, it } from 'vitest'
import { WatchEvent } from '../../../src/protocol/watch.ts'
import { decodeCookie } from '../../../src/point/cookie.ts'
import { encodeNews, encodeUpdate } from '../../../src/point/watch/update.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { RecordDomain } from '../../../src/protocol/peer-record.ts'
import type { StoredRegistration } from '../../../src/store/types.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

const NOW = 1_000_000

function registration (sequence: number, bytes: number = 100): StoredRegistration {
  return { namespace: 'a', peer: `p${sequence}`, signedPeerRecord: new Uint8Array(bytes).fill(sequence), domain: 'libp2p-peer-record', network: 'nowhere', expires: NOW + 7_200_000, sequence }
}

function news (registrations: StoredRegistration[], { limit = 100, gone = [] as string[], resync = false, cursor = 99 } = {}): ReturnType<typeof encodeNews> {
  return encodeNews({ namespace: 'a', page: { registrations, cursor }, limit, gone, resync }, NOW)
}

function decode (id: number, bytes: Uint8Array): WatchEvent.Update {
  const [event] = lp.decode([encodeUpdate(id, bytes)])

  return WatchEvent.decode(event as Uint8ArrayList).update as WatchEvent.Update
}

describe('an update', () => {
  let peers: string[]

  beforeAll(async () => {
    peers = (await makePeers(2)).map(({ peerId }) => peerId.toString())
  })

  it.each([0, 1, 127, 128, 2 ** 32 - 1])('is what the generated encoder writes, for the id %i', id => {
    const { bytes } = news([registration(1), registration(2)], { gone: peers, resync: true })
    const { id: decoded, ...rest } = decode(id, bytes)

    expect(decoded).toBe(id)
    expect(encodeUpdate(id, bytes)).toEqual(lp.encode.single(WatchEvent.encode({ update: { id, ...rest } })).subarray())
  })

  it('has the registrations with the time that remains, and the cookie behind them', () => {
    const { bytes, cursor, registrations, more } = news([registration(7)])
    const update = decode(1, bytes)

    expect(update.registrations).toEqual([{ ns: 'a', signedPeerRecord: new Uint8Array(100).fill(7), ttl: 7_200n }])
    expect(decodeCookie(update.cookie as Uint8Array)).toEqual({ cursor: 99, namespace: 'a' })
    expect({ cursor, registrations, more }).toEqual({ cursor: 99, registrations: 1, more: false })
    expect(update.more).toBeUndefined()
    expect(update.resync).toBeUndefined()
  })

  it('has each record in the form that is read, and counts the bytes of that', () => {
    const both = Array.from({ length: 50 }, (_, i) => ({ ...registration(i + 1), otherRecord: new Uint8Array(4_096) }))
    const update = (reads?: RecordDomain): ReturnType<typeof encodeNews> => encodeNews({ namespace: 'a', page: { registrations: both, cursor: 99 }, limit: 100, reads, gone: [], resync: false }, NOW)

    expect(decode(1, update('libp2p-peer-record').bytes).registrations).toEqual(decode(1, update().bytes).registrations)
    expect(update().registrations).toBe(50)
    expect(update('libp2p-routing-state').registrations).toBe(15)
    expect(decode(1, update('libp2p-routing-state').bytes).registrations[0]?.signedPeerRecord).toHaveLength(4_096)
  })

  it('goes on when the page was full', () => {
    const { bytes, more } = news([registration(1), registration(2)], { limit: 2 })

    expect(more).toBe(true)
    expect(decode(1, bytes).more).toBe(true)
  })

  it('holds as much as 64 KiB, and goes on behind that', () => {
    const { bytes, cursor, registrations, more } = news(Array.from({ length: 50 }, (_, i) => registration(i + 1, 4_096)))
    const update = decode(1, bytes)

    expect(bytes.byteLength).toBeLessThan(66 * 1024)
    expect(registrations).toBe(15)
    expect(update.registrations).toHaveLength(15)
    expect(cursor).toBe(15)
    expect(decodeCookie(update.cookie as Uint8Array)).toEqual({ cursor: 15, namespace: 'a' })
    expect(more).toBe(true)
  })

  it('holds a registration that is larger than that, so that it goes on at all', () => {
    const { registrations, cursor, more } = news([registration(1, 100_000), registration(2)])

    expect({ registrations, cursor, more }).toEqual({ registrations: 1, cursor: 1, more: true })
  })

  it('names those who are gone as their peer ids are on the wire', () => {
    const update = decode(1, news([], { gone: peers }).bytes)

    expect(update.gone.map(bytes => bytes.byteLength)).toEqual([38, 38])
    expect(update.gone[0]).not.toEqual(update.gone[1])
  })
})
