import { afterEach, describe, expect, it, vi } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import { addressOf, changeAddresses, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeer } from '../fixtures/peers.ts'
import { granted, listing, page, rawPoint, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import type { RendezvousClient } from '../../src/index.ts'

const { MessageType, ResponseStatus: Status } = Message
const HOUR = 60 * 60 * 1000

describe('each call', () => {
  afterEach(stopNodes)

  const calls: Array<[string, (client: RendezvousClient, point: string, signal?: AbortSignal) => Promise<unknown>]> = [
    ['register', async (client, point, signal) => client.register('ns', { point, ...(signal == null ? {} : { signal }) })],
    ['unregister', async (client, point, signal) => client.unregister('ns', { point, ...(signal == null ? {} : { signal }) })],
    ['discover', async (client, point, signal) => collect(client.discover('ns', { point, ...(signal == null ? {} : { signal }) }))],
    ['discoverPage', async (client, point, signal) => client.discoverPage('ns', { point, ...(signal == null ? {} : { signal }) })]
  ]
  // one whose socket is open, but nobody there reads; a reading that ends streams would end `unregister` at once
  const silence = async () => rawPoint(() => {})

  it.each(calls)('%s honours its signal while the point is silent', async (_, call) => {
    const asked = Promise.withResolvers<void>()
    const point = await rawPoint(() => { asked.resolve() })
    const { services: { rendezvous } } = await clientNode()
    const controller = new AbortController()
    const outcome = call(rendezvous, point.address, controller.signal).then(() => 'done', err => err.name)
    await asked.promise
    controller.abort(new Error('whatever the reason'))

    expect(await outcome).toBe('AbortError')
  })

  it.each(calls)('%s sends nothing when its signal has aborted before', async (_, call) => {
    const point = await silence()
    const { services: { rendezvous } } = await clientNode()

    await expect(call(rendezvous, point.address, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
    expect(point.streams).toEqual([])
  })

  it.each(calls.filter(([name]) => name !== 'unregister'))('%s ends with TimeoutError after the timeout', async (_, call) => {
    const point = await silence()
    const { services: { rendezvous } } = await clientNode({ timeout: 100 })
    const error: any = await call(rendezvous, point.address).catch(err => err)

    expect((error.errors?.[0] ?? error).name).toBe('TimeoutError')
  })

  it.each(calls)('%s ends with what libp2p says of a point that cannot be dialled', async (_, call) => {
    const { services: { rendezvous } } = await clientNode()
    const error: any = await call(rendezvous, `/memory/nowhere/p2p/${(await makePeer()).peerId}`).catch(err => err)

    expect(error).toBeInstanceOf(Error)
    expect(['AbortError', 'TimeoutError']).not.toContain((error.errors?.[0] ?? error).name)
  })

  const statuses = [
    [Status.E_INVALID_NAMESPACE, 'InvalidNamespaceError', false],
    [Status.E_INVALID_SIGNED_PEER_RECORD, 'InvalidSignedPeerRecordError', false],
    [Status.E_INVALID_TTL, 'InvalidTtlError', false],
    [Status.E_INVALID_COOKIE, 'InvalidCookieError', true],
    [Status.E_NOT_AUTHORIZED, 'NotAuthorizedError', false],
    [Status.E_INTERNAL_ERROR, 'PointInternalError', true],
    [Status.E_UNAVAILABLE, 'UnavailableError', true]
  ] as const

  it.each(statuses)('register turns %s into %s', async (status, name, willRetry) => {
    const point = await scriptedPoint(({ message }) => refusal(message, status, 'because'))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const failed = nextEvent(rendezvous, 'registration:failed')
    const error = await rendezvous.register('my-ns').catch(err => err)
    const expected = { name, status, statusText: 'because', namespace: 'my-ns', message: expect.stringMatching(new RegExp(`${point.node.peerId}.*my-ns.*because`)) }

    expect(error).toMatchObject(expected)
    expect(await failed).toMatchObject({ namespace: 'my-ns', willRetry, error: expected })
  })

  it.each(statuses.filter(([status]) => status !== Status.E_INVALID_NAMESPACE))('discoverPage turns %s into %s', async (status, name) => {
    const point = await scriptedPoint(({ message }) => refusal(message, status, 'because'))
    const { services: { rendezvous } } = await clientNode()

    await expect(rendezvous.discoverPage('my-ns', { point: point.address })).rejects.toMatchObject({
      name,
      status,
      statusText: 'because',
      namespace: 'my-ns',
      message: expect.stringMatching(new RegExp(`${point.node.peerId}.*my-ns.*because`))
    })
  })

  const long = 'é'.repeat(128)

  it.each<[string, (client: RendezvousClient, point: string) => Promise<unknown>]>([
    ['register without a namespace', async client => client.register('')],
    ['register with a long namespace', async client => client.register(long)],
    ['register with half a character', async client => client.register('\udc00')],
    ['register with no text', async client => client.register(undefined as any)],
    ['register with a TTL of 0', async (client, point) => client.register('ns', { point, ttl: 0 })],
    ['register with a TTL that is no number', async (client, point) => client.register('ns', { point, ttl: NaN })],
    ['register with a TTL that never ends', async (client, point) => client.register('ns', { point, ttl: Infinity })],
    ['register with a TTL beyond 2^64 seconds', async (client, point) => client.register('ns', { point, ttl: 1e30 })],
    ['register at nonsense', async client => client.register('ns', { point: 'nonsense' })],
    ['register at an address without a peer', async client => client.register('ns', { point: '/ip4/127.0.0.1/tcp/1' })],
    ['unregister without a namespace', async client => client.unregister('')],
    ['unregister at nonsense', async client => client.unregister('ns', { point: 'nonsense' })],
    ['discover an empty namespace', async client => client.discover('').next()],
    ['discover with a limit of 0', async (client, point) => client.discover('ns', { point, limit: 0 }).next()],
    ['discover with a limit of a half', async (client, point) => client.discover('ns', { point, limit: 0.5 }).next()],
    ['discover with an infinite limit', async (client, point) => client.discover('ns', { point, limit: Infinity }).next()],
    ['discover at nonsense', async client => client.discover('ns', { point: 'nonsense' }).next()],
    ['watch without a namespace', async client => client.watch(undefined as any).next()],
    ['watch at nonsense', async client => client.watch('ns', { point: 'nonsense' }).next()],
    ['discoverPage with a limit of -1', async (client, point) => client.discoverPage('ns', { point, limit: -1 })],
    ['discoverPage with a long namespace', async (client, point) => client.discoverPage(long, { point })],
    ['discoverPage at nothing', async client => client.discoverPage('ns', {} as any)]
  ])('refuses to %s before anything is sent', async (_, call) => {
    const point = await silence()
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await expect(call(rendezvous, point.address)).rejects.toMatchObject({ name: 'InvalidParametersError' })
    expect(point.streams).toEqual([])
    expect(point.node.getConnections()).toEqual([])
  })

  it('register returns the points that granted it, and says nothing of the others but by an event', async () => {
    const full = await scriptedPoint(({ message }) => refusal(message, Status.E_UNAVAILABLE))
    const point = await pointNode()
    const { services: { rendezvous } } = await clientNode({ points: [full.address, addressOf(point)] })
    const failures = allEvents(rendezvous, 'registration:failed')

    expect((await rendezvous.register('ns')).map(({ point }) => point.toString())).toEqual([point.peerId.toString()])
    expect(failures).toMatchObject([{ willRetry: true, error: { name: 'UnavailableError' } }])
  })

  it('unregister throws only when no point could be told', async () => {
    const point = await pointNode()
    const nowhere = `/memory/nowhere/p2p/${(await makePeer()).peerId}`
    const { services: { rendezvous } } = await clientNode({ points: [nowhere, addressOf(point)] })

    await expect(rendezvous.unregister('ns')).resolves.toBeUndefined()
    await expect(rendezvous.unregister('ns', { point: nowhere })).rejects.toMatchObject({ name: 'ConnectionFailedError' })
  })

  it('unregister does nothing where there are no points', async () => {
    const { services: { rendezvous } } = await clientNode()

    await expect(rendezvous.unregister('ns')).resolves.toBeUndefined()
  })

  it('unregister does not wait for what is on its way longer than its signal says', async () => {
    const asked = Promise.withResolvers<void>()
    const point = await rawPoint(() => { asked.resolve() })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    rendezvous.register('ns').catch(() => {})
    await asked.promise

    await expect(rendezvous.unregister('ns', { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('each option', () => {
  afterEach(stopNodes)

  it('ttl is asked for in seconds, rounded up: two hours unless said otherwise', async () => {
    const point = await scriptedPoint(() => granted())
    const points = [point.address]
    await (await clientNode({ points })).services.rendezvous.register('ns')
    await (await clientNode({ points, ttl: 3 * HOUR + 1 })).services.rendezvous.register('ns')
    await (await clientNode({ points, ttl: 3 * HOUR })).services.rendezvous.register('ns', { ttl: 4 * HOUR })

    expect(point.requests.map(({ register }) => register!.ttl)).toEqual([7_200n, 10_801n, 14_400n])
  })

  it('refreshBuffer and autoRefresh: a registration is renewed that long before its end, or not at all', async () => {
    const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? granted(7_200n) : page([]))
    const points = [point.address]
    const [early, late, never] = await Promise.all([clientNode({ points, refreshBuffer: HOUR }), clientNode({ points }), clientNode({ points, autoRefresh: false })])
    const nodes = { early, late, never }
    const counts = (): number[] => Object.keys(nodes).map(name => point.requests.filter(({ register }) => register?.ns === name).length)
    const nudge = async (): Promise<unknown> => Promise.all(Object.values(nodes).map(async ({ services }) => services.rendezvous.register('nudge')))
    vi.useFakeTimers({ toFake: ['Date'] })

    try {
      await Promise.all(Object.entries(nodes).map(async ([name, { services }]) => services.rendezvous.register(name)))
      vi.setSystemTime(Date.now() + HOUR)
      await nudge()
      await expect.poll(counts).toEqual([2, 1, 1])
      const expired = nextEvent(never.services.rendezvous, 'registration:expired', ({ namespace }) => namespace === 'never')
      vi.setSystemTime(Date.now() + HOUR)
      await nudge()
      await expect.poll(counts).toEqual([3, 2, 1])
      await expired
      expect(never.services.rendezvous.registrations.map(({ namespace }) => namespace)).toEqual(['nudge'])
    } finally {
      vi.useRealTimers()
    }
  })

  it('discoverInterval: namespaces are polled again and again, long before the default would', async () => {
    const times: number[] = []
    const enough = Promise.withResolvers<void>()
    const point = await scriptedPoint(({ message }) => {
      if (message.type === MessageType.DISCOVER && times.push(performance.now()) === 5) {
        enough.resolve()
      }

      return message.type === MessageType.DISCOVER ? page([]) : granted()
    })
    await clientNode({ points: [point.address], namespaces: ['ns'], discoverInterval: 100 })
    await enough.promise

    // how long it is, give or take a tenth, is a rule of its own: test/client/schedule.spec.ts
    expect(times).toHaveLength(5)
  })

  it('addressFilter: only what it lets through is published', async () => {
    const point = await scriptedPoint(listing(() => []))
    const node = await clientNode({ points: [point.address], addressFilter: address => address.toString().startsWith('/dns4/') }, {
      addresses: { announce: ['/dns4/example.com/tcp/1', '/ip4/192.0.2.1/tcp/1'] }
    })
    const { signedPeerRecord } = await node.services.rendezvous.register('ns').then(() => point.requests[0]!.register!)
    const other = await scriptedPoint(() => page([{ ns: 'ns', signedPeerRecord: signedPeerRecord!, ttl: 1n }]))
    const [found] = await collect((await clientNode({ points: [other.address] })).services.rendezvous.discover('ns'))

    expect(found!.multiaddrs.map(String)).toEqual(['/dns4/example.com/tcp/1'])
  })

  it('addressFilter: one that throws is reported, and ends nothing', async () => {
    let isBroken = false
    let failures = 0
    const point = await scriptedPoint(() => granted())
    const node = await clientNode({
      points: [point.address],
      addressFilter: () => {
        if (isBroken) {
          failures++
          throw new Error('broken filter')
        }

        return true
      }
    })
    const { rendezvous } = node.services
    await rendezvous.register('ns')
    isBroken = true
    await changeAddresses(node, '/ip4/192.0.2.1/tcp/1')
    await expect.poll(() => failures, { timeout: 3_000 }).toBeGreaterThan(0)
    await expect(rendezvous.register('other')).rejects.toMatchObject({ message: 'broken filter' })
    isBroken = false

    expect(rendezvous.registrations).toHaveLength(1)
  })

  it('protocol: points of another one are none', async () => {
    const protocol = '/private/rendezvous/1.0.0'
    const point = await pointNode({ protocol })
    const [member, stranger] = await Promise.all([clientNode({ points: [addressOf(point)], protocol }), clientNode({ points: [addressOf(point)] })])

    expect(member.services.rendezvous.protocol).toBe(protocol)
    expect(stranger.services.rendezvous.protocol).toBe('/rendezvous/1.0.0')
    await expect(member.services.rendezvous.register('ns')).resolves.toHaveLength(1)
    await expect(stranger.services.rendezvous.register('ns')).rejects.toMatchObject({ name: 'UnsupportedProtocolError' })
  })

  it('maxOutboundStreams: no more are opened to one point', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [addressOf(point)], maxOutboundStreams: 1 })
    const other = await clientNode({ points: [addressOf(point)], maxOutboundStreams: 1 })
    await Promise.all(Array.from({ length: 5 }, async (_, index) => node.services.rendezvous.register(`ns-${index}`)))
    const connection = await other.dial(point.getMultiaddrs())
    await connection.newStream('/rendezvous/1.0.0', { maxOutboundStreams: 1 })

    expect(node.services.rendezvous.registrations).toHaveLength(5)
    await expect(other.services.rendezvous.register('ns')).rejects.toMatchObject({ name: 'TooManyOutboundProtocolStreamsError' })
  })
})

describe('what a client says of itself', () => {
  afterEach(stopNodes)

  it('is true at any moment: registrations', async () => {
    const point = await pointNode()
    const { services: { rendezvous } } = await clientNode({ points: [addressOf(point)] })
    const grants = allEvents(rendezvous, 'registration:granted')
    expect(rendezvous.registrations).toEqual([])

    const before = Date.now()
    const [registration] = await rendezvous.register('ns', { ttl: 3 * HOUR })
    expect(rendezvous.registrations).toEqual([registration])
    expect(registration).toMatchObject({ namespace: 'ns', ttl: 3 * HOUR })
    expect(registration!.point.equals(point.peerId)).toBe(true)
    expect(registration!.expires).toBeGreaterThanOrEqual(before + 3 * HOUR)
    expect(registration!.expires).toBeLessThanOrEqual(Date.now() + 3 * HOUR)
    expect(grants).toEqual([registration])

    const unregistered = rendezvous.unregister('ns')
    expect(rendezvous.registrations).toEqual([])
    await unregistered
  })

  it('is true at any moment: discovered', async () => {
    const peer = await makePeer()
    const point = await scriptedPoint(async () => page([await listed(peer, 'ns', { ttl: 1n })]))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const [news, ends] = [allEvents(rendezvous, 'peer'), allEvents(rendezvous, 'peer:expired')]
    const expired = nextEvent(rendezvous, 'peer:expired')
    const before = Date.now()
    const [found] = await collect(rendezvous.discover('ns'))
    expect(rendezvous.discovered).toEqual([found])
    expect(found).toMatchObject({ namespace: 'ns', ttl: 1_000 })
    expect(found!.expires).toBeGreaterThanOrEqual(before + 1_000)
    await collect(rendezvous.discover('ns'))
    expect(news).toEqual([found])
    await expired

    expect(rendezvous.discovered).toEqual([])
    expect(news).toHaveLength(1)
    expect(ends).toHaveLength(1)
    expect(Date.now() - before).toBeGreaterThanOrEqual(1_000)
  })

  it('is counted', async () => {
    const { metrics, read } = readableMetrics()
    const peer = await makePeer()
    const point = await scriptedPoint(async ({ message }) => {
      switch (message.register?.ns ?? message.discover?.ns) {
        case 'granted':
          return granted()
        case 'found':
          return page([await listed(peer, 'found')])
        default:
          return refusal(message, Status.E_NOT_AUTHORIZED)
      }
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] }, { metrics })
    await rendezvous.register('granted')
    await rendezvous.register('granted')
    await rendezvous.register('refused').catch(() => {})
    await collect(rendezvous.discover('found'))
    const watch = rendezvous.watch('refused')
    const next = watch.next()
    await expect.poll(() => point.requests.filter(({ discover }) => discover?.ns === 'refused').length).toBe(1)

    await expect.poll(async () => read('libp2p_rendezvous_client_events_total')).toEqual({
      'registration:granted': 2,
      'registration:failed': 1,
      peer: 1,
      'discover:failed': 1
    })
    expect(await read('libp2p_rendezvous_client_registrations')).toEqual({ libp2p_rendezvous_client_registrations: 1 })
    expect(await read('libp2p_rendezvous_client_discovered')).toEqual({ libp2p_rendezvous_client_discovered: 1 })
    next.catch(() => {})
  })

  it('is a peer discovery that needs identify', async () => {
    const { services: { rendezvous } } = await clientNode()

    expect((rendezvous as any)[Symbol.toStringTag]).toBe('libp2p-rendezvous/client')
    expect((rendezvous as any)[Symbol.for('@libp2p/service-capabilities')]).toContain('@libp2p/peer-discovery')
    expect((rendezvous as any)[Symbol.for('@libp2p/service-dependencies')]).toEqual(['@libp2p/identify'])
  })
})

describe('a node whose addresses change', () => {
  afterEach(stopNodes)

  it('registers them a while after the last change, once', async () => {
    const point = await scriptedPoint(() => granted())
    const node = await clientNode({ points: [point.address] })
    await node.services.rendezvous.register('ns')
    const again = nextEvent(node.services.rendezvous, 'registration:granted')

    for (let port = 1; port <= 5; port++) {
      await changeAddresses(node, `/ip4/192.0.2.1/tcp/${port}`)
    }

    expect(point.requests).toHaveLength(1)
    await again
    await node.services.rendezvous.discoverPage('last', { point: point.address }).catch(() => {})

    const registers = point.requests.filter(({ register }) => register != null)
    expect(registers).toHaveLength(2)
    const other = await scriptedPoint(() => page([registers[1]!.register!]))
    const [found] = await collect((await clientNode({ points: [other.address] })).services.rendezvous.discover('ns'))
    expect(found!.multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/5'])
  })

  it('sends nothing when the node\'s peer is updated but not its addresses', async () => {
    let looks = 0
    const point = await scriptedPoint(() => granted())
    const node = await clientNode({
      points: [point.address],
      addressFilter: () => {
        looks++

        return true
      }
    })
    await node.services.rendezvous.register('ns')
    const before = looks
    await node.handle('/another/protocol', () => {})
    await expect.poll(() => looks, { timeout: 3_000 }).toBeGreaterThan(before)

    expect(point.requests).toHaveLength(1)
  })

  it('registers the same envelope, byte for byte, while they are the same', async () => {
    const point = await scriptedPoint(() => granted())
    const node = await clientNode({ points: [point.address] })
    await node.services.rendezvous.register('ns')
    await node.services.rendezvous.register('ns')
    await node.services.rendezvous.register('other')
    const [first, ...others] = point.requests.map(({ register }) => register!.signedPeerRecord)

    expect(others).toEqual([first, first])
  })
})
