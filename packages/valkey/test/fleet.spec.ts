import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { allEvents, nextEvent } from '../../../test/fixtures/events.ts'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../../../test/fixtures/nodes.ts'
import { valkeyStore } from '../src/index.ts'
import { describeServers, startServer } from './servers.ts'
import type { Server } from './servers.ts'
import type { ClientNode, PointNode } from '../../../test/fixtures/nodes.ts'
import type { Libp2pOptions } from 'libp2p'
import type { RegistrationStore, RendezvousClientInit, RendezvousPointInit, StoreLimits } from 'libp2p-rendezvous'

const MINUTE = 60_000

describe('two points over one store', () => {
  describeServers(kind => {
    let server: Server
    let prefix: string
    let stores = 0

    beforeAll(async () => { server = await startServer(kind) })
    afterAll(async () => { await server?.destroy() })
    beforeEach(() => { prefix = `store-${++stores}` })
    afterEach(stopNodes)

    const store = (): RegistrationStore => valkeyStore({ client: server.client(), prefix })

    async function twoPoints (init: RendezvousPointInit = {}): Promise<[PointNode, PointNode]> {
      return Promise.all([pointNode({ ...init, store: store() }), pointNode({ ...init, store: store() })])
    }

    /** A node that looks for others only when it is told, or asks. */
    async function client (points: PointNode[], init: RendezvousClientInit = {}, options?: Libp2pOptions): Promise<ClientNode> {
      return clientNode({ points: points.map(addressOf), discoverInterval: 60 * MINUTE, ...init }, options)
    }

    async function listedAt (point: PointNode): Promise<string[]> {
      const visitor = await client([point])
      const listed = await collect(visitor.services.rendezvous.discover('chat'))

      return listed.map(({ id }) => id.toString()).sort()
    }

    const soon: typeof expect.poll = condition => expect.poll(condition, { timeout: 20_000 })

    const ids = (nodes: Array<PointNode | ClientNode>): string[] => nodes.map(({ peerId }) => peerId.toString()).sort()
    const found = (node: ClientNode): string[] => node.services.rendezvous.discovered.map(({ id }) => id.toString()).sort()

    it('list, tell and count ten clients, whichever of them each is at', async () => {
      const points = await twoPoints()
      const clients = await Promise.all(Array.from({ length: 10 }, async (_, i) => client([points[i % 2] as PointNode], { namespaces: ['chat'] })))

      for (const one of clients) {
        await soon(() => found(one)).toEqual(ids(clients.filter(other => other !== one)))
      }

      for (const point of points) {
        expect(await listedAt(point)).toEqual(ids(clients))
        expect(point.services.point.size).toMatchObject({ registrations: 10, namespaces: 1, peers: 10 })
      }
    })

    it('go on where a cookie of the other ends', async () => {
      const [one, two] = await twoPoints()
      const clients = []

      for (const point of [one, two, one, two]) {
        const registrant = await client([point])
        await registrant.services.rendezvous.register('chat')
        clients.push(registrant)
      }

      const [first, second] = await Promise.all([client([one]), client([two])])
      const page = await first.services.rendezvous.discoverPage('chat', { point: one.peerId, limit: 2 })
      const rest = await second.services.rendezvous.discoverPage('chat', { point: two.peerId, cookie: page.cookie as Uint8Array })
      expect([...page.peers, ...rest.peers].map(({ id }) => id.toString())).toEqual(clients.map(({ peerId }) => peerId.toString()))

      const late = await client([one])
      await late.services.rendezvous.register('chat')
      const news = await first.services.rendezvous.discoverPage('chat', { point: one.peerId, cookie: rest.cookie as Uint8Array })
      expect(news.peers.map(({ id }) => id.toString())).toEqual(ids([late]))
    })

    it('tell of who unregisters at the other', async () => {
      const [one, two] = await twoPoints()
      const watcher = await client([one], { namespaces: ['chat'] })
      const leaver = await client([two], { namespaces: ['chat'] })
      await soon(() => found(watcher)).toEqual(ids([leaver]))
      const gone = nextEvent(watcher.services.rendezvous, 'peer:expired')
      await leaver.services.rendezvous.unregister('chat')

      expect((await gone).id.equals(leaver.peerId)).toBe(true)
    })

    it('keep a client that moves from one to the other within the grace, and end one that has left both', async () => {
      const [one, two] = await twoPoints({ presence: { grace: 300 } })
      const removed = [one, two].map(point => allEvents(point.services.point, 'registration:removed'))
      const watcher = await client([two], { discover: ['chat'] })
      const outOfReach: string[] = []
      const mover = await client([one, two], { register: ['chat'] }, { connectionGater: { denyDialMultiaddr: address => outOfReach.some(peer => address.toString().includes(peer)) } })
      const expired = allEvents(watcher.services.rendezvous, 'peer:expired')
      await soon(() => found(watcher)).toEqual(ids([mover]))
      await soon(async () => server.pointsOf(prefix, mover.peerId.toString())).toBe(2)

      outOfReach.push(one.peerId.toString())
      mover.getConnections(one.peerId).forEach(connection => { connection.abort(new Error('lost')) })
      await soon(async () => server.pointsOf(prefix, mover.peerId.toString())).toBe(1)
      expect(await listedAt(one)).toEqual(ids([mover]))
      expect([...expired, ...removed.flat()]).toEqual([])

      outOfReach.push(two.peerId.toString())
      mover.getConnections().forEach(connection => { connection.abort(new Error('lost')) })
      await soon(() => expired.length).toBe(1)
      expect(removed.map(events => events.length)).toEqual([0, 1])
      expect(await listedAt(one)).toEqual([])
    })

    it('tell a client that has made room, also for one that registered at the other', async () => {
      const [one, two] = await Promise.all(['203.0/113/1', '192.0/2/1'].map(async network => pointNode({ store: store(), maxRegistrationsPerNamespace: 2, networkOf: () => network }))) as [PointNode, PointNode]
      const [older, younger, newcomer] = [await client([one]), await client([one]), await client([two])]
      await older.services.rendezvous.register('chat')
      await younger.services.rendezvous.register('chat')
      await soon(async () => server.pointsOf(prefix, younger.peerId.toString())).toBe(1)
      const told = nextEvent(younger.services.rendezvous, 'registration:failed')
      await newcomer.services.rendezvous.register('chat')

      expect((await told).namespace).toBe('chat')
      expect(await listedAt(one)).toEqual(ids([older, newcomer]))
    })

    /** Has ten clients, five at each point, ask for 200 registrations at the same time; answers how many each of the points has granted. */
    async function race (points: [PointNode, PointNode]): Promise<number[]> {
      const clients = await Promise.all(Array.from({ length: 10 }, async (_, i) => client([points[i % 2] as PointNode])))
      const outcomes = await Promise.allSettled(clients.flatMap((one, i) => Array.from({ length: 20 }, async (_, j) => one.services.rendezvous.register(`space-${i}-${j}`))))
      const isGranted = outcomes.map(({ status }) => status === 'fulfilled')
      expect(outcomes.flatMap(outcome => outcome.status === 'rejected' ? [outcome.reason.name] : []).filter(name => name !== 'UnavailableError')).toEqual([])

      return [0, 1].map(point => isGranted.filter((isGranted, i) => isGranted && Math.floor(i / 20) % 2 === point).length)
    }

    it('keep a limit when ten clients ask both of them for 200 registrations at the same time', async () => {
      const points = await twoPoints({ maxRegistrations: 50, networkOf: () => '192.0/2/1' })
      const [one = 0, two = 0] = await race(points)
      expect(one + two).toBe(50)
      await Promise.all(points.map(async point => listedAt(point)))
      expect(points.map(point => point.services.point.size.registrations)).toEqual([50, 50])
    })

    it('share fairly between the networks of their clients when these ask for 200 registrations at the same time', async () => {
      const points = await Promise.all(['203.0/113/1', '192.0/2/1'].map(async network => pointNode({ store: store(), maxRegistrations: 50, networkOf: () => network }))) as [PointNode, PointNode]
      await race(points)
      const own = valkeyStore({ client: server.client(), prefix })
      await own.start?.()
      const networks = (await own.list({ limit: 100 }, Date.now()))?.registrations.map(({ network }) => network) ?? []
      await own.stop?.()
      expect(networks).toHaveLength(50)
      // by their bytes, which differ by some from one record to the other
      expect(Math.abs(networks.filter(network => network === '192.0/2/1').length - 25)).toBeLessThanOrEqual(1)
    })

    it('take a point that has stopped for none that a client is live at', async () => {
      const [one, two] = await twoPoints({ presence: { grace: 300 } })
      let isOut = false
      const leaver = await client([one, two], { register: ['chat'] }, { connectionGater: { denyDialMultiaddr: () => isOut } })
      await soon(async () => server.pointsOf(prefix, leaver.peerId.toString())).toBe(2)
      isOut = true
      await one.stop()
      const removed = nextEvent(two.services.point, 'registration:removed')
      leaver.getConnections().forEach(connection => { connection.abort(new Error('lost')) })

      expect((await removed).peer.equals(leaver.peerId)).toBe(true)
    })
  })
})

describe('two stores that share', () => {
  describeServers(kind => describe.each([1, 4, 16])('in %d partitions', partitions => {
    let server: Server
    let prefixes = 0

    beforeAll(async () => { server = await startServer(kind) })
    afterAll(async () => { await server?.destroy() })

    const NO_LIMITS: StoreLimits = { maxRegistrationsPerPeer: 1e6, maxRegistrationsPerNamespace: 1e6, maxNamespaces: 1e6, maxRegistrations: 1e6, maxBytes: 1e12 }

    it.each(['maxRegistrationsPerPeer', 'maxRegistrationsPerNamespace', 'maxNamespaces', 'maxRegistrations', 'maxBytes'] as const)('keep %s when 200 requests race', async limit => {
      const prefix = `store-${++prefixes}`
      const stores = [valkeyStore({ client: server.client(), prefix, partitions }), valkeyStore({ client: server.client(), prefix, partitions })] as const
      await Promise.all(stores.map(async store => store.start?.()))
      const limits = { ...NO_LIMITS, [limit]: limit === 'maxBytes' ? 10 * (830 + 60) : 10 }
      const results = await Promise.all(Array.from({ length: 200 }, async (_, i) => (stores[i % 2] as RegistrationStore).register({
        namespace: limit === 'maxRegistrationsPerNamespace' ? 'space' : `space-${i}`,
        peer: limit === 'maxRegistrationsPerPeer' ? 'peer' : `peer-${i}`,
        signedPeerRecord: new Uint8Array(60),
        domain: 'libp2p-peer-record',
        network: '192.0/2/1',
        ttl: 60 * MINUTE
      }, limits, Date.now())))

      const granted = results.filter(result => !('limit' in result)).length
      expect(results.filter(result => 'limit' in result && result.limit === limit)).toHaveLength(200 - granted)

      if (partitions === 1 || limit === 'maxRegistrationsPerPeer' || limit === 'maxRegistrationsPerNamespace') {
        expect(granted).toBe(10)
      } else {
        // each partition goes by what it last knew of the others
        expect(granted).toBeGreaterThanOrEqual(10)
      }

      await Promise.all(stores.map(async store => store.expire(Date.now(), 10)))
      expect(stores.map(({ size }) => size.registrations)).toEqual([granted, granted])
      await Promise.all(stores.map(async store => store.stop?.()))
    })

    it('share fairly between networks when 200 requests race', async () => {
      const prefix = `store-${++prefixes}`
      const stores = [valkeyStore({ client: server.client(), prefix, partitions }), valkeyStore({ client: server.client(), prefix, partitions })] as const
      await Promise.all(stores.map(async store => store.start?.()))
      const limits = { ...NO_LIMITS, maxRegistrationsPerNamespace: 50 }
      await Promise.all(Array.from({ length: 200 }, async (_, i) => (stores[i % 2] as RegistrationStore).register({
        namespace: 'space',
        peer: i % 5 === 0 ? `honest-${i}` : `attacker-${i}`,
        signedPeerRecord: new Uint8Array(60),
        domain: 'libp2p-peer-record',
        network: i % 5 === 0 ? `10.${i}/0/1` : `203.0/${i % 7}/${i}`,
        ttl: 60 * MINUTE
      }, limits, Date.now())))

      for (const store of stores) {
        const peers = (await store.list({ namespace: 'space', limit: 100 }, Date.now()))?.registrations.map(({ peer }) => peer) ?? []
        expect(peers).toHaveLength(50)
        expect(peers.filter(peer => peer.startsWith('honest'))).toHaveLength(40)
        await store.stop?.()
      }
    })
  }))
})
