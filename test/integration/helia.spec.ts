import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it } from 'vitest'
import { rendezvousClient } from '../../src/index.ts'
import { addressOf, base, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import type { HeliaWithLibp2p } from '@helia/libp2p'

const local = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] }

describe('Helia, as it comes', () => {
  const running: HeliaWithLibp2p<any>[] = []

  afterEach(async () => {
    await Promise.all(running.splice(0).map(async helia => helia.stop()))
    await stopNodes()
  })

  async function heliaNode (point: string): Promise<HeliaWithLibp2p<any>> {
    const helia = withBitswap(withLibp2pLight(createHeliaLight(), {
      ...base(local),
      services: { identify: identify(), rendezvous: rendezvousClient({ points: [point], routing: true }) }
    }))
    await helia.start()
    running.push(helia)

    return helia
  }

  it('fetches a block from a node of which it knows no more than the point', async () => {
    const point = addressOf(await pointNode({}, local))
    const block = new TextEncoder().encode('a block that somebody has')
    const cid = CID.createV1(raw.code, await sha256.digest(block))
    const bob = await heliaNode(point)
    await bob.blockstore.put(cid, block)
    await bob.routing.provide(cid)

    const alice = await heliaNode(point)
    expect(await alice.libp2p.peerStore.has(bob.libp2p.peerId)).toBe(false)
    const fetched = await Array.fromAsync(alice.blockstore.get(cid, { signal: AbortSignal.timeout(20_000) }))

    expect(new TextDecoder().decode(Buffer.concat(fetched))).toBe('a block that somebody has')
    expect(alice.libp2p.getConnections(bob.libp2p.peerId)).toHaveLength(1)
  })

  it('finds a peer by its id, and nobody who has taken back what they had', async () => {
    const point = addressOf(await pointNode({}, local))
    const cid = CID.createV1(raw.code, await sha256.digest(Uint8Array.of(1)))
    const bob = await heliaNode(point)
    await bob.routing.provide(cid)
    const alice = await heliaNode(point)
    const providers = await collect(alice.routing.findProviders(cid))
    const found = await alice.routing.findPeer(bob.libp2p.peerId.toCID())

    expect(providers.map(({ id }) => id.toString())).toEqual([bob.libp2p.peerId.toCID().toString()])
    expect(found.multiaddrs.map(multiaddr => `${multiaddr}/p2p/${bob.libp2p.peerId}`)).toEqual(bob.libp2p.getMultiaddrs().map(String))

    await bob.routing.cancelReprovide(cid)
    expect(await collect(alice.routing.findProviders(cid))).toEqual([])
  })
})
