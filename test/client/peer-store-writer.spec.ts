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
import type { PeerStore } from '@libp2p/interface'

const MINUTE = 60_000

describe('PeerStoreWriter', () => {
  let peerStore: PeerStore
  let writer: PeerStoreWriter
  let peer: Peer
  const records = new PeerRecords(100)

  beforeEach(async () => {
    peer = await makePeer()
    peerStore = persistentPeerStore({
      peerId: peerIdFromPrivateKey(await generateKeyPair('Ed25519')),
      datastore: new MemoryDatastore(),
      events: new TypedEventEmitter(),
      logger: defaultLogger()
    })
    writer = new PeerStoreWriter(peerStore, defaultLogger().forComponent('test'))
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

  it('writes a record as certified addresses, and not again for a while', async () => {
    const consume = vi.spyOn(peerStore, 'consumePeerRecord')
    const one = await record()
    await writer.write(one)
    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])

    vi.setSystemTime(Date.now() + 29 * MINUTE)
    expect(writer.write(one)).toBeUndefined()
    vi.setSystemTime(Date.now() + MINUTE)
    await writer.write(one)
    expect(consume).toHaveBeenCalledTimes(2)
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

    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true], [other.toString(), false]])
  })

  it('does not bring back those of an older record', async () => {
    const [older, newer] = [await record({ sequence: 1n }), await record({ sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })]
    await writer.write(newer)
    vi.setSystemTime(Date.now() + 2 * 60 * MINUTE)
    await writer.write(older)

    expect(await stored()).toEqual([])
  })

  it('tries again when the peer store failed, and does not fail itself', async () => {
    const one = await record()
    vi.spyOn(peerStore, 'consumePeerRecord').mockRejectedValueOnce(new Error('disk full'))
    await writer.write(one)
    await writer.write(one)

    expect(await stored()).toHaveLength(1)
  })

  it('writes a record in a form that the peer store does not know', async () => {
    const envelope = await sealPeerRecord({
      peerId: peer.peerId,
      multiaddrs: (await record()).multiaddrs,
      sequence: 1n,
      domain: 'libp2p-routing-state'
    }, peer.privateKey)
    await writer.write(await records.open(envelope).certify())

    expect(await stored()).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])
  })
})
