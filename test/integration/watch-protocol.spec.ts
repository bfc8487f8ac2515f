import { memory } from '@libp2p/memory'
import { tcp } from '@libp2p/tcp'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { connect, openStream } from '../fixtures/raw-stream.ts'
import { envelope, identity } from '../fixtures/records.ts'
import { discover, register, unregister } from '../fixtures/requests.ts'
import { examples, fields, hex, Watcher } from '../fixtures/watcher.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { RegistrationStore, RendezvousPointInit } from '../../src/index.ts'
import type { PlainNode, PointNode } from '../fixtures/nodes.ts'
import type { RawStream } from '../fixtures/raw-stream.ts'

afterEach(async () => { await stopNodes() })

/** Someone who registers. */
interface Registrant {
  id: string
  node: PlainNode
  record: Uint8Array
  stream: RawStream
}

async function registrant (point: PointNode): Promise<Registrant> {
  const me = await identity()
  const node = await plainNode({ privateKey: me.privateKey })

  return {
    id: hex(me.peerId.toMultihash().bytes),
    node,
    record: await envelope(me),
    stream: await openStream(await connect(node, point))
  }
}

async function start (init: RendezvousPointInit = {}): Promise<{ point: PointNode, alice: Registrant, watcher: Watcher }> {
  const point = await pointNode(init)
  const alice = await registrant(point)

  return { point, alice, watcher: await Watcher.open(await connect(await plainNode(), point)) }
}

async function registers ({ stream, record }: Registrant, namespace: string = 'chat'): Promise<void> {
  expect((await stream.ask(register(namespace, record)))?.registerResponse?.status).toBe('OK')
}

describe('the watch protocol', () => {
  it('is what the examples of its specification say, byte for byte', async () => {
    const { requests, events } = examples()
    const { watcher } = await start()
    const [subscribe, again, end, live] = requests as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    watcher.raw.send(subscribe)
    const { id, cookie } = await watcher.update()

    // but for the part of a cookie that means something to the point alone
    const expected = hex((events[0] as Uint8Array).slice(0, -12))
    expect(hex(Uint8Array.from([0x12, 0x0a, 0x10, 0x08, id, 0x3a, 0x0c]))).toBe(expected)
    expect(hex(cookie?.slice(8) as Uint8Array)).toBe(hex(Buffer.from('chat')))

    watcher.raw.send(Uint8Array.from([...again.slice(0, -12), ...cookie as Uint8Array]))
    expect(await watcher.update()).toMatchObject({ id: 2, resync: true, registrations: [] })
    watcher.raw.send(end)
    watcher.raw.send(live)
    expect(await watcher.event()).toEqual([2, new Uint8Array()])
  })

  it('tells of who is there, who comes, who comes again and who goes', async () => {
    const { alice, watcher } = await start()
    const [record] = [hex(alice.record)]
    await registers(alice)
    watcher.subscribe(7, 'chat')
    expect(await watcher.update()).toMatchObject({ id: 7, status: 0, registrations: [record], gone: [], resync: false, more: false })

    await registers(alice)
    expect(await watcher.update()).toMatchObject({ id: 7, registrations: [record], gone: [] })

    alice.stream.sendMessage(unregister('chat'))
    expect(await watcher.update()).toMatchObject({ id: 7, registrations: [], gone: [alice.id], resync: false })

    await registers(alice)
    expect(await watcher.update()).toMatchObject({ id: 7, registrations: [record], gone: [] })
  })

  it('has cookies that DISCOVER accepts, and accepts those of DISCOVER', async () => {
    const { alice, watcher } = await start()
    watcher.subscribe(1, 'chat')
    const { cookie } = await watcher.update()
    await registers(alice)

    const listed = await alice.stream.ask(discover('chat', { cookie }))
    expect(listed?.discoverResponse?.registrations).toHaveLength(1)

    watcher.subscribe(2, 'chat', listed?.discoverResponse?.cookie as Uint8Array)
    const updates = [await watcher.update(), await watcher.update()]
    expect(updates.find(({ id }) => id === 2)).toMatchObject({ registrations: [], resync: true })
  })

  it('tells a subscription with a cookie what came since', async () => {
    const { alice, point, watcher } = await start()
    await registers(alice)
    watcher.subscribe(1, 'chat')
    const { cookie } = await watcher.update()
    watcher.unsubscribe(1)
    const bob = await registrant(point)
    await registers(bob)

    watcher.subscribe(2, 'chat', cookie)
    expect(await watcher.update()).toMatchObject({ id: 2, registrations: [hex(bob.record)], resync: true })
  })

  it('tells of no namespace but those that are watched, and of none any more after the end', async () => {
    const { alice, watcher } = await start()
    watcher.subscribe(1, 'chat')
    watcher.subscribe(2, 'games')
    await watcher.update()
    await watcher.update()
    await registers(alice, 'elsewhere')
    await registers(alice, 'games')
    expect(await watcher.update()).toMatchObject({ id: 2, registrations: [hex(alice.record)] })

    watcher.unsubscribe(2)
    await registers(alice, 'games')
    await registers(alice, 'chat')
    expect(await watcher.update()).toMatchObject({ id: 1 })
  })

  it('refuses what DISCOVER refuses, and says why', async () => {
    const { watcher } = await start({ authorize: ({ namespace }) => namespace !== 'secret' })
    watcher.subscribe(1, '')
    expect(await watcher.update()).toMatchObject({ id: 1, status: 100, statusText: 'a namespace is required' })
    watcher.subscribe(2, 'news', Uint8Array.from([1, 2, 3]))
    expect(await watcher.update()).toMatchObject({ id: 2, status: 103, statusText: 'the cookie is malformed' })
    watcher.subscribe(3, 'chat', Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 1, ...Buffer.from('chat')]))
    expect(await watcher.update()).toMatchObject({ id: 3, status: 103, statusText: 'the cookie was made by another store' })
    watcher.subscribe(4, 'secret')
    expect(await watcher.update()).toMatchObject({ id: 4, status: 200 })
  })

  it('names the limit that a subscription is over', async () => {
    const { point, watcher } = await start({ maxSubscriptionsPerStream: 2, maxSubscriptionsPerConnection: 3, maxSubscriptions: 4 })
    const peer = await plainNode()
    const connection = await connect(peer, point)
    const [one, two] = [await Watcher.open(connection), await Watcher.open(connection)]

    for (const id of [1, 2]) {
      one.subscribe(id, `space ${id}`)
      expect(await one.update()).toMatchObject({ id, status: 0 })
    }

    one.subscribe(3, 'space 3')
    expect(await one.update()).toMatchObject({ id: 3, status: 400, statusText: 'maxSubscriptionsPerStream (2) is reached' })
    // in the place of another of its own
    one.subscribe(2, 'space 4')
    expect(await one.update()).toMatchObject({ id: 2, status: 0 })

    two.subscribe(1, 'space 1')
    expect(await two.update()).toMatchObject({ status: 0 })
    two.subscribe(2, 'space 2')
    expect(await two.update()).toMatchObject({ status: 400, statusText: 'maxSubscriptionsPerConnection (3) is reached' })

    watcher.subscribe(1, 'space 1')
    expect(await watcher.update()).toMatchObject({ status: 0 })
    watcher.subscribe(2, 'space 1')
    expect(await watcher.update()).toMatchObject({ status: 400, statusText: 'maxSubscriptions (4) is reached' })

    // what ends makes room
    await peer.stop()
    await expect.poll(async () => {
      watcher.subscribe(3, 'space 1')
      return (await watcher.update()).status
    }).toBe(0)
  })

  it('ends a subscription of a peer that may not discover any longer', async () => {
    let isAllowed = true
    const { alice, watcher } = await start({ authorize: ({ action }) => action === 'register' || isAllowed })
    watcher.subscribe(1, 'chat')
    expect(await watcher.update()).toMatchObject({ status: 0 })
    isAllowed = false
    const { point } = await start()
    expect(point).toBeDefined()
    await registers(alice)
    // the answer of a moment ago still holds
    expect(await watcher.update()).toMatchObject({ status: 0, registrations: [hex(alice.record)] })
  })

  it('resets the stream of who sends what is no message, and of nobody who sends what is of a later revision', async () => {
    const { point, watcher } = await start()
    watcher.send([0x22, 1, 0x61])
    watcher.subscribe(1, 'chat')
    expect(await watcher.update()).toMatchObject({ id: 1, status: 0 })

    const other = await Watcher.open(await connect(await plainNode(), point))
    other.send([0x08, 1])
    expect(await other.raw.ended).toBe('reset')

    const third = await Watcher.open(await connect(await plainNode(), point))
    third.raw.send(Uint8Array.from([0xff, 0xff, 0x03]))
    expect(await third.raw.ended).toBe('reset')
  })

  it('is not there where it is turned off', async () => {
    const point = await pointNode({ watch: false })

    await expect(Watcher.open(await connect(await plainNode(), point))).rejects.toMatchObject({ name: 'UnsupportedProtocolError' })
  })

  it('has a name that follows that of the protocol', async () => {
    const point = await pointNode({ protocol: '/private/rendezvous/2.0.0' })

    expect(point.getProtocols()).toContain('/private/rendezvous/watch/2.0.0')
  })
})

describe('presence', () => {
  it('ends the registrations of a live peer whose last connection has gone, and tells who watches', async () => {
    const { alice, watcher } = await start({ presence: { grace: 50 } })
    watcher.subscribe(1, 'chat')
    await watcher.update()
    await registers(alice)
    await watcher.update()
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    expect(await live.event()).toEqual([2, Uint8Array.from([0x0a, 4, ...Buffer.from('chat')])])

    await alice.node.stop()
    expect(await watcher.update()).toMatchObject({ gone: [alice.id], registrations: [] })
  })

  it('ends those of a peer that has fallen silent, as libp2p finds out', async () => {
    const point = await pointNode({ presence: { grace: 50 } }, {
      connectionMonitor: { enabled: true, pingInterval: 50, pingTimeout: { minTimeout: 500, maxTimeout: 500 } }
    })
    const alice = await registrant(point)
    await registers(alice)
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    await live.event()
    expect(point.services.point.size.registrations).toBe(1)
    // what arrives there is no longer answered
    await alice.node.handle('/ipfs/ping/1.0.0', () => {})

    await expect.poll(() => point.services.point.size.registrations, { timeout: 5_000 }).toBe(0)
  })

  it('keeps those of a peer until the last of its connections has gone', async () => {
    const { point, alice } = await start({ presence: { grace: 10 } })
    await registers(alice)
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    await live.event()
    const second = await alice.node.dial(point.getMultiaddrs(), { force: true })
    alice.node.getConnections().find(connection => connection !== second)?.abort(new Error('lost'))
    await expect.poll(() => point.getConnections(alice.node.peerId).length).toBe(1)
    await delay(50)
    expect(point.services.point.size.registrations).toBe(1)

    second.abort(new Error('lost'))
    await expect.poll(() => point.services.point.size.registrations).toBe(0)
  })

  it('tells a live peer of a registration of its own that made room for a network that has fewer', async () => {
    const overTcp = { addresses: { listen: ['/memory/displacing', '/ip4/127.0.0.1/tcp/0'] }, transports: [memory(), tcp()] }
    const point = await pointNode({ maxRegistrations: 2 }, overTcp)
    const alice = await registrant(point)
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    await live.event()
    await registers(alice, 'chat')
    await registers(alice, 'games')

    const me = await identity()
    const bob = await plainNode({ privateKey: me.privateKey, transports: [tcp()], addresses: { listen: [] } })
    const stream = await openStream(await bob.dial(point.getMultiaddrs().filter(address => address.toString().includes('tcp'))))
    expect((await stream.ask(register('chat', await envelope(me))))?.registerResponse?.status).toBe('OK')

    const [number, ended] = await live.event() ?? []
    expect(number).toBe(3)
    expect(fields(ended as Uint8Array).slice(0, 2)).toEqual([[1, Uint8Array.from(Buffer.from('games'))], [2, 400]])
  })

  it('tells who watches that a peer was evicted, and the peer itself if it is live', async () => {
    const { point, alice, watcher } = await start()
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    await live.event()
    await registers(alice, 'chat')
    watcher.subscribe(1, 'chat')
    expect((await watcher.update()).registrations).toHaveLength(1)

    expect(await point.services.point.evict(alice.node.peerId)).toBe(1)
    const [number, ended] = await live.event() ?? []
    expect(number).toBe(3)
    expect(fields(ended as Uint8Array).slice(0, 2)).toEqual([[1, Uint8Array.from(Buffer.from('chat'))], [2, 200]])
    expect(await watcher.update()).toMatchObject({ gone: [alice.id], registrations: [] })
    await registers(alice, 'chat')
  })

  it('tells the same of a namespace that is closed, in which nobody registers any more', async () => {
    const { point, alice, watcher } = await start()
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    await live.event()
    await registers(alice, 'chat')
    watcher.subscribe(1, 'chat')
    await watcher.update()

    expect(await point.services.point.closeNamespace('chat')).toBe(1)
    const [, ended] = await live.event() ?? []
    expect(fields(ended as Uint8Array).slice(0, 2)).toEqual([[1, Uint8Array.from(Buffer.from('chat'))], [2, 200]])
    expect(await watcher.update()).toMatchObject({ gone: [alice.id], registrations: [] })
    expect((await alice.stream.ask(register('chat', alice.record)))?.registerResponse?.status).toBe('E_NOT_AUTHORIZED')

    point.services.point.openNamespace('chat')
    await registers(alice, 'chat')
    expect((await watcher.update()).registrations).toHaveLength(1)
  })

  it('keeps those of a peer that is back before a slow store has said what they are', async () => {
    const store = new MemoryStore()
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const slow = new Proxy(store as RegistrationStore, {
      get: (target, key) => {
        const value = target[key as keyof RegistrationStore]

        return typeof value !== 'function'
          ? value
          : key !== 'registrationsOf'
            ? value.bind(target)
            : async (...args: [string, number]) => {
              asked.resolve()
              await answer.promise

              return store.registrationsOf(...args)
            }
      }
    })
    const { point, alice } = await start({ store: slow, presence: { grace: 10 } })
    await registers(alice)
    const live = await Watcher.open(alice.node.getConnections()[0] as any)
    live.live(true)
    await asked.promise
    alice.node.getConnections()[0]?.abort(new Error('lost'))
    await expect.poll(() => point.getConnections().length).toBe(1)
    await delay(50)
    await connect(alice.node, point)
    answer.resolve()
    await delay(50)

    expect(store.size.registrations).toBe(1)
  })

  it('keeps those of a peer that did not ask for it, or where it is turned off', async () => {
    for (const [presence, live] of [[{ grace: 10 }, false], [false, true]] as const) {
      const { point, alice } = await start({ presence })
      await registers(alice)

      if (live) {
        (await Watcher.open(alice.node.getConnections()[0] as any)).live(true)
      }

      await alice.node.stop()
      await expect.poll(() => point.getConnections().length).toBe(1)
      await delay(50)
      expect(point.services.point.size.registrations).toBe(1)
    }
  })
})
