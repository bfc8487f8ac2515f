import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { discoveredPeer, Listings } from '../../src/client/listing.ts'
import { Records } from '../../src/client/records.ts'
import { namedPeer } from '../fixtures/listed.ts'
import { listed, makePeer, makePeers, seal } from '../fixtures/peers.ts'
import type { ListedPage } from '../../src/client/listing.ts'
import type { DiscoverFilter } from '../../src/client/types.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { Message } from '../../src/protocol/message.ts'
import type { SignedPeerRecord } from '../../src/protocol/peer-record.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

const HOUR = 60 * 60 * 1000
const NOW = 1_700_000_000_000

describe('Listings', () => {
  const point = namedPeer('point')
  let peer: Peer
  let self: Peer
  let dropped: Array<[string, unknown]>
  let pointAddress: Multiaddr | undefined

  beforeEach(async () => {
    [peer, self] = await makePeers(2) as [Peer, Peer]
    dropped = []
    pointAddress = undefined
    vi.useFakeTimers({ toFake: ['Date'], now: NOW })
  })

  afterEach(() => { vi.useRealTimers() })

  async function page (registrations: Message.Register[], { namespace = 'ns', filter, signal, cookie = new Uint8Array([7]) }: { namespace?: string | null, filter?: DiscoverFilter, signal?: AbortSignal, cookie?: Uint8Array | undefined } = {}): Promise<ListedPage> {
    const listings = new Listings({
      self: self.peerId,
      records: new Records(),
      filter,
      addressOf: of => of === point ? pointAddress : undefined,
      onDropped: (reason, from, error) => {
        expect(from).toBe(point)
        dropped.push([reason, error?.message])
      }
    })

    return listings.page({
      peerId: point,
      discover: async (asked, limit, from, given) => {
        expect([asked, limit, from, given]).toEqual([namespace ?? undefined, 3, undefined, signal])

        return { registrations, cookie }
      }
    }, namespace ?? undefined, 3, undefined, signal)
  }

  it('has of each registration the verified record, where it was listed, and when it ends', async () => {
    const registration = await listed(peer, 'ns', { sequence: 3n, ttl: 60n })
    const { listed: [one, ...others], ...rest } = await page([registration])

    expect(others).toEqual([])
    expect(rest).toEqual({ cookie: new Uint8Array([7]), isEmpty: false, isFull: false })
    expect(one).toMatchObject({ namespace: 'ns', point, ttl: 60_000, expires: NOW + 60_000 })
    expect(one?.record).toMatchObject({ sequence: 3n, envelope: registration.signedPeerRecord, domain: 'libp2p-peer-record' })
    expect(one?.record.peerId.equals(peer.peerId)).toBe(true)
    expect(one?.record.multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/4001'])
    expect(dropped).toEqual([])
  })

  it('keeps the order of the point', async () => {
    const peers = await makePeers(3)
    const { listed: found } = await page(await Promise.all(peers.map(async peer => listed(peer, 'ns'))))

    expect(found.map(({ record }) => record.peerId.toString())).toEqual(peers.map(({ peerId }) => peerId.toString()))
  })

  it('is empty where nothing is listed, and not where nothing is believed', async () => {
    expect(await page([])).toMatchObject({ listed: [], isEmpty: true })
    expect(await page([{ ns: 'ns' }])).toMatchObject({ listed: [], isEmpty: false })
  })

  it('takes two hours for a TTL that is not named, and 72 for the most', async () => {
    const { ttl, ...unnamed } = await listed(peer, 'ns')

    expect((await page([unnamed])).listed).toMatchObject([{ ttl: 2 * HOUR }])
    expect((await page([await listed(peer, 'ns', { ttl: 2n ** 64n - 1n })])).listed).toMatchObject([{ ttl: 72 * HOUR }])
  })

  it('takes the namespace that was asked for where the point names none', async () => {
    const { ns, ...unnamed } = await listed(peer, 'ns')

    expect((await page([unnamed, await listed(peer, '')])).listed).toMatchObject([{ namespace: 'ns' }, { namespace: 'ns' }])
  })

  it('drops what is of another namespace', async () => {
    expect((await page([await listed(peer, 'other')])).listed).toEqual([])
    expect(dropped).toEqual([['foreign', undefined]])
  })

  it('has the namespaces that are listed where any is asked for, if they are such', async () => {
    const { ns, ...unnamed } = await listed(peer, 'ns')
    const registrations = [await listed(peer, 'one'), await listed(peer, 'two'), await listed(peer, 'x'.repeat(256)), await listed(peer, ''), unnamed]

    expect((await page(registrations, { namespace: null })).listed).toMatchObject([{ namespace: 'one' }, { namespace: 'two' }])
    expect(dropped).toEqual([['foreign', undefined], ['foreign', undefined], ['foreign', undefined]])
  })

  it('drops what has ended', async () => {
    expect((await page([await listed(peer, 'ns', { ttl: 0n })])).listed).toEqual([])
    expect(dropped).toEqual([['expired', undefined]])
  })

  it('drops a record of more than 4 KiB unread', async () => {
    expect((await page([{ ns: 'ns', signedPeerRecord: new Uint8Array(4 * 1024 + 1), ttl: 1n }, { ns: 'ns', signedPeerRecord: new Uint8Array(4 * 1024), ttl: 1n }])).listed).toEqual([])
    expect(dropped).toMatchObject([['oversized', undefined], ['unverified', expect.any(String)]])
  })

  it('drops what cannot be verified, with the reason', async () => {
    const forged = await listed(peer, 'ns')
    forged.signedPeerRecord![forged.signedPeerRecord!.length - 1]! ^= 1

    expect((await page([forged, { ns: 'ns' }, await listed(peer, 'ns', { about: self.peerId })])).listed).toEqual([])
    expect(dropped).toEqual(expect.arrayContaining([
      ['unverified', 'the signature does not match the record'],
      ['unverified', 'not a signed envelope'],
      ['unverified', 'the peer record is not of the peer that signed it']
    ]))
  })

  it('drops a record without an address that can be used', async () => {
    expect((await page([await listed(peer, 'ns', { addresses: [`/ip4/192.0.2.1/tcp/1/p2p/${self.peerId}`] })])).listed).toEqual([])
    expect(dropped).toEqual([['unverified', 'no address of the record can be used']])
  })

  it('passes over this node without a word', async () => {
    expect((await page([await listed(self, 'ns')])).listed).toEqual([])
    expect(dropped).toEqual([])
  })

  it('throws AbortError where its signal has aborted meanwhile', async () => {
    const controller = new AbortController()
    controller.abort()

    await expect(page([await listed(peer, 'ns')], { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
  })

  describe('with a filter', () => {
    const [one, two] = ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/2'] as const

    it('has the addresses that it accepts, and is given the point\'s own', async () => {
      pointAddress = multiaddr('/ip4/8.8.8.8/tcp/1')
      const filter = vi.fn((address: Multiaddr) => address.toString() === two)
      const { listed: [found] } = await page([await listed(peer, 'ns', { addresses: [one, two], sequence: 5n })], { filter })

      expect(found?.record.multiaddrs.map(String)).toEqual([two])
      expect(found?.record).toMatchObject({ sequence: 5n })
      expect(filter.mock.calls.map(([address, point]: any) => `${address} ${point}`)).toEqual([`${one} ${pointAddress}`, `${two} ${pointAddress}`])
    })

    it('has the very record where all are accepted', async () => {
      const records = new Records()
      const listings = new Listings({ self: self.peerId, records, filter: () => true, addressOf: () => undefined, onDropped: () => {} })
      const registration = await listed(peer, 'ns')
      const { listed: [found] } = await listings.page({ peerId: point, discover: async () => ({ registrations: [registration], cookie: undefined }) }, 'ns', 1, undefined)

      expect(found?.record).toBe(await records.open(registration.signedPeerRecord!))
    })

    it('drops a peer of which none is accepted', async () => {
      expect((await page([await listed(peer, 'ns')], { filter: () => false })).listed).toEqual([])
      expect(dropped).toEqual([['filtered', undefined]])
    })
  })

  it('gives users what they need, with addresses that are read when they are asked for', async () => {
    const { listed: [one] } = await page([await listed(peer, 'ns', { ttl: 60n })])
    const given = discoveredPeer(one!)

    expect({ ...given }).toEqual({
      id: one!.record.peerId,
      multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/4001')],
      namespace: 'ns',
      point,
      ttl: 60_000,
      expires: NOW + 60_000,
      peerRecordEnvelope: one!.record.envelope
    })
    expect(given.multiaddrs).not.toBe(given.multiaddrs)
  })
})

describe('Records', () => {
  it('verifies the same bytes once, and others each time', async () => {
    const records = new Records()
    const { signedPeerRecord } = await listed(await makePeer(), 'ns')
    const first = await records.open(signedPeerRecord!)
    const forged = signedPeerRecord!.slice()
    forged[forged.length - 100]! ^= 1

    expect(await records.open(signedPeerRecord!.slice())).toBe(first)
    await expect(records.open(forged)).rejects.toMatchObject({ name: 'InvalidRecordError' })
  })

  it('verifies nothing of a peer that is not wanted, and has it for who wants it', async () => {
    const records = new Records()
    const [bob, mallory] = await makePeers(2) as [Peer, Peer]
    const forged = await seal(mallory)
    forged[forged.length - 1]! ^= 1
    const envelope = await seal(bob)
    const first = await records.open(envelope, bob.peerId)

    expect(await records.open(forged, bob.peerId)).toBeUndefined()
    expect(await records.open(envelope, mallory.peerId)).toBeUndefined()
    expect(await records.open(envelope)).toBe(first)
  })

  it('keeps nothing of the bytes it is given', async () => {
    const { signedPeerRecord } = await listed(await makePeer(), 'ns')
    const whole = new Uint8Array(100_000)
    whole.set(signedPeerRecord!)
    const record = await new Records().open(whole.subarray(0, signedPeerRecord!.length))

    expect(record?.envelope).toEqual(signedPeerRecord)
    expect(record?.envelope.buffer.byteLength).toBe(signedPeerRecord!.length)
  })

  it('forgets what it opened before as much else as it remembers, twice', async () => {
    const peer = await makePeer()
    const envelopes = await Promise.all(Array.from({ length: 7 }, async (_, index) => seal(peer, { sequence: BigInt(index + 1) })))
    const records = new Records(2 * (1_000 + 4 * envelopes[0]!.length))
    const open = async (index: number): Promise<SignedPeerRecord | undefined> => records.open(envelopes[index]!)
    const first = await open(0)
    const second = await open(1)
    await open(2)
    await open(3)
    expect(await open(1)).toBe(second)
    await open(4)
    await open(5)

    expect(await open(1)).toBe(second)
    expect(await open(0)).not.toBe(first)
  })
})
