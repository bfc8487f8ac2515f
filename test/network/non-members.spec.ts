import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { NonMembers } from '../../src/network/non-members.ts'
import { makePeers } from '../fixtures/peers.ts'
import type { ConnectionGater, PeerId } from '@libp2p/interface'

let peers: PeerId[]

/** As users may have one. */
class Gater implements ConnectionGater {
  denied: PeerId | undefined

  denyDialPeer (peer: PeerId): boolean {
    return this.denied?.equals(peer) === true
  }
}

describe('the gater\'s part for peers that are no members', () => {
  let gater: Gater & ConnectionGater
  let nonMembers: NonMembers

  beforeAll(async () => { peers = (await makePeers(3)).map(({ peerId }) => peerId) })

  beforeEach(() => {
    gater = new Gater()
    nonMembers = new NonMembers(gater, 60_000)
    nonMembers.start()
  })

  const denials = async (): Promise<boolean[][]> => Promise.all(peers.map(async peer => [await gater.denyDialPeer(peer), await gater.denyInboundEncryptedConnection?.(peer, {} as any) ?? false]))

  it('denies who is known to be none, and leaves others to what was there before', async () => {
    gater.denied = peers[1]
    nonMembers.add(peers[0] as PeerId, performance.now())

    expect(await denials()).toEqual([[true, true], [true, false], [false, false]])
  })

  it('forgets after a while', () => {
    const [peer, other] = peers as [PeerId, PeerId]
    nonMembers.add(peer, 0)
    nonMembers.add(other, 30_000)
    nonMembers.add(peer, 40_000)

    expect([59_999, 89_999, 90_000, 99_999, 100_000].map(now => [nonMembers.has(peer, now), nonMembers.has(other, now)])).toEqual([[true, true], [true, true], [true, false], [true, false], [false, false]])
    nonMembers.forget(95_000)
    expect([nonMembers.has(other, 0), nonMembers.has(peer, 0)]).toEqual([false, true])
  })

  it('does not grow beyond a thousand', async () => {
    const [first] = peers as [PeerId]
    const named = (name: number): PeerId => ({ toString: () => `peer ${name}` }) as unknown as PeerId
    nonMembers.add(first, 0)

    for (let i = 0; i < 1_000; i++) {
      nonMembers.add(named(i), 0)
    }

    expect([nonMembers.has(first, 1), nonMembers.has(named(0), 1), nonMembers.has(named(999), 1)]).toEqual([false, true, true])
  })

  it('leaves the gater as it was', async () => {
    nonMembers.add(peers[0] as PeerId, performance.now())
    nonMembers.stop()

    expect(await denials()).toEqual(peers.map(() => [false, false]))
    expect('denyInboundEncryptedConnection' in gater).toBe(false)
  })
})
