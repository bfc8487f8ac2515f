import * as lp from 'it-length-prefixed'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { clientNode, collect, openStreams, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeers, seal } from '../fixtures/peers.ts'
import { granted, listing, page, rawPoint, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import { domainOf } from '../fixtures/records.ts'
import type { ScriptedRequest } from '../fixtures/scripted-point.ts'
import type { DiscoveredPeer } from '../../src/index.ts'

const { MessageType, ResponseStatus: Status } = Message
const ids = (peers: DiscoveredPeer[]): string[] => peers.map(({ id }) => id.toString())

// What the points of other implementations do: the table in CONTEXT.md.
describe('a client of other points', () => {
  afterEach(stopNodes)

  it('talks to one that closes the stream after one response, as rust-libp2p and nim-libp2p do', async () => {
    const peers = await makePeers(3)
    const point = await scriptedPoint(listing(() => Promise.all(peers.map(peer => listed(peer, 'ns')))), { perStream: 1 })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('ns')
    await rendezvous.register('other')
    const { peers: first, cookie } = await rendezvous.discoverPage('ns', { point: point.address, limit: 2 })
    const { peers: second } = await rendezvous.discoverPage('ns', { point: point.address, limit: 2, cookie: cookie! })
    await rendezvous.unregister('ns')

    expect(ids([...first, ...second])).toEqual(peers.map(({ peerId }) => peerId.toString()))
    expect(point.requests.map(({ type }) => type)).toEqual([
      MessageType.REGISTER, MessageType.REGISTER, MessageType.DISCOVER, MessageType.DISCOVER, MessageType.UNREGISTER
    ])
    expect(point.streams).toHaveLength(5)
  })

  it('uses one stream for many requests where the point leaves it open', async () => {
    const point = await scriptedPoint(listing(() => []))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await Promise.all(Array.from({ length: 20 }, async (_, index) => rendezvous.register(`ns-${index}`)))
    await collect(rendezvous.discover('ns-1'))

    expect(point.requests).toHaveLength(21)
    expect(point.streams).toHaveLength(1)
  })

  it('gets the first page of one that sends no cookie, as a go point may, and starts over the next time', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(async () => page([await listed(peer!, 'ns')]))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(ids(await collect(rendezvous.discover('ns')))).toEqual([peer!.peerId.toString()])
    expect((await rendezvous.discoverPage('ns', { point: point.address })).cookie).toBeUndefined()
    expect(point.requests.map(({ discover }) => discover?.cookie)).toEqual([undefined, undefined])
  })

  it('polls one that sends no cookie from the beginning each time', async () => {
    const [peer] = await makePeers(1)
    const twice = Promise.withResolvers<void>()
    const point = await scriptedPoint(async ({ index }) => {
      if (index === 2) {
        twice.resolve()
      }

      return page([await listed(peer!, 'ns')])
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address], discoverInterval: 20 })
    const watch = rendezvous.watch('ns')

    expect((await watch.next()).value.id.equals(peer!.peerId)).toBe(true)
    await twice.promise
    await watch.return(undefined)

    expect(point.requests.every(({ discover }) => discover?.cookie == null)).toBe(true)
  })

  it('takes E_INVALID_NAMESPACE for an empty namespace, as nim-libp2p sends it', async () => {
    const point = await scriptedPoint(({ message }) => refusal(message, Status.E_INVALID_NAMESPACE))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toEqual([])
    expect(await rendezvous.discoverPage('ns', { point: point.address })).toEqual({ peers: [], cookie: undefined })
  })

  it('ends a listing at an empty page, whatever its cookie', async () => {
    const point = await scriptedPoint(() => page([], new Uint8Array([1, 2, 3])))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toEqual([])
    expect(point.requests).toHaveLength(1)
  })

  it('reads a response that arrives byte by byte', async () => {
    const [peer] = await makePeers(1)
    const point = await rawPoint(async stream => {
      for await (const bytes of lp.decode(stream)) {
        const request = Message.decode(bytes)
        const response = request.type === MessageType.REGISTER ? granted(7_200n) : page([await listed(peer!, 'ns')])

        for (const byte of lp.encode.single(Message.encode(response)).subarray()) {
          stream.send(new Uint8Array([byte]))
          await new Promise(resolve => setImmediate(resolve))
        }
      }
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('ns')
    expect(ids(await collect(rendezvous.discover('ns')))).toEqual([peer!.peerId.toString()])
    expect(point.streams).toHaveLength(1)
  })

  it('keeps REGISTER below the 4096 bytes that nim-libp2p reads, however many addresses it has', async () => {
    const point = await scriptedPoint(listing(() => []))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] }, {
      addresses: {
        listen: [],
        announce: Array.from({ length: 400 }, (_, index) => `/dns4/a-rather-long-name-of-a-machine.example.com/tcp/${index + 1}`)
      }
    })

    await rendezvous.register('x'.repeat(255))

    expect(Message.encode(point.requests[0]!).byteLength).toBeLessThanOrEqual(4096)
    expect(Message.encode(point.requests[0]!).byteLength).toBeGreaterThan(2000)
  })

  it('takes a grant without a TTL for the TTL it asked for', async () => {
    const point = await scriptedPoint(() => granted())
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await rendezvous.register('ns', { ttl: 12_345_000 })).toMatchObject([{ ttl: 12_345_000 }])
  })

  it('takes a listed registration without a TTL for one of two hours', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(async () => {
      const { ttl, ...registration } = await listed(peer!, 'ns')

      return page([registration])
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toMatchObject([{ ttl: 2 * 60 * 60 * 1000 }])
  })

  it.each([{}, { ns: '' }])('takes a registration that names no namespace for one of the namespace it asked for, as go points list it', async ns => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(async () => page([{ ...ns, signedPeerRecord: await seal(peer!), ttl: 7_200n }]))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toMatchObject([{ namespace: 'ns' }])
  })

  it.each([
    ['refuses it, as go points do', ({ message }: ScriptedRequest) => refusal(message, Status.E_INVALID_SIGNED_PEER_RECORD)],
    ['resets the stream, as rust-libp2p does', ({ stream }: ScriptedRequest) => { stream.abort(new Error('unreadable')) }]
  ])('sends its record in the other form to a point that %s, and at once the next time', async (_, refuse) => {
    const point = await scriptedPoint(request => {
      const { register } = request.message

      if (register == null) {
        // unregistering, when it stops
        return
      }

      return domainOf(register.signedPeerRecord!) === 'libp2p-routing-state' ? granted() : refuse(request) ?? undefined
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('ns')
    await rendezvous.register('other')

    expect(point.requests.map(({ register }) => domainOf(register!.signedPeerRecord!))).toEqual([
      'libp2p-peer-record', 'libp2p-routing-state', 'libp2p-routing-state'
    ])
  })

  it('sends its record in the form it was told to', async () => {
    const point = await scriptedPoint(() => granted())
    const { services: { rendezvous } } = await clientNode({ points: [point.address], recordDomain: 'libp2p-routing-state' })

    await rendezvous.register('ns')

    expect(domainOf(point.requests[0]!.register!.signedPeerRecord!)).toBe('libp2p-routing-state')
  })

  it('unregisters at one that resets a stream without a response, as some do', async () => {
    const point = await rawPoint(async stream => {
      for await (const bytes of lp.decode(stream)) {
        if (Message.decode(bytes).type === MessageType.UNREGISTER) {
          stream.abort(new Error('nothing to say'))
        } else {
          stream.send(lp.encode.single(Message.encode(granted())))
        }
      }
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await rendezvous.register('ns')
    await expect(rendezvous.unregister('ns')).resolves.toBeUndefined()
    expect(rendezvous.registrations).toEqual([])
  })

  it('leaves no stream behind when it unregisters at one that never ends streams', async () => {
    const point = await rawPoint(stream => { stream.addEventListener('message', () => {}) })
    const node = await clientNode({ points: [point.address] })

    await node.services.rendezvous.unregister('ns')

    expect(openStreams(node)).toEqual([])
  })
})
