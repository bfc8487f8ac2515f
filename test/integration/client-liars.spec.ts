import * as varint from 'uint8-varint'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { clientNode, collect, openStreams, stopNodes } from '../fixtures/nodes.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import { listed, makePeer, makePeers, seal } from '../fixtures/peers.ts'
import { granted, page, rawPoint, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { ScriptedAnswer, ScriptedRequest } from '../fixtures/scripted-point.ts'
import type { DiscoveredPeer } from '../../src/index.ts'

const { MessageType, ResponseStatus: Status } = Message
const HOUR = 60 * 60 * 1000
const ids = (peers: DiscoveredPeer[]): string[] => peers.map(({ id }) => id.toString())

describe('a client of a point that lies', () => {
  afterEach(stopNodes)

  describe('in one registration of a page', () => {
    /** What is found where an honest registration stands on either side of the given one. */
    async function foundAround (bad: Message.Register): Promise<string[]> {
      const [before, after] = await makePeers(2)
      const registrations = [await listed(before!, 'ns'), bad, await listed(after!, 'ns')]
      const point = await scriptedPoint(() => page(registrations))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })
      const names = new Map([[before!.peerId.toString(), 'before'], [after!.peerId.toString(), 'after']])

      return ids(await collect(rendezvous.discover('ns'))).map(id => names.get(id) ?? 'bad')
    }

    it.each<[string, (peer: Peer) => Promise<Message.Register>]>([
      ['forged: the signature is of something else', async peer => {
        const envelope = await seal(peer)
        envelope[envelope.length - 1]! ^= 1

        return { ns: 'ns', signedPeerRecord: envelope, ttl: 7_200n }
      }],
      ['swapped: the record is about somebody other than the signer', async peer => {
        return listed(peer, 'ns', { about: (await makePeer()).peerId })
      }],
      ['expired', async peer => listed(peer, 'ns', { ttl: 0n })],
      ['foreign: of another namespace', async peer => listed(peer, 'other')],
      ['without a record', async () => ({ ns: 'ns', ttl: 7_200n })],
      ['with an empty record', async () => ({ ns: 'ns', signedPeerRecord: new Uint8Array(), ttl: 7_200n })],
      ['with noise for a record', async () => ({ ns: 'ns', signedPeerRecord: new Uint8Array(300).fill(0xff), ttl: 7_200n })],
      ['with no address in its record', async peer => listed(peer, 'ns', { addresses: [] })],
      ['with a record larger than any point accepts by default', async peer => listed(peer, 'ns', {
        addresses: Array.from({ length: 2_000 }, (_, index) => `/ip4/192.0.2.1/tcp/${index + 1}`)
      })]
    ])('drops one that is %s', async (_, bad) => {
      expect(await foundAround(await bad(await makePeer()))).toEqual(['before', 'after'])
    })

    it('drops one that is this node itself', async () => {
      const registrations: Message.Register[] = []
      const point = await scriptedPoint(async ({ message }) => {
        if (message.type === MessageType.REGISTER) {
          registrations.push(message.register!)

          return granted()
        }

        return page(registrations)
      })
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })

      await rendezvous.register('ns')
      registrations.push(await listed(await makePeer(), 'ns'))

      expect(await collect(rendezvous.discover('ns'))).toHaveLength(1)
    })

    it('counts what it drops, by reason', async () => {
      const [peer] = await makePeers(1)
      const point = await scriptedPoint(async () => page([
        await listed(peer!, 'other'),
        await listed(peer!, 'ns', { ttl: 0n }),
        { ns: 'ns', signedPeerRecord: new Uint8Array(10), ttl: 7_200n },
        { ns: 'ns', signedPeerRecord: new Uint8Array(11), ttl: 7_200n },
        { ns: 'ns', signedPeerRecord: new Uint8Array(16 * 1024 + 1), ttl: 7_200n }
      ]))
      const { metrics, read } = readableMetrics()
      const { services: { rendezvous } } = await clientNode({ points: [point.address] }, { metrics })

      await collect(rendezvous.discover('ns'))

      expect(await read('libp2p_rendezvous_client_dropped_total')).toEqual({ foreign: 1, expired: 1, unverified: 2, oversized: 1 })
    })

    it('drops one whose namespace, where any is asked for, is none', async () => {
      const [peer] = await makePeers(1)
      const point = await scriptedPoint(async () => page([
        await listed(peer!, ''), { signedPeerRecord: await seal(peer!), ttl: 7_200n }, await listed(peer!, 'x'.repeat(256)), await listed(peer!, 'real')
      ]))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })

      expect(await collect(rendezvous.discover())).toMatchObject([{ namespace: 'real' }])
    })

    it('bounds a TTL of 2^64 - 1 seconds', async () => {
      const [peer] = await makePeers(1)
      const point = await scriptedPoint(async () => page([await listed(peer!, 'ns', { ttl: 2n ** 64n - 1n })]))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })

      expect(await collect(rendezvous.discover('ns'))).toMatchObject([{ ttl: 72 * HOUR }])
    })
  })

  it('keeps the newer record when an older one is replayed', async () => {
    const [peer] = await makePeers(1)
    const newer = await listed(peer!, 'ns', { sequence: 2n, addresses: ['/ip4/192.0.2.2/tcp/2'] })
    const older = await listed(peer!, 'ns', { sequence: 1n, addresses: ['/ip4/192.0.2.1/tcp/1'] })
    const point = await scriptedPoint(({ index }) => page([index === 0 ? newer : older]))
    const node = await clientNode({ points: [point.address] })
    const { rendezvous } = node.services

    for (let round = 0; round < 2; round++) {
      const [found] = await collect(rendezvous.discover('ns'))
      expect(found!.multiaddrs.map(String)).toEqual(['/ip4/192.0.2.2/tcp/2'])
      expect(found!.peerRecordEnvelope).toEqual(newer.signedPeerRecord)
    }

    expect(rendezvous.discovered.map(({ multiaddrs }) => multiaddrs.map(String))).toEqual([['/ip4/192.0.2.2/tcp/2']])
    expect((await node.peerStore.get(peer!.peerId)).addresses).toMatchObject([{ isCertified: true }])
    expect((await node.peerStore.get(peer!.peerId)).addresses.map(({ multiaddr }) => multiaddr.toString())).toEqual(['/ip4/192.0.2.2/tcp/2'])
  })

  describe('about this node\'s own registration', () => {
    it('refuses to be granted a TTL of 0, and goes on trying', async () => {
      const point = await scriptedPoint(() => granted(0n))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })
      const failed = new Promise<CustomEvent>(resolve => { rendezvous.addEventListener('registration:failed', resolve) })

      await expect(rendezvous.register('ns')).rejects.toMatchObject({ name: 'ProtocolError' })
      expect((await failed).detail.willRetry).toBe(true)
      expect(rendezvous.registrations).toEqual([])
    })

    it.each([2n ** 64n - 1n, 10_000_000n])('does not believe a grant of %d seconds where two hours were asked for', async ttl => {
      const point = await scriptedPoint(() => granted(ttl))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })

      expect(await rendezvous.register('ns')).toMatchObject([{ ttl: 2 * HOUR }])
    })
  })

  describe('with a response that breaks the protocol', () => {
    const discoverResponse = Message.encode(page([]))

    it.each<[string, (request: ScriptedRequest) => ScriptedAnswer]>([
      ['of the wrong type', () => granted()],
      ['that is a request', ({ message }) => message],
      ['without a type', () => new Uint8Array()],
      ['without a body', () => ({ type: MessageType.DISCOVER_RESPONSE })],
      ['of an unknown status', () => discoverResponse.map((byte, index) => index === discoverResponse.length - 1 ? 99 : byte)],
      ['that is no protobuf', () => new Uint8Array(100).fill(0xff)],
      ['that ends too early', () => discoverResponse.subarray(0, -1)]
    ])('throws ProtocolError for one %s, and can ask again', async (_, answer) => {
      const point = await scriptedPoint(request => request.index === 0 ? answer(request) : page([]))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })

      await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
      await expect(rendezvous.discoverPage('ns', { point: point.address })).resolves.toMatchObject({ peers: [] })
      expect(point.requests).toHaveLength(2)
    })

    it('throws ProtocolError for a page larger than asked for', async () => {
      const peers = await makePeers(3)
      const point = await scriptedPoint(async () => page(await Promise.all(peers.map(async peer => listed(peer, 'ns')))))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })

      await expect(rendezvous.discoverPage('ns', { point: point.address, limit: 2 })).rejects.toMatchObject({
        name: 'ProtocolError',
        message: expect.stringContaining('2')
      })
      await expect(rendezvous.discoverPage('ns', { point: point.address, limit: 3 })).resolves.toMatchObject({ peers: { length: 3 } })
    })

    it('spends no memory on the two million registrations that fit into 4 MiB', async () => {
      const registrations = new Uint8Array(4_000_000)

      for (let index = 0; index < registrations.length; index += 2) {
        registrations[index] = 0x0a // registrations, with a length of 0
      }

      const response = new Uint8Array([
        0x08, 4, // type
        0x32, ...varint.encode(registrations.length) // discoverResponse
      ])
      const point = await scriptedPoint(() => concat(response, registrations))
      const { services: { rendezvous } } = await clientNode({ points: [point.address] })
      await rendezvous.discoverPage('ns', { point: point.address }).catch(() => {})
      const before = process.memoryUsage().heapUsed
      let most = 0
      const timer = setInterval(() => { most = Math.max(most, process.memoryUsage().heapUsed) }, 1)

      await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
      most = Math.max(most, process.memoryUsage().heapUsed)
      clearInterval(timer)

      expect(most - before).toBeLessThan(60_000_000)
    })
  })

  it('reads at most 4 MiB of a response, and none of it twice', async () => {
    const point = await rawPoint(async stream => {
      await once(stream)
      stream.send(varint.encode(4 * 1024 * 1024 + 1))
      stream.send(new Uint8Array(4 * 1024 * 1024))
    })
    const node = await clientNode({ points: [point.address] })
    const { rendezvous } = node.services

    await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
    expect(point.streams).toHaveLength(1)
    expect(openStreams(node)).toEqual([])
  })

  it('gives up on 4 MiB of nothing', async () => {
    const point = await rawPoint(async stream => {
      await once(stream)
      stream.send(new Uint8Array(4 * 1024 * 1024))
    })
    const node = await clientNode({ points: [point.address] })

    await expect(node.services.rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
    await expect.poll(() => openStreams(node)).toEqual([])
  })

  it('gives up on an announced 4 GiB before any of it arrives', async () => {
    const point = await rawPoint(async stream => {
      await once(stream)
      stream.send(varint.encode(4 * 1024 * 1024 * 1024))
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
    expect(point.streams).toHaveLength(1)
  })

  it('gives up on a length that never ends', async () => {
    const point = await rawPoint(async stream => {
      await once(stream)
      stream.send(new Uint8Array(100).fill(0x80))
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'ProtocolError' })
    expect(point.streams).toHaveLength(1)
  })

  it('gives up on silence after its timeout', async () => {
    const point = await rawPoint(async stream => once(stream))
    const node = await clientNode({ points: [point.address], timeout: 100 })
    const { rendezvous } = node.services

    await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(rendezvous.register('ns')).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(openStreams(node)).toEqual([])
    expect(point.streams).toHaveLength(2)
  })

  it('gives up on a response that trickles in too slowly', async () => {
    const point = await rawPoint(async stream => {
      await once(stream)
      stream.send(varint.encode(1_000_000))

      while (stream.status === 'open') {
        stream.send(new Uint8Array([0]))
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address], timeout: 100 })

    await expect(rendezvous.discoverPage('ns', { point: point.address })).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  it('ends a listing of endless pages that bring nobody new', async () => {
    const [peer] = await makePeers(1)
    let pages = 0
    const point = await scriptedPoint(async () => page([await listed(peer!, 'ns')], new TextEncoder().encode(`${++pages}`)))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toHaveLength(1)
    expect(pages).toBeLessThanOrEqual(101)
  })

  it('ends a listing of endless pages of registrations that cannot be verified', async () => {
    let pages = 0
    const point = await scriptedPoint(() => page([{ ns: 'ns', signedPeerRecord: new Uint8Array(9), ttl: 1n }], new TextEncoder().encode(`${++pages}`)))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toEqual([])
    expect(pages).toBeLessThanOrEqual(101)
  })

  it('ends a listing of a point that refuses every cookie it has given', async () => {
    const peers = await makePeers(2)
    const point = await scriptedPoint(async ({ message, index }) => message.discover?.cookie == null
      ? page([await listed(peers[0]!, 'ns')], new Uint8Array([index]))
      : refusal(message, Status.E_INVALID_COOKIE))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const found: DiscoveredPeer[] = []

    await expect((async () => {
      for await (const peer of rendezvous.discover('ns')) {
        found.push(peer)
      }
    })()).rejects.toMatchObject({ name: 'InvalidCookieError' })
    expect(ids(found)).toEqual([peers[0]!.peerId.toString()])
    expect(point.requests.length).toBeLessThanOrEqual(6)
  })

  it('forgets a cookie that is too long to keep', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(async () => page([await listed(peer!, 'ns')], new Uint8Array(100_000)))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect((await rendezvous.discoverPage('ns', { point: point.address })).cookie).toBeUndefined()
  })

  it('shortens a megabyte of status text, and takes the control characters out of it', async () => {
    const point = await scriptedPoint(({ message }) => refusal(message, Status.E_UNAVAILABLE, '\u001b[31m\u0000\u202e\n' + 'no! '.repeat(250_000)))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const error = await rendezvous.discoverPage('ns', { point: point.address }).catch(err => err)

    expect(error).toMatchObject({ name: 'UnavailableError', status: Status.E_UNAVAILABLE })
    expect(error.statusText.length).toBeLessThanOrEqual(256)
    expect(error.message.length).toBeLessThan(512)
    expect(error.message).not.toMatch(/\p{C}/u)
    expect(error.statusText).toContain('no!')
  })
})

async function once (stream: EventTarget | any): Promise<void> {
  await new Promise<void>(resolve => { stream.addEventListener('message', () => { resolve() }) })
}

function concat (...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
