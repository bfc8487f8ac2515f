import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core/memory'
import { TypedEventEmitter } from 'main-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { StoredPeers } from '../../src/client/stored-peers.ts'
import { makePeers } from '../fixtures/peers.ts'
import type { Libp2pEvents, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'

describe('StoredPeers', () => {
  let peerStore: PeerStore
  let events: TypedEventTarget<Libp2pEvents>
  let one: PeerId
  let two: PeerId
  let three: PeerId

  beforeEach(async () => {
    events = new TypedEventEmitter()
    peerStore = persistentPeerStore({
      peerId: peerIdFromPrivateKey(await generateKeyPair('Ed25519')),
      datastore: new MemoryDatastore(),
      events,
      logger: defaultLogger()
    })
    ;[one, two, three] = (await makePeers(3)).map(({ peerId }) => peerId) as [PeerId, PeerId, PeerId]
  })

  async function store (...peers: PeerId[]): Promise<void> {
    for (const peerId of peers) {
      await peerStore.merge(peerId, { multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')] })
    }
  }

  it('has what was stored before, what is stored later, and nobody else', async () => {
    await store(one)
    const stored = new StoredPeers({ peerStore, events })
    expect(await Promise.all([one, two, three].map(async id => stored.has(id)))).toEqual([true, false, false])

    await store(two)
    expect(await Promise.all([one, two, three].map(async id => stored.has(id)))).toEqual([true, true, false])
  })

  it('reads the peer store once, when it is first asked', async () => {
    const forEach = vi.spyOn(peerStore, 'forEach')
    const stored = new StoredPeers({ peerStore, events })
    expect(forEach).not.toHaveBeenCalled()

    await Promise.all([stored.has(one), stored.has(two)])
    await stored.has(three)
    expect(forEach).toHaveBeenCalledOnce()
  })

  it('has what is stored while it reads', async () => {
    await store(one)
    const stored = new StoredPeers({ peerStore, events })
    const has = stored.has(one)
    await store(two)
    await has

    expect(await stored.has(two)).toBe(true)
  })

  it('may have anybody once there are more than it remembers, and listens no longer', async () => {
    const removed = vi.spyOn(events, 'removeEventListener')
    await store(one)
    const stored = new StoredPeers({ peerStore, events }, 2)
    await stored.has(one)
    await store(two)
    expect(await stored.has(three)).toBe(false)

    await store(three)
    expect(await stored.has((await makePeers(1))[0]!.peerId)).toBe(true)
    expect(removed).toHaveBeenCalledOnce()
  })

  it('stops reading at more than it remembers', async () => {
    await store(one, two, three)
    const read = vi.fn()
    const { forEach } = peerStore
    peerStore.forEach = async (each, query) => forEach.call(peerStore, peer => { read(); each(peer) }, query)
    const stored = new StoredPeers({ peerStore, events }, 1)

    expect(await stored.has((await makePeers(1))[0]!.peerId)).toBe(true)
    expect(read).toHaveBeenCalledTimes(2)
  })

  it('may have anybody when it cannot be read', async () => {
    vi.spyOn(peerStore, 'forEach').mockRejectedValue(new Error('disk full'))

    expect(await new StoredPeers({ peerStore, events }).has(one)).toBe(true)
  })
})
