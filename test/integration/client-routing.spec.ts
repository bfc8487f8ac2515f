import { once } from 'node:events'
import { createServer } from 'node:http'
import { peerRoutingSymbol } from '@libp2p/interface'
import { base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentNamespace, peerNamespace } from '../../src/index.ts'
import { Message } from '../../src/protocol/message.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { capturingLogger } from '../fixtures/log.ts'
import { addressOf, clientNode, collect, plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeer, makePeers, seal } from '../fixtures/peers.ts'
import { granted, listing, page, rawPoint, scriptedPoint } from '../fixtures/scripted-point.ts'
import type { ClientNode, PointNode } from '../fixtures/nodes.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { ScriptedPoint } from '../fixtures/scripted-point.ts'
import type { RendezvousClientInit } from '../../src/index.ts'
import type { PeerId } from '@libp2p/interface'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

const { MessageType } = Message
const NEVER = new Promise<undefined>(() => {})

/** A block by CIDs of both versions and two codecs. */
const v0 = CID.parse('QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn')
const v1 = v0.toV1()
const raw = CID.createV1(0x55, v0.multihash)
const other = CID.parse('QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n')

describe('a client with routing', () => {
  let servers: Server[]

  beforeEach(() => { servers = [] })

  afterEach(async () => {
    await stopNodes()
    servers.forEach(server => { server.close() })
  })

  /** A node that is registered under its own id by the time it is returned. */
  async function registered (points: Array<PointNode | ScriptedPoint>, init: RendezvousClientInit = {}): Promise<ClientNode> {
    const node = await clientNode({ points: points.map(pointAddress), routing: true, ...init }, { start: false })
    const events = points.map(async point => nextEvent(node.services.rendezvous, 'registration:granted', detail => detail.namespace === node.peerId.toString() && detail.point.equals('node' in point ? point.node.peerId : point.peerId)))
    await node.start()
    await Promise.all(events)

    return node
  }

  async function seeker (points: Array<PointNode | ScriptedPoint>, init: RendezvousClientInit = {}, options = {}): Promise<ClientNode> {
    return clientNode({ points: points.map(pointAddress), routing: true, ...init }, options)
  }

  function pointAddress (point: PointNode | ScriptedPoint): string {
    return 'node' in point ? point.address : addressOf(point)
  }

  /** What a point was asked for, but not this node's own registration. */
  function discovered ({ requests }: ScriptedPoint): Array<string | undefined> {
    return requests.filter(({ type }) => type === MessageType.DISCOVER).map(({ discover }) => discover?.ns)
  }

  async function stored (node: ClientNode, peerId: PeerId): Promise<Array<[string, boolean]>> {
    return node.peerStore.get(peerId).then(({ addresses }) => addresses.map(({ multiaddr, isCertified }) => [multiaddr.toString(), isCertified]), () => [])
  }

  /** A server that names these. */
  async function registry (answer: (path: string) => object[]): Promise<{ url: string, paths: string[] }> {
    const paths: string[] = []
    const server = createServer(({ url = '' }, response) => {
      paths.push(url)
      const records = answer(url)
      response.writeHead(records.length === 0 ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(url.includes('/peers/') ? { Peers: records } : { Providers: records }))
    }).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')

    return { paths, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  async function record (peer: Peer, fields: object = {}): Promise<object> {
    return { Schema: 'peer', ID: peer.peerId.toString(), Addrs: ['/ip4/192.0.2.9/tcp/9'], SignedPeerRecord: base64url.encode(await seal(peer)), ...fields }
  }

  describe('findPeer', () => {
    it('and dial reach a node that nobody but the point knows', async () => {
      const point = await pointNode()
      const bob = await registered([point])
      const alice = await seeker([point])

      const { id, multiaddrs } = await alice.peerRouting.findPeer(bob.peerId)
      expect(id.equals(bob.peerId)).toBe(true)
      expect(multiaddrs.map(multiaddr => `${multiaddr}/p2p/${bob.peerId}`)).toEqual(bob.getMultiaddrs().map(String))

      const carol = await seeker([point])
      const connection = await carol.dial(bob.peerId)
      expect(connection.remotePeer.equals(bob.peerId)).toBe(true)
    })

    it('has certified addresses in the peer store, each once', async () => {
      const point = await pointNode()
      const bob = await registered([point])
      const alice = await seeker([point])
      const { multiaddrs } = await alice.peerRouting.findPeer(bob.peerId)

      expect(await stored(alice, bob.peerId)).toEqual([[multiaddrs[0]?.toString(), true]])
    })

    it('tells the users of the client of nobody', async () => {
      const point = await pointNode()
      const bob = await registered([point])
      const alice = await seeker([point])
      const found = allEvents(alice.services.rendezvous, 'peer')
      await alice.peerRouting.findPeer(bob.peerId)

      expect(found).toEqual([])
      expect(alice.services.rendezvous.discovered).toEqual([])
    })

    it('says in the log how it went', async () => {
      const { logger, lines } = capturingLogger('libp2p:rendezvous:client')
      const [bob, carol] = await makePeers(2) as [Peer, Peer]
      const point = await scriptedPoint(listing(async () => [await listed(bob, bob.peerId.toString())]))
      const alice = await seeker([point], {}, { logger })
      await alice.peerRouting.findPeer(bob.peerId)
      await alice.peerRouting.findPeer(bob.peerId)
      await expect(alice.peerRouting.findPeer(carol.peerId)).rejects.toThrow()

      expect(lines).toEqual(expect.arrayContaining([
        expect.stringMatching(`asking (connected|configured) points for ${bob.peerId}`),
        `${point.node.peerId} found ${bob.peerId} for ${bob.peerId}`,
        `${bob.peerId} is known: it is in the peer store`,
        `nobody knows ${carol.peerId}`
      ]))
    })

    it('asks nobody where the peer is known already', async () => {
      const [stranger, found] = await makePeers(2) as [Peer, Peer]
      const point = await scriptedPoint(listing(async () => [await listed(found, 'ns')]))
      const connected = await plainNode()
      const alice = await seeker([point])
      await alice.dial(connected.getMultiaddrs())
      await collect(alice.services.rendezvous.discover('ns'))
      const before = discovered(point).length

      // each in another place: a connection, the peer store, what was discovered, the points
      await alice.peerStore.delete(connected.peerId)
      await alice.peerStore.save(stranger.peerId, { multiaddrs: connected.getMultiaddrs() })
      await alice.peerStore.delete(found.peerId)

      for (const id of [connected.peerId, stranger.peerId, found.peerId, point.node.peerId]) {
        expect((await alice.peerRouting.findPeer(id)).multiaddrs).not.toEqual([])
      }

      expect(discovered(point)).toHaveLength(before)
      // and asks where it is told not to go by what is known
      await alice.peerRouting.findPeer(found.peerId, { useCache: false }).catch(() => {})
      expect(discovered(point)).toContain(found.peerId.toString())
    })

    it('asks nobody where it is told not to', async () => {
      const point = await scriptedPoint(listing(() => []))
      const alice = await seeker([point])

      await expect(alice.peerRouting.findPeer((await makePeer()).peerId, { useNetwork: false })).rejects.toThrow(expect.objectContaining({ name: 'NotFoundError' }))
      expect(discovered(point)).toEqual([])
    })

    it('believes a point only records of the peer that is looked for', async () => {
      const [bob, mallory] = await makePeers(2) as [Peer, Peer]
      const namespace = bob.peerId.toString()
      const forged = await listed(mallory, namespace, { about: bob.peerId })
      const mallorys = await listed(mallory, namespace)
      const point = await scriptedPoint(() => page([forged, mallorys]))
      const alice = await seeker([point])

      await expect(alice.peerRouting.findPeer(bob.peerId)).rejects.toThrow(expect.objectContaining({ name: 'NotFoundError' }))
      expect(await stored(alice, mallory.peerId)).toEqual([])
      expect(await stored(alice, bob.peerId)).toEqual([])
    })

    it('finds a peer behind others who have registered under its id, and gives up when there is no end of them', async () => {
      const [bob, ...others] = await makePeers(3) as [Peer, ...Peer[]]
      const namespace = bob.peerId.toString()
      const squatters = await Promise.all(others.map(async peer => listed(peer, namespace)))
      const bobs = await listed(bob, namespace)
      const crowded = await scriptedPoint(listing(() => [...Array.from({ length: 1_500 }, (_, i) => squatters[i % 2]!), bobs]))
      const alice = await seeker([crowded])

      await alice.peerRouting.findPeer(bob.peerId)

      const endless = await scriptedPoint(({ message, index }) => message.type === MessageType.REGISTER ? granted() : page(Array.from({ length: Number(message.discover!.limit) }, () => squatters[0]!), Uint8Array.of(index)))
      const carol = await seeker([endless])
      await expect(carol.peerRouting.findPeer(bob.peerId)).rejects.toThrow(expect.objectContaining({ name: 'NotFoundError' }))
      expect(discovered(endless).length).toBeLessThan(10)
    })

    it('waits for no point that does not answer', async () => {
      const bob = await makePeer()
      const hanging = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? granted() : NEVER)
      const knowing = await scriptedPoint(listing(async () => [await listed(bob, bob.peerId.toString())]))
      const alice = await seeker([hanging, knowing], { timeout: 60_000 })
      await expect.poll(() => alice.getConnections(hanging.node.peerId)).toHaveLength(1)
      // the one that knows is to be dialled first
      await Promise.all(alice.getConnections(knowing.node.peerId).map(async connection => connection.close()))

      expect((await alice.peerRouting.findPeer(bob.peerId)).id.equals(bob.peerId)).toBe(true)
    })

    it('ends when its caller aborts, and when the node stops', async () => {
      const point = await rawPoint(() => {})
      const alice = await seeker([point], { timeout: 60_000, live: false })
      const { peerId } = await makePeer()
      const caller = new AbortController()
      const aborted = alice.dial(peerId, { signal: caller.signal })
      const stopped = alice.dial(peerId)
      await expect.poll(() => point.streams.length).toBeGreaterThan(0)
      caller.abort()
      await expect(aborted).rejects.toThrow()

      const ended = expect(stopped).rejects.toThrow()
      await alice.stop()
      await ended
    })

    it('ends when it has taken as long as a request may', async () => {
      const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER ? granted() : NEVER)
      const alice = await seeker([point], { timeout: 300 })
      const { [peerRoutingSymbol]: routing } = alice.services.rendezvous as any

      await expect(routing.findPeer((await makePeer()).peerId)).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }))
    })

    it('reaches points that are dialled by their id, side by side', async () => {
      const one = await pointNode()
      const two = await pointNode()
      const alice = await clientNode({ points: [one, two].map(addressOf), routing: true }, { start: false })
      await alice.start()
      await Promise.all(alice.getConnections().map(async connection => connection.close()))
      const connections = await Promise.all([one, two].map(async ({ peerId }) => alice.dial(peerId)))

      expect(connections.map(({ remotePeer }) => remotePeer.toString())).toEqual([one, two].map(({ peerId }) => peerId.toString()))
    })

    it('does not ask where a connected point is of itself', async () => {
      const point = await scriptedPoint(listing(() => []))
      const alice = await seeker([point])
      await expect.poll(() => point.requests.length).toBeGreaterThan(0)
      await expect(alice.peerRouting.findPeer(point.node.peerId, { useCache: false })).rejects.toThrow()

      expect(discovered(point)).not.toContain(point.node.peerId.toString())
    })
  })

  describe('registers the node under its own id', () => {
    it('beside what it is told to, and looks through that for nobody', async () => {
      const point = await scriptedPoint(listing(() => []))
      const alice = await registered([point], { namespaces: ['my-app'], discoverInterval: 50 })
      await expect.poll(() => discovered(point).filter(namespace => namespace === 'my-app').length).toBeGreaterThan(2)

      expect(alice.services.rendezvous.registrations.map(({ namespace }) => namespace).sort()).toEqual([alice.peerId.toString(), 'my-app'].sort())
      expect(discovered(point)).not.toContain(alice.peerId.toString())
      expect(peerNamespace(alice.peerId)).toBe(alice.peerId.toString())
    })

    it('when it gets an address, and takes it back when it stops', async () => {
      const point = await pointNode()
      const events = allEvents(point.services.point, 'registration:added')
      const alice = await clientNode({ points: [addressOf(point)], routing: true, addressFilter: () => hasAddress }, { start: false })
      let hasAddress = false
      const failed = nextEvent(alice.services.rendezvous, 'registration:failed')
      await alice.start()
      expect((await failed).error.name).toBe('NoAddressesError')
      expect(events).toEqual([])

      hasAddress = true
      const granted = nextEvent(alice.services.rendezvous, 'registration:granted')
      const { components } = alice as any
      components.events.safeDispatchEvent('self:peer:update', { detail: { peer: await alice.peerStore.get(alice.peerId) } })
      expect((await granted).namespace).toBe(alice.peerId.toString())

      const removed = nextEvent(point.services.point, 'registration:removed')
      await alice.stop()
      expect((await removed).namespace).toBe(alice.peerId.toString())
    })

    it('only if routing is on, and is no router otherwise', async () => {
      const point = await pointNode()
      const alice = await clientNode({ points: [addressOf(point)] })
      await alice.services.rendezvous.register('ns')

      expect(alice.services.rendezvous.registrations.map(({ namespace }) => namespace)).toEqual(['ns'])
      await expect(alice.peerRouting.findPeer((await makePeer()).peerId)).rejects.toThrow(expect.objectContaining({ name: 'NoPeerRoutersError' }))
      await expect(alice.contentRouting.provide(v0)).rejects.toThrow(expect.objectContaining({ name: 'NoContentRoutersError' }))
    })
  })

  describe('provide and findProviders', () => {
    it('meet at a block, by whatever CID it is named', async () => {
      const point = await pointNode()
      const bob = await seeker([point])
      const carol = await seeker([point])
      const alice = await seeker([point])
      await bob.contentRouting.provide(v0)
      await carol.contentRouting.provide(raw)

      for (const cid of [v0, v1, raw]) {
        const providers = await collect(alice.contentRouting.findProviders(cid))
        expect(providers.map(({ id }) => id.toString()).sort()).toEqual([bob, carol].map(({ peerId }) => peerId.toString()).sort())
        expect(providers[0]?.multiaddrs).toHaveLength(1)
        expect(providers[0]?.routing).toBe('libp2p-rendezvous')
      }

      expect(await collect(alice.contentRouting.findProviders(other))).toEqual([])
      // who has it knows that it has it
      expect((await collect(bob.contentRouting.findProviders(v0))).map(({ id }) => id.toString())).toEqual([carol.peerId.toString()])
    })

    it('go on until cancelReprovide', async () => {
      const point = await pointNode()
      const bob = await seeker([point])
      const alice = await seeker([point])
      await bob.contentRouting.provide(v0)
      expect(bob.services.rendezvous.registrations.map(({ namespace }) => namespace)).toContain(contentNamespace(v0))

      const removed = nextEvent(point.services.point, 'registration:removed')
      await bob.contentRouting.cancelReprovide(raw)
      expect((await removed).namespace).toBe(contentNamespace(v0))
      expect(bob.services.rendezvous.registrations.map(({ namespace }) => namespace)).not.toContain(contentNamespace(v0))
      expect(await collect(alice.contentRouting.findProviders(v0))).toEqual([])
    })

    it('name each provider of several points once, and no more than a hundred', async () => {
      const peers = await makePeers(120)
      const registrations = await Promise.all(peers.map(async peer => listed(peer, contentNamespace(v0))))
      const points = [await scriptedPoint(listing(() => registrations.slice(0, 5))), await scriptedPoint(listing(() => registrations.slice(3, 8)))]
      const alice = await seeker(points)
      const providers = (await collect(alice.contentRouting.findProviders(v0))).map(({ id }) => id.toString())
      expect(providers.sort()).toEqual(peers.slice(0, 8).map(({ peerId }) => peerId.toString()).sort())

      const many = await seeker([await scriptedPoint(listing(() => registrations))])
      expect(await collect(many.contentRouting.findProviders(v0))).toHaveLength(100)
    })

    it('do without a point that fails, and have nobody where all do', async () => {
      const bob = await makePeer()
      const broken = await scriptedPoint(() => new Uint8Array([0xff, 0xff]))
      const working = await scriptedPoint(listing(async () => [await listed(bob, contentNamespace(v0))]))

      expect(await collect((await seeker([broken, working])).contentRouting.findProviders(v0))).toHaveLength(1)
      expect(await collect((await seeker([broken])).contentRouting.findProviders(v0))).toEqual([])
    })

    it('have nothing to say of a CID that is the block itself', async () => {
      const point = await scriptedPoint(listing(() => []))
      const alice = await seeker([point], { live: false })
      const inline = CID.parse('bafkqabtimvwgy3yk')
      await alice.contentRouting.provide(inline)
      await alice.contentRouting.cancelReprovide(inline)
      expect(await collect(alice.contentRouting.findProviders(inline))).toEqual([])

      expect(discovered(point)).toEqual([])
      expect(alice.services.rendezvous.registrations.map(({ namespace }) => namespace)).not.toContain(contentNamespace(inline))
    })
  })

  describe('asks registries', () => {
    it('when no point knows, and certifies what the peer has signed', async () => {
      const bob = await makePeer()
      const point = await scriptedPoint(listing(() => []))
      const { url, paths } = await registry(() => [recordOfBob])
      const recordOfBob = await record(bob)
      const alice = await seeker([point], { registries: [url] })
      const { multiaddrs } = await alice.peerRouting.findPeer(bob.peerId)

      expect(multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/4001'])
      expect(await stored(alice, bob.peerId)).toEqual([['/ip4/192.0.2.1/tcp/4001', true]])
      expect(discovered(point)).toContain(bob.peerId.toString())
      expect(paths).toEqual([`/routing/v1/peers/${bob.peerId.toCID()}`])
    })

    it('only when no point knows', async () => {
      const point = await pointNode()
      const bob = await registered([point])
      const { url, paths } = await registry(() => [])
      const alice = await seeker([point], { registries: [url] })
      await alice.peerRouting.findPeer(bob.peerId)

      expect(paths).toEqual([])
    })

    it('also where there is no point, and dials whom they name', async () => {
      const bob = await plainNode()
      const { url } = await registry(() => [{ Schema: 'peer', ID: bob.peerId.toString(), Addrs: bob.getMultiaddrs().map(String) }])
      const alice = await seeker([], { registries: [url] })
      const connection = await alice.dial(bob.peerId)

      expect(connection.remotePeer.equals(bob.peerId)).toBe(true)
    })

    it('and takes addresses that nobody has signed for hints', async () => {
      const bob = await makePeer()
      const { url } = await registry(() => [unsigned])
      const unsigned = await record(bob, { SignedPeerRecord: undefined })
      const alice = await seeker([], { registries: [url] })
      await alice.peerRouting.findPeer(bob.peerId)

      expect(await stored(alice, bob.peerId)).toEqual([['/ip4/192.0.2.9/tcp/9', false]])
    })

    it.each<[string, (bob: Peer, mallory: Peer) => Promise<Uint8Array>]>([
      ['of another peer', async (_, mallory) => seal(mallory)],
      ['that another peer has signed', async (bob, mallory) => seal(mallory, { about: bob.peerId })],
      ['whose signature is not right', async bob => {
        const envelope = await seal(bob)
        envelope[envelope.length - 1]! ^= 1

        return envelope
      }],
      ['that is none', async () => new Uint8Array(100)]
    ])('and does not believe a record %s, nor the addresses beside it', async (_, envelope) => {
      const [bob, mallory] = await makePeers(2) as [Peer, Peer]
      const bad = await record(bob, { SignedPeerRecord: base64url.encode(await envelope(bob, mallory)) })
      const alice = await seeker([], { registries: [(await registry(() => [bad])).url] })

      await expect(alice.peerRouting.findPeer(bob.peerId)).rejects.toThrow(expect.objectContaining({ name: 'NotFoundError' }))
      expect(await stored(alice, bob.peerId)).toEqual([])
      expect(await stored(alice, mallory.peerId)).toEqual([])
    })

    it('and uses only addresses that are wanted, signed or not', async () => {
      const [bob, carol] = await makePeers(2) as [Peer, Peer]
      const records = [await record(bob), await record(carol, { SignedPeerRecord: undefined })]
      const { url } = await registry(path => path.includes('providers') ? records : [records[path.includes(bob.peerId.toCID().toString()) ? 0 : 1]!])
      const asked: string[] = []
      const alice = await seeker([], {
        registries: [url],
        discoverFilter: (multiaddr, from) => {
          asked.push(`${multiaddr} from ${from}`)

          return false
        }
      })

      await expect(alice.peerRouting.findPeer(bob.peerId)).rejects.toThrow()
      await expect(alice.peerRouting.findPeer(carol.peerId)).rejects.toThrow()
      expect((await collect(alice.contentRouting.findProviders(v0))).map(({ id, multiaddrs }) => [id.toString(), multiaddrs])).toEqual([[carol.peerId.toString(), []]])
      expect(new Set(asked)).toEqual(new Set(['/ip4/192.0.2.1/tcp/4001 from /ip4/127.0.0.1', '/ip4/192.0.2.9/tcp/9 from /ip4/127.0.0.1']))
    })

    it('side by side, also those that fail', async () => {
      const bob = await makePeer()
      const good = await record(bob)
      const { url } = await registry(() => [good])
      const alice = await seeker([], { registries: ['http://127.0.0.1:1', url] })

      expect((await collect(alice.contentRouting.findProviders(v0))).map(({ id }) => id.toString())).toEqual([bob.peerId.toString()])
    })
  })
})
