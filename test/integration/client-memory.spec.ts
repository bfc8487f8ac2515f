import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { MemoryDatastore } from 'datastore-core/memory'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { Discovered } from '../../src/client/discovered.ts'
import { Listings } from '../../src/client/listing.ts'
import { PeerStoreWriter } from '../../src/client/peer-store-writer.ts'
import { Records } from '../../src/client/records.ts'
import { listed, makePeers } from '../fixtures/peers.ts'
import type { Message } from '../../src/protocol/message.ts'
import type { Libp2pEvents } from '@libp2p/interface'

const PEERS = 200

/** Bytes for each of the worst records, so that a thousand of them take 20 MB. */
const MAX_EACH = 20_000

describe('the memory for a discovered peer', () => {
  it('is bounded for the longest record that is accepted', async () => {
    const registrations = await listedWith(Array.from({ length: 64 }, (_, index) => `/dns4/${'x'.repeat(36)}-${index + 10}.example.org/tcp/${index + 1}`))
    expect(registrations[0]!.signedPeerRecord!.length).toBeGreaterThan(3_900)
    const { remember, discovered } = await client()
    // what is compiled on the way is no peer's
    await remember(registrations.slice(0, 10), false)

    expect(await held(async () => remember(registrations, false))).toBeLessThan(PEERS * MAX_EACH)
    expect(discovered.size).toBe(PEERS)
  })

  it('is bounded for a record with as many addresses as are accepted, the peer store included', async () => {
    const registrations = await listedWith(Array.from({ length: 64 }, (_, index) => `/ip4/192.0.2.${index + 1}/tcp/${index + 1}`))
    const { remember, discovered } = await client()
    // what is compiled on the way is no peer's
    await remember(registrations.slice(0, 10), true)

    expect(await held(async () => remember(registrations, true))).toBeLessThan(PEERS * MAX_EACH)
    expect(discovered.peers(0)[0]!.record.multiaddrs).toHaveLength(64)
  })
})

async function listedWith (addresses: string[]): Promise<Message.Register[]> {
  return Promise.all((await makePeers(PEERS)).map(async peer => listed(peer, 'ns', { addresses })))
}

async function client (): Promise<{ discovered: Discovered, remember: (registrations: Message.Register[], isWritten: boolean) => Promise<void> }> {
  const [self, point] = await makePeers(2)
  const logger = defaultLogger()
  const events = new TypedEventEmitter<Libp2pEvents>()
  const peerStore = persistentPeerStore({ peerId: self!.peerId, datastore: new MemoryDatastore(), events, logger })
  const writer = new PeerStoreWriter({ peerStore, events, connectionManager: { getConnections: () => [] } }, logger.forComponent('test'))
  const discovered = new Discovered({ onNew: () => {}, onGone: () => {} })
  const listings = new Listings({ self: self!.peerId, records: new Records(), addressOf: () => undefined, onDropped: () => {} })

  return {
    discovered,
    remember: async (registrations, isWritten) => {
      const page = await listings.page({ peerId: point!.peerId, discover: async () => ({ registrations, cookie: undefined }) }, 'ns', PEERS, undefined)

      for (const one of page.listed) {
        await (isWritten ? writer.write(one.record) : undefined)
        discovered.add(one, Date.now())
      }
    }
  }
}

/** Bytes that are held after the work that were not before. */
async function held (work: () => Promise<void>): Promise<number> {
  const before = await usage()
  await work()

  return await usage() - before
}

async function usage (): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  gc()
  // what promises hold goes with them
  await new Promise(resolve => setImmediate(resolve))
  gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()

  return heapUsed + arrayBuffers
}
