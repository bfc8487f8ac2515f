import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { simpleMetrics } from '@libp2p/simple-metrics'
import { tcp } from '@libp2p/tcp'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { Status } from '../../src/protocol/errors.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { capturingLogger } from '../fixtures/log.ts'
import { plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { connect, framed, openStream } from '../fixtures/raw-stream.ts'
import { envelope, identity } from '../fixtures/records.ts'
import { discover, register, unregister } from '../fixtures/requests.ts'
import type { PlainNode, PointNode } from '../fixtures/nodes.ts'
import type { RawStream } from '../fixtures/raw-stream.ts'
import type { RendezvousPointInit } from '../../src/index.ts'
import type { RendezvousPoint } from '../../src/point/rendezvous-point.ts'
import type { Libp2pOptions } from 'libp2p'

afterEach(async () => { await stopNodes() })

interface Fixture {
  point: PointNode
  service: RendezvousPoint
  peer: PlainNode
  record: Uint8Array
  stream: RawStream
}

async function start (init: RendezvousPointInit = {}, options: Libp2pOptions = {}, peerOptions: Libp2pOptions = {}): Promise<Fixture> {
  const me = await identity()
  const [point, peer] = await Promise.all([pointNode(init, options), plainNode({ privateKey: me.privateKey, ...peerOptions })])

  return {
    point,
    service: point.services.point as RendezvousPoint,
    peer,
    record: await envelope(me),
    stream: await openStream(await connect(peer, point))
  }
}

async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000

  while (!await condition() && Date.now() < deadline) {
    await delay(5)
  }

  expect(await condition()).toBe(true)
}

/** A store whose answers a test gives. */
function waitingStore (): { store: MemoryStore, asked: Promise<void>, answer: () => void, stopped: () => boolean } {
  const store = new MemoryStore() as MemoryStore & { stop?: () => void }
  const asked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const list = store.list.bind(store)
  let isStopped = false
  ;(store as any).list = async (...args: Parameters<typeof list>) => {
    asked.resolve()
    await go.promise
    expect(isStopped).toBe(false)

    return list(...args)
  }
  store.stop = () => { isStopped = true }

  return { store, asked: asked.promise, answer: () => { go.resolve() }, stopped: () => isStopped }
}

describe('stopping', () => {
  it('answers what is in flight, then stops the store', async () => {
    const { store, asked, answer, stopped } = waitingStore()
    const { point, stream } = await start({ store })
    const response = stream.ask(discover('my-app'))
    await asked
    const stop = point.stop()
    await delay(50)
    expect(stopped()).toBe(false)
    answer()

    expect((await response)?.discoverResponse?.status).toBe(Status.OK)
    expect(await stream.ended).toBe('closed')
    await stop
    expect(stopped()).toBe(true)
  })

  it('takes no new requests meanwhile', async () => {
    const { store, asked, answer } = waitingStore()
    const { point, peer, stream, service } = await start({ store })
    const connection = peer.getConnections(point.peerId)[0]!
    const idle = await openStream(connection)
    await idle.ask(register('my-app', new Uint8Array()))
    stream.send(Buffer.concat([framed(discover('my-app')), framed(discover('my-app'))]))
    await asked
    const stop = service.stop()

    expect(await idle.ended).toBe('closed')
    await expect(openStream(connection)).rejects.toThrow()
    answer()
    expect((await stream.next())?.discoverResponse?.status).toBe(Status.OK)
    expect(await stream.next()).toBeUndefined()
    await stop
  })

  it('unregisters what has come to be unregistered', async () => {
    const { store, asked, answer } = waitingStore()
    const { stream, service, record } = await start({ store })
    expect((await stream.ask(register('my-app', record)))?.registerResponse?.status).toBe(Status.OK)
    stream.send(Buffer.concat([framed(discover('my-app')), framed(unregister('my-app'))]))
    await asked
    const stop = service.stop()
    await delay(50)
    answer()
    await stop

    expect(store.size.registrations).toBe(0)
  })

  it('does not take back a response with the end of its stream', async () => {
    for (let time = 0; time < 20; time++) {
      const { service, stream } = await start()
      const response = stream.ask(discover('my-app'))
      // in the very moment in which the response is on its way
      service.addEventListener('discover:served', () => { service.stop().catch(() => {}) })

      expect((await response)?.discoverResponse?.status).toBe(Status.OK)
      expect(await stream.ended).toBe('closed')
      await stopNodes()
    }
  })

  it('does not wait for those who do not close their streams', async () => {
    const { service, peer, point } = await start()
    const connection = peer.getConnections(point.peerId)[0]!
    const silent = await connection.newStream('/rendezvous/1.0.0')
    const half = await connection.newStream('/rendezvous/1.0.0')
    half.send(framed(discover('my-app')).slice(0, 5))
    await until(() => point.getConnections(peer.peerId).flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === '/rendezvous/1.0.0').length === 3)
    const begun = performance.now()
    await service.stop()

    expect(performance.now() - begun).toBeLessThan(2_000)
    await until(() => silent.status === 'reset' && half.status === 'reset')
  })

  it('does not wait for those over their limit', async () => {
    const { service, stream } = await start({ rateLimit: { requests: 1, interval: 60_000 }, requestTimeout: 60_000 })
    const refused = stream.ask(discover('my-app'))
    await until(() => stream.stream.writeBufferLength === 0)
    await delay(50)
    await service.stop()

    expect((await refused)?.discoverResponse?.status ?? Status.E_UNAVAILABLE).toBe(Status.E_UNAVAILABLE)
  })

  it('can be followed by a start', async () => {
    const { service, stream, peer, point, record } = await start()
    await stream.ask(register('my-app', record))
    await service.stop()
    await service.start()
    const again = await openStream(peer.getConnections(point.peerId)[0]!)

    expect((await again.ask(discover('my-app')))?.discoverResponse?.registrations).toHaveLength(1)
  })
})

describe('events', () => {
  it('tell of everything that happened', async () => {
    const events: Array<[string, unknown]> = []
    const { service, peer, stream, record } = await start({ minTtl: 1_000, maxDiscoverLimit: 10, authorize: ({ namespace }) => namespace !== 'closed' })

    for (const type of ['registration:added', 'registration:refreshed', 'registration:removed', 'registration:expired', 'registration:rejected', 'discover:served', 'discover:rejected'] as const) {
      service.addEventListener(type, event => { events.push([type, (event as CustomEvent).detail]) })
    }

    const before = Date.now()
    await stream.ask(register('my-app', record))
    await stream.ask(register('my-app', record))
    await stream.ask(register('closed', record))
    await stream.ask(register('', record))
    await stream.ask(discover('my-app'))
    await stream.ask(discover())
    await stream.ask(discover('closed'))
    stream.sendMessage(unregister('my-app'))
    stream.sendMessage(unregister('my-app'))
    await stream.ask(register('short', record, 1n))
    await until(() => events.at(-1)?.[0] === 'registration:expired')

    const about = { peer: expect.objectContaining({ publicKey: peer.peerId.publicKey }), namespace: 'my-app' }
    const registration = { ...about, expires: expect.any(Number) }
    const refused = { status: Status.E_NOT_AUTHORIZED, statusText: 'this point does not allow it' }
    expect(events).toEqual([
      ['registration:added', registration],
      ['registration:refreshed', registration],
      ['registration:rejected', { ...about, namespace: 'closed', ...refused }],
      ['registration:rejected', { ...about, namespace: '', status: Status.E_INVALID_NAMESPACE, statusText: 'a namespace is required' }],
      ['discover:served', { ...about, registrations: 1 }],
      ['discover:served', { ...about, namespace: undefined, registrations: 1 }],
      ['discover:rejected', { ...about, namespace: 'closed', ...refused }],
      ['registration:removed', registration],
      ['registration:added', { ...registration, namespace: 'short' }],
      ['registration:expired', { ...registration, namespace: 'short' }]
    ])
    expect((events[0]?.[1] as any).expires - before).toBeGreaterThanOrEqual(2 * 60 * 60 * 1000)
  })

  it('do not stop the point when a listener fails', async () => {
    const failures: unknown[] = []
    const onFailure = (error: unknown): void => { failures.push(error) }
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', onFailure)

    try {
      const { service, stream } = await start()
      service.addEventListener('discover:served', () => { throw new Error('of the application') })

      expect((await stream.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
      expect((await stream.ask(discover('my-app')))?.discoverResponse?.status).toBe(Status.OK)
      await until(() => failures.length === 2)
    } finally {
      process.off('uncaughtException', onFailure)
      others.forEach(listener => { process.on('uncaughtException', listener) })
    }
  })
})

describe('metrics', () => {
  /** Everything there is to count, once or twice. */
  async function live ({ peer, point, stream, record, service }: Fixture): Promise<void> {
    await stream.ask(register('my-app', record))
    await stream.ask(register('my-app', record))
    await stream.ask(register('other', record))
    await stream.ask(register('', record))
    await stream.ask(register('my-app', record, 1n))
    await stream.ask(discover('my-app'))
    await stream.ask(discover())
    await stream.ask(discover('my-app', { cookie: Uint8Array.of(1) }))
    stream.sendMessage(unregister('other'))
    stream.sendMessage(unregister('other'))
    await stream.ask(register('short', record, 10n))
    await until(() => service.size.namespaces === 1)

    for (const bytes of [framed(Uint8Array.of(0xff)), new Uint8Array(10).fill(0xff)]) {
      const bad = await openStream(peer.getConnections(point.peerId)[0]!)
      bad.send(bytes)
      await bad.ended
    }

    const large = await openStream(peer.getConnections(point.peerId)[0]!)
    large.send(Uint8Array.of(0x80, 0x80, 0x04))
    await large.ended
    const slow = await openStream(peer.getConnections(point.peerId)[0]!)
    slow.send(Uint8Array.of(5))
    await slow.ended
  }

  /** As short as a test needs one, and longer than the point's own clock is coarse. */
  const init = { minTtl: 2_000, requestTimeout: 100 }

  it('can be read by prometheus', async () => {
    const registry = new Registry()
    const fixture = await start({ ...init, store: expiringSoon() }, { metrics: prometheusMetrics({ registry, collectDefaultMetrics: false, preserveExistingMetrics: true }) })
    await live(fixture)
    const text = await registry.metrics()
    const lines = text.split('\n').filter(line => line.startsWith('libp2p_rendezvous_point'))

    expect(lines.sort()).toEqual([
      expect.stringMatching(/^libp2p_rendezvous_point_bytes \d+$/),
      'libp2p_rendezvous_point_namespaces 1',
      'libp2p_rendezvous_point_outcomes_total{outcome="discover:rejected"} 1',
      'libp2p_rendezvous_point_outcomes_total{outcome="discover:served"} 2',
      'libp2p_rendezvous_point_outcomes_total{outcome="nothing"} 1',
      'libp2p_rendezvous_point_outcomes_total{outcome="registration:added"} 3',
      'libp2p_rendezvous_point_outcomes_total{outcome="registration:expired"} 1',
      'libp2p_rendezvous_point_outcomes_total{outcome="registration:refreshed"} 1',
      'libp2p_rendezvous_point_outcomes_total{outcome="registration:rejected"} 2',
      'libp2p_rendezvous_point_outcomes_total{outcome="registration:removed"} 1',
      'libp2p_rendezvous_point_peers 1',
      'libp2p_rendezvous_point_refusals_total{status="E_INVALID_COOKIE"} 1',
      'libp2p_rendezvous_point_refusals_total{status="E_INVALID_NAMESPACE"} 1',
      'libp2p_rendezvous_point_refusals_total{status="E_INVALID_TTL"} 1',
      'libp2p_rendezvous_point_registrations 1',
      'libp2p_rendezvous_point_registrations_listed_total 3',
      'libp2p_rendezvous_point_streams_reset_total{reason="malformed"} 2',
      'libp2p_rendezvous_point_streams_reset_total{reason="oversized"} 1',
      'libp2p_rendezvous_point_streams_reset_total{reason="slow"} 1',
      'libp2p_rendezvous_point_subscriptions 0',
      'libp2p_rendezvous_point_update_bytes_total 0',
      'libp2p_rendezvous_point_updates_total 0',
      'libp2p_rendezvous_point_wake_ups_total 0'
    ])
  })

  it('can be read by simple-metrics', async () => {
    let latest: Record<string, any> = {}
    const fixture = await start({ ...init, store: expiringSoon() }, { metrics: readSimply(metrics => { latest = metrics }) })
    await live(fixture)
    await until(() => latest.libp2p_rendezvous_point_streams_reset_total?.slow === 1)

    expect(latest).toMatchObject({
      libp2p_rendezvous_point_registrations: 1,
      libp2p_rendezvous_point_namespaces: 1,
      libp2p_rendezvous_point_peers: 1,
      libp2p_rendezvous_point_registrations_listed_total: 3,
      libp2p_rendezvous_point_outcomes_total: {
        'registration:added': 3,
        'registration:refreshed': 1,
        'registration:removed': 1,
        'registration:expired': 1,
        'registration:rejected': 2,
        'discover:served': 2,
        'discover:rejected': 1,
        nothing: 1
      },
      libp2p_rendezvous_point_refusals_total: { E_INVALID_COOKIE: 1, E_INVALID_NAMESPACE: 1, E_INVALID_TTL: 1 },
      libp2p_rendezvous_point_streams_reset_total: { malformed: 2, oversized: 1, slow: 1 }
    })
  })

  /** simple-metrics 1.3 counts bytes on streams as they were before libp2p 3, and breaks those of today. */
  function readSimply (onMetrics: (metrics: Record<string, any>) => void): NonNullable<Libp2pOptions['metrics']> {
    return components => Object.assign(simpleMetrics({ onMetrics, intervalMs: 20 })(components as any), {
      trackMultiaddrConnection: () => {},
      trackProtocolStream: () => {}
    })
  }

  /** A store in which what is registered under `short` does not last. */
  function expiringSoon (): MemoryStore {
    const store = new MemoryStore()
    const register = store.register.bind(store)
    store.register = (registration, limits, now) => register(registration.namespace === 'short' ? { ...registration, ttl: 1 } : registration, limits, now)

    return store
  }
})

describe('limit:near', () => {
  it('tells that nine tenths of a limit are reached', async () => {
    const { stream, record, service } = await start({ maxNamespaces: 10 })
    const near: unknown[] = []
    service.addEventListener('limit:near', ({ detail }) => { near.push(detail) })

    for (let i = 1; i <= 10; i++) {
      await stream.ask(register(`namespace ${i}`, record))
    }

    expect(near).toEqual([{ limit: 'maxNamespaces', max: 10, size: 9 }])
  })
})

describe('isBehind', () => {
  it('is what the store says', async () => {
    const store = new MemoryStore()
    const { service } = await start({ store })
    expect(service.isBehind).toBe(false)
    Object.defineProperty(store, 'isBehind', { value: true })
    expect(service.isBehind).toBe(true)
  })
})

describe('the log', () => {
  it('tells the story of each request', async () => {
    const { logger, lines } = capturingLogger('libp2p:rendezvous:point')
    const { stream, peer, point, record } = await start({ maxNamespaces: 1 }, { logger })
    await stream.ask(register('my-app', record))
    await stream.ask(register('my-app', record))
    await stream.ask(register('other', record))
    await stream.ask(discover('my-app'))
    stream.sendMessage(unregister('my-app'))
    await stream.ask(discover())
    stream.sendMessage(Uint8Array.of(0xff))
    await stream.ended
    const flood = await openStream(peer.getConnections(point.peerId)[0]!)
    flood.stream.abort(new Error('never mind'))
    await until(() => lines.length === 9)

    const who = peer.peerId.toString()
    expect(lines).toEqual([
      expect.stringMatching(`^${who} registered in "my-app" until 20`),
      'maxNamespaces (1) is nearly reached: 1',
      expect.stringMatching(`^${who} registered again in "my-app" until 20`),
      `${who} may not register in "other": E_UNAVAILABLE, maxNamespaces (1) is reached`,
      `${who} was listed 1 of "my-app"`,
      `${who} unregistered from "my-app"`,
      `${who} was listed 0 of all namespaces`,
      expect.stringMatching(`^reset a stream of ${who}, malformed: Malformed message`),
      expect.stringMatching(`^a stream of ${who} ended: `)
    ])
  })

  it('says why this point could not do what it should', async () => {
    const { logger, lines } = capturingLogger('libp2p:rendezvous:point')
    const store = new MemoryStore()
    store.list = () => { throw new Error('the disk is gone') }
    const { stream, peer } = await start({ store }, { logger })
    await stream.ask(discover('my-app'))

    expect(lines).toEqual([
      `${peer.peerId} may not discover "my-app": E_UNAVAILABLE, the store of this point cannot be reached`,
      `could not answer ${peer.peerId}: the store of this point cannot be reached - Error: the disk is gone`
    ])
  })
})

describe('over TCP', () => {
  const overTcp: Libp2pOptions = { transports: [tcp()], addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } }

  it('answers, and survives what it gets', async () => {
    const { point, peer, stream, record } = await start({ rateLimit: false, requestTimeout: 200 }, overTcp, overTcp)
    const connection = peer.getConnections(point.peerId)[0]!
    expect((await stream.ask(register('my-app', record)))?.registerResponse?.status).toBe(Status.OK)

    const whole = framed(register('my-app', record))
    const cut = await Promise.all(Array.from({ length: 30 }, async (_, i) => {
      const attack = await openStream(connection)
      attack.send(whole.slice(0, Math.floor(i * whole.length / 30)))
      attack.stream.close().catch(() => {})

      return attack.next()
    }))
    expect(cut.every(response => response == null)).toBe(true)

    const large = await openStream(connection)
    large.send(Buffer.concat([Uint8Array.of(0x80, 0x80, 0x80, 0x08), new Uint8Array(16 * 1024 * 1024)]))
    expect(await large.ended).toBe('reset')

    const slow = await openStream(connection)
    slow.send(Uint8Array.of(200))
    expect(await slow.ended).toBe('reset')

    const pipelined = await openStream(connection)
    pipelined.send(Buffer.concat(Array.from({ length: 1_000 }, () => framed(discover('my-app')))))
    pipelined.stream.close().catch(() => {})
    let answered = 0

    while (await pipelined.next() != null) {
      answered++
    }

    expect(answered).toBe(1_000)
    expect((await stream.ask(discover('my-app')))?.discoverResponse?.registrations).toHaveLength(1)
  })

  it('is rid of a peer whose connection breaks', async () => {
    const { point, peer, stream } = await start({}, overTcp, overTcp)
    stream.send(framed(discover('my-app')).slice(0, 4))
    peer.getConnections(point.peerId)[0]?.abort(new Error('unplugged'))
    await until(() => point.getConnections(peer.peerId).length === 0)
    const begun = performance.now()
    await point.stop()

    expect(performance.now() - begun).toBeLessThan(400)
  })
})

describe('runOnLimitedConnection and protocol', () => {
  it('are what the node is told', async () => {
    const { point, service } = await start({ protocol: '/mine/1.0.0' }).catch(async () => {
      // nobody speaks the usual protocol there
      const point = await pointNode({ protocol: '/mine/1.0.0', runOnLimitedConnection: true })

      return { point, service: point.services.point as RendezvousPoint }
    })
    const handler = (point as any).components.registrar.getHandler('/mine/1.0.0')

    expect(service.protocol).toBe('/mine/1.0.0')
    expect(handler.options.runOnLimitedConnection).toBe(true)
    const usual = await pointNode()
    expect((usual as any).components.registrar.getHandler('/rendezvous/1.0.0').options.runOnLimitedConnection).not.toBe(true)
  })
})
