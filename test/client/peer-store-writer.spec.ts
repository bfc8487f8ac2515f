import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { persistentPeerStore } from '@libp2p/peer-store'
import { MemoryDatastore } from 'datastore-core/memory'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PeerStoreWriter } from '../../src/client/peer-store-writer.ts'
import { PeerRecords, sealPeerRecord } from '../../src/protocol/peer-record.ts'
import { makePeer, seal } from '../fixtures/peers.ts'
import type { SignedPeerRecord } from '../../src/protocol/peer-record.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { PeerStoreWriterComponents } from '../../src/client/peer-store-writer.ts'
import type { Connection, Libp2pEvents, PeerStore } from '@libp2p/interface'

const MINUTE = 60_000

describe('PeerStoreWriter', () => {
  let peerStore: PeerStore
  let components: PeerStoreWriterComponents
  let isConnected: boolean
  let writer: PeerStoreWriter
  let peer: Peer
  const records = new PeerRecords(100)

  beforeEach(async () => {
    peer = await makePeer()
    isConnected = false
    const events = new TypedEventEmitter<Libp2pEvents>()
    peerStore = persistentPeerStore({
      peerId: peerIdFromPrivateKey(await generateKeyPair('Ed25519')),
      datastore: new MemoryDatastore(),
      events,
      logger: defaultLogger()
    })
    components = { peerStore, events, connectionManager: { getConnections: () => isConnected ? [{} as unknown as Connection] : [] } }
    writer = new PeerStoreWriter(components, defaultLogger().forComponent('test'))
    vi.useFakeTimers({ toFake: ['Date'] })
  })

  afterEach(() => { vi.useRealTimers() })

  async function record (fields: { sequence?: bigint, addresses?: string[] } = {}): Promise<SignedPeerRecord> {
    return records.open(await seal(peer, fields)).certify()
  }

  async function stored (): Promise<Array<[string, boolean]>> {
    const { addresses } = await peerStore.get(peer.peerId)

    return addresses.map(({ multiaddr, isCertified }) => [multiaddr.toString(), isCertified])
  }

  it('writes a record as certified addresses with its envelope, and not again for a while', async () => {
    const patch = vi.spyOn(peerStore, 'patch')
    const one = await record()
    await writer.write(one)
    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])
    expect((await peerStore.get(peer.peerId)).peerRecordEnvelope).toEqual(one.envelope)

    vi.setSystemTime(Date.now() + 10 * MINUTE - 1)
    expect(writer.write(one)).toBeUndefined()
    vi.setSystemTime(Date.now() + 1)
    await writer.write(one)
    expect(patch).toHaveBeenCalledTimes(2)
  })

  it('verifies nothing again', async () => {
    const one = await record()
    one.envelope[one.envelope.length - 1]! ^= 1
    await writer.write(one)

    expect(await stored()).toHaveLength(1)
  })

  it('brings back the addresses that the peer store has forgotten', async () => {
    const one = await record()
    await writer.write(one)
    vi.setSystemTime(Date.now() + 2 * 60 * MINUTE)
    expect(await stored()).toEqual([])
    await writer.write(one)

    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])
  })

  it('keeps the addresses of a peer that is found again and again, and what else is known of it', async () => {
    const one = await record()
    const other = multiaddr('/ip4/192.0.2.9/tcp/9')
    await writer.write(one)

    for (let minutes = 0; minutes < 300; minutes += 10) {
      await peerStore.merge(peer.peerId, { multiaddrs: minutes === 270 ? [other] : [] })
      await writer.write(one)
      expect(await stored()).toContainEqual(['/ip4/192.0.2.1/tcp/4001', true])
      vi.setSystemTime(Date.now() + 10 * MINUTE)
    }

    await writer.write(one)
    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true], [other.toString(), false]])
  })

  it('does not bring back those of an older record', async () => {
    const [older, newer] = [await record({ sequence: 1n }), await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]
    await writer.write(newer)
    vi.setSystemTime(Date.now() + 2 * 60 * MINUTE)
    await writer.write(older)

    expect(await stored()).toEqual([])
  })

  it('leaves a newer record alone, whatever the form of the older one', async () => {
    const [older, newer] = [await record({ sequence: 1n }), await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]
    await peerStore.consumePeerRecord(newer.envelope)
    await writer.write(older)
    await writer.write(await inRoutingForm({ sequence: 1n }))

    expect(await stored()).toEqual([['/ip4/192.0.2.2/tcp/2', true]])
    expect((await peerStore.get(peer.peerId)).peerRecordEnvelope).toEqual(newer.envelope)
  })

  it('takes the place of an older record, and leaves what nobody has certified', async () => {
    await writer.write(await record({ sequence: 1n }))
    await peerStore.merge(peer.peerId, { multiaddrs: [multiaddr('/ip4/192.0.2.9/tcp/9')] })
    const newer = await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })
    await writer.write(newer)

    expect(await stored()).toEqual([['/ip4/192.0.2.2/tcp/2', true], ['/ip4/192.0.2.9/tcp/9', false]])
    expect((await peerStore.get(peer.peerId)).peerRecordEnvelope).toEqual(newer.envelope)
  })

  it('leaves what the same record has certified elsewhere', async () => {
    const whole = await record({ addresses: ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/2'] })
    await peerStore.consumePeerRecord(whole.envelope)
    await writer.write({ ...whole, multiaddrs: whole.multiaddrs.slice(1) })

    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/1', true], ['/ip4/192.0.2.2/tcp/2', true]])
  })

  it('writes records of one peer that come at once in their order, and the newest stays', async () => {
    const [older, newer] = [await record({ sequence: 1n }), await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]

    for (const records of [[older, newer], [newer, older]]) {
      const another = new PeerStoreWriter(components, defaultLogger().forComponent('test'))
      await peerStore.delete(peer.peerId)
      await Promise.all(records.map(async record => another.write(record)))

      expect(await stored()).toEqual([['/ip4/192.0.2.2/tcp/2', true]])
    }
  })

  it('passes through no state without addresses', async () => {
    const seen: number[] = []
    const { patch } = peerStore
    peerStore.patch = async (...args) => {
      const result = await patch.apply(peerStore, args)
      seen.push(result.addresses.length)

      return result
    }
    const forms = [await record({ sequence: 1n }), await inRoutingForm({ sequence: 2n }), await record({ sequence: 3n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]

    for (const one of forms) {
      await writer.write(one)
      vi.setSystemTime(Date.now() + 20 * MINUTE)
      await writer.write(one)
    }

    expect(seen.length).toBeGreaterThanOrEqual(6)
    expect(Math.min(...seen)).toBe(1)
  })

  it('knows an address that ends in the peer\'s own id by what the peer store makes of it', async () => {
    const one = await record({ addresses: [`/ip4/192.0.2.1/tcp/1/p2p/${peer.peerId}`] })
    const patch = vi.spyOn(peerStore, 'patch')
    await writer.write(one)
    vi.setSystemTime(Date.now() + 20 * MINUTE)
    await writer.write(one)

    expect(patch).toHaveBeenCalledTimes(2)
    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/1', true]])
  })

  it('brings back forgotten addresses of the other form as well', async () => {
    const one = await inRoutingForm({ sequence: 1n })
    await writer.write(one)
    vi.setSystemTime(Date.now() + 2 * 60 * MINUTE)
    expect(await stored()).toEqual([])
    await writer.write(one)

    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])
  })

  it('does not give others an envelope of the form that libp2p does not know', async () => {
    await writer.write(await inRoutingForm({ sequence: 1n }))

    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])
    expect((await peerStore.get(peer.peerId)).peerRecordEnvelope).toBeUndefined()
  })

  it.each(['get', 'patch'] as const)('tries again when the peer store failed to %s, and does not fail itself', async method => {
    const one = await record()
    await peerStore.merge(peer.peerId, { protocols: ['/its/1.0.0'] })
    vi.spyOn(peerStore, method).mockRejectedValueOnce(new Error('disk full'))
    await writer.write(one)
    expect(await stored()).toEqual([])
    await writer.write(one)

    expect(await stored()).toHaveLength(1)
  })

  it('does not ask the peer store for a peer that it has nothing of', async () => {
    const get = vi.spyOn(peerStore, 'get')
    await writer.write(await record({ sequence: 1n }))
    expect(get).not.toHaveBeenCalled()

    await writer.write(await record({ sequence: 2n }))
    expect(get).toHaveBeenCalledOnce()
  })

  it('leaves a newer record alone that another part of libp2p has written since', async () => {
    const [older, newer] = [await record({ sequence: 1n }), await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]
    await writer.write(await ofSomebodyElse())
    await peerStore.consumePeerRecord(newer.envelope)
    await writer.write(older)

    expect(await stored()).toEqual([['/ip4/192.0.2.2/tcp/2', true]])
  })

  it('leaves a newer record alone that is just being written, of a peer that is connected', async () => {
    const [older, newer] = [await record({ sequence: 1n }), await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]
    await writer.write(await ofSomebodyElse())
    isConnected = true
    await Promise.all([
      peerStore.patch(peer.peerId, {
        addresses: newer.multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true })),
        peerRecordEnvelope: newer.envelope
      }),
      writer.write(older)
    ])

    expect(await stored()).toEqual([['/ip4/192.0.2.2/tcp/2', true]])
  })

  async function ofSomebodyElse (): Promise<SignedPeerRecord> {
    return records.open(await seal(await makePeer())).certify()
  }

  /** In the form that the peer store does not know. */
  async function inRoutingForm ({ sequence }: { sequence: bigint }): Promise<SignedPeerRecord> {
    return records.open(await sealPeerRecord({
      peerId: peer.peerId,
      multiaddrs: (await record()).multiaddrs,
      sequence,
      domain: 'libp2p-routing-state'
    }, peer.privateKey)).certify()
  }
})
