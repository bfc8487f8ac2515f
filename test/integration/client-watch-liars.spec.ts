import { afterEach, describe, expect, it } from 'vitest'
import { WatchEvent } from '../../src/protocol/watch.ts'
import { allEvents } from '../fixtures/events.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import { addressOf, clientNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeer, makePeers, seal } from '../fixtures/peers.ts'
import { listing } from '../fixtures/scripted-point.ts'
import { nothing, watchPoint } from '../fixtures/watch-point.ts'
import type { Message } from '../../src/protocol/message.ts'
import type { ClientNode } from '../fixtures/nodes.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { Tell, WatchPoint } from '../fixtures/watch-point.ts'

afterEach(stopNodes)

const ids = (node: ClientNode): string[] => node.services.rendezvous.discovered.map(({ id }) => id.toString())
const binary = ({ peerId }: Peer): Uint8Array<ArrayBuffer> => peerId.toMultihash().bytes as Uint8Array<ArrayBuffer>

/** A client that looks often where it is not told. */
async function follower (...points: Array<{ address: string }>): Promise<ClientNode> {
  return clientNode({ points: points.map(({ address }) => address), discover: ['ns'], discoverInterval: 50, live: false })
}

async function started (point: WatchPoint): Promise<void> {
  await expect.poll(() => point.told.length).toBeGreaterThan(0)
}

describe('a client of a point that lies in what it tells', () => {
  it.each<[string, (peer: Peer) => Promise<Message.Register>]>([
    ['forged', async peer => {
      const signedPeerRecord = await seal(peer)
      signedPeerRecord[signedPeerRecord.length - 1]! ^= 1

      return { ns: 'ns', signedPeerRecord, ttl: 7_200n }
    }],
    ['of another namespace', async peer => listed(peer, 'other')],
    ['expired', async peer => listed(peer, 'ns', { ttl: 0n })],
    ['about somebody other than the signer', async peer => listed(peer, 'ns', { about: (await makePeer()).peerId })]
  ])('drops what is %s, and believes what is beside it', async (_, bad) => {
    const [before, liar, after] = await makePeers(3) as [Peer, Peer, Peer]
    const registrations = [await listed(before, 'ns'), await bad(liar), await listed(after, 'ns')]
    const point = await watchPoint(({ subscribe }, tell) => { tell({ id: subscribe?.id ?? 0, registrations }) })
    const node = await follower(point)

    await expect.poll(() => ids(node)).toEqual([before, after].map(({ peerId }) => peerId.toString()))
  })

  /** What ends the stream, for good. */
  describe('asks it instead, and listens no more, when it', () => {
    const forged: Message.Register[] = Array.from({ length: 100 }, (_, i) => ({ ns: 'ns', signedPeerRecord: new Uint8Array(80).fill(i), ttl: 7_200n }))

    it.each<[string, (tell: Tell) => void]>([
      ['lists what is forged, in one update', tell => { tell({ id: 1, registrations: forged }) }],
      ['lists what is forged, bit by bit', tell => { forged.forEach(one => { tell({ id: 1, registrations: [one] }) }) }],
      ['tells of subscriptions that there are not', tell => { for (let id = 2; id < 200; id++) { tell({ id }) } }],
      ['never comes to the end of a listing', tell => { for (let i = 0; i < 200; i++) { tell({ id: 1, more: true }) } }],
      ['names as gone what is no peer id', tell => { tell({ id: 1, gone: forged.map(() => new Uint8Array(1_000)) }) }],
      ['says again and again what is registered, unasked', tell => { for (let i = 0; i < 200; i++) { tell({ event: { registered: { namespaces: [] } } }) } }],
      ['ends what is not registered', tell => { for (let i = 0; i < 200; i++) { tell({ event: { ended: { ns: 'ns' } } }) } }],
      ['sends what is no message', tell => { tell(Uint8Array.of(0x0a, 0x7f, 1)) }],
      ['sends a message that is too long', tell => { tell(new Uint8Array(1024 * 1024 + 1)) }],
      ['names more at once than anybody has', tell => { tell(Uint8Array.from(manyRegistrations())) }]
    ])('%s', async (_, lie) => {
      const peer = await makePeer()
      const point = await watchPoint(nothing, listing(async () => [await listed(peer, 'ns')]))
      const { metrics, read } = readableMetrics()
      const node = await clientNode({ points: [point.address], discover: ['ns'], discoverInterval: 50, live: false }, { metrics })
      await started(point)
      await expect.poll(async () => (await read('libp2p_rendezvous_client_watches_total'))['update']).toBe(1)
      expect(point.discovers).toBe(0)
      lie(point.tell)

      await expect.poll(() => ids(node)).toEqual([peer.peerId.toString()])
      expect(await read('libp2p_rendezvous_client_watches_total')).toMatchObject({ distrusted: 1 })
      await node.hangUp(point.node.peerId)
      const { discovers } = point
      await expect.poll(() => point.discovers).toBeGreaterThan(discovers)
      expect(point.watchStreams).toHaveLength(1)
    })
  })

  it('takes those for gone that it says are, and nobody whom another point lists', async () => {
    const [one, both] = await makePeers(2) as [Peer, Peer]
    const honest = await watchPoint(async ({ subscribe }, tell) => { tell({ id: subscribe?.id ?? 0, registrations: [await listed(both, 'ns')] }) })
    const liar = await watchPoint(async ({ subscribe }, tell) => { tell({ id: subscribe?.id ?? 0, registrations: [await listed(one, 'ns'), await listed(both, 'ns')] }) })
    const node = await follower(honest, liar)
    await expect.poll(() => ids(node).length).toBe(2)
    await started(liar)
    liar.tell({ id: 1, gone: [binary(one), binary(both)] })

    await expect.poll(() => ids(node)).toEqual([both.peerId.toString()])
  })

  it('keeps listening to what is strange but harmless', async () => {
    const peer = await makePeer()
    const point = await watchPoint(nothing)
    const node = await follower(point)
    await started(point)

    for (let i = 0; i < 300; i++) {
      point.tell({ event: {} })
      point.tell({ id: 1, gone: [binary(peer), Uint8Array.of(1, 2, 3), new Uint8Array()], resync: true })
    }

    point.tell({ id: 1, registrations: [await listed(peer, 'ns')] })
    await expect.poll(() => ids(node)).toEqual([peer.peerId.toString()])
    // one listing from the beginning in half a minute, whatever it says
    expect(point.told).toHaveLength(1)
  })

  it('takes in no more of a flood than it would ask for, and holds none of the rest', async () => {
    const gone = new Array(10_000).fill(Uint8Array.of(1, 2, 3))
    const point = await watchPoint(nothing)
    const { metrics, read } = readableMetrics()
    const updates = async (): Promise<number> => (await read('libp2p_rendezvous_client_watches_total'))['update'] ?? 0
    await clientNode({ points: [point.address], discover: ['ns'], live: false }, { metrics })
    await expect.poll(updates).toBe(1)
    const [stream] = point.watchStreams
    let sent = 0

    // it is held back, or the stream is ended where more has come than is held
    while (sent < 1_000 && stream?.status === 'open' && !stream.writableNeedsDrain) {
      point.tell({ id: 1, gone })
      sent++
      await new Promise(resolve => setImmediate(resolve))
    }

    expect(sent).toBeLessThan(1_000)
    // what may be said at once; and what another stream begins with
    await expect.poll(updates, { timeout: 10_000 }).toBeGreaterThanOrEqual(1 + 5)
    expect(await updates()).toBeLessThanOrEqual(1 + 5 + 1)
  })

  it('is asked where it never answers', async () => {
    const peer = await makePeer()
    const point = await watchPoint(() => {}, listing(async () => [await listed(peer, 'ns')]))
    const node = await clientNode({ points: [point.address], discover: ['ns'], timeout: 200, live: false })

    await expect.poll(() => ids(node)).toEqual([peer.peerId.toString()])
  })

  it('keeps nobody from hearing what another point tells', async () => {
    const silent = await watchPoint(() => {})
    const point = await pointNode()
    const node = await clientNode({ points: [silent.address, addressOf(point)], namespaces: ['ns'] })
    const found = allEvents(node.services.rendezvous, 'peer')
    const other = await clientNode({ points: [addressOf(point)], namespaces: ['ns'] })

    await expect.poll(() => found.map(({ id }) => id.toString())).toEqual([other.peerId.toString()])
  })
})

/** An update of registrations without anything in them, for which there is room in an event. */
function manyRegistrations (): Uint8Array {
  return WatchEvent.encode({ update: { id: 1, gone: [], registrations: new Array(40_000).fill({}) } })
}
