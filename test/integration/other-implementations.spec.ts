import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { pbStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { pEvent } from 'p-event'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { rendezvousPoint } from '../../src/index.ts'
import { PeerRecords, sealPeerRecord } from '../../src/protocol/peer-record.ts'
import { addressOf, base, clientNode, collect, plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { listed, makePeers } from '../fixtures/peers.ts'
import { granted, listing, page, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import { connect, framed } from '../fixtures/raw-stream.ts'
import { domainOf, envelope, identity } from '../fixtures/records.ts'
import { nothing, watchPoint } from '../fixtures/watch-point.ts'
import { Watcher } from '../fixtures/watcher.ts'
import type { RecordDomain } from '../../src/index.ts'
import type { ScriptedRequest } from '../fixtures/scripted-point.ts'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

const { MessageType, ResponseStatus: Status } = Message

/** One request on a stream of its own. */
async function request (connection: Connection, message: Message): Promise<Message> {
  const stream = pbStream(await connection.newStream('/rendezvous/1.0.0')).pb(Message)
  await stream.write(message)

  return stream.read()
}

/** Registers a peer with one record, as implementations do that know one form. */
async function registersAlone (point: Libp2p<any>, domain: RecordDomain, options: Libp2pOptions = {}): Promise<Connection> {
  const { peerId, privateKey } = await identity()
  const node = await plainNode({ ...options, privateKey })
  const connection = await connect(node, point)
  const signedPeerRecord = await sealPeerRecord({ peerId, multiaddrs: node.getMultiaddrs(), sequence: 1n, domain }, privateKey) as Uint8Array<ArrayBuffer>
  const { registerResponse } = await request(connection, { type: MessageType.REGISTER, register: { ns: 'ns', signedPeerRecord } })

  expect(registerResponse?.status).toBe(Status.OK)

  return connection
}

/** Registers whoever sends a record of this form, as the others treat one they cannot read. */
function reads (domain: RecordDomain, otherwise: (request: ScriptedRequest) => Message | undefined) {
  return (request: ScriptedRequest): Message | undefined => domainOf(request.message.register?.signedPeerRecord ?? new Uint8Array()) === domain
    ? granted(7_200n)
    : otherwise(request)
}

// What was measured of them is in interop/README.md.
describe('the two forms of signed peer records', () => {
  afterEach(stopNodes)

  it('are tried in turn at a point that resets the stream on one, as rust-libp2p does, and the one that was read is used from then on', async () => {
    const point = await scriptedPoint(reads('libp2p-routing-state', ({ stream }) => {
      stream.abort(new Error('unreadable'))

      return undefined
    }))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await rendezvous.register('one')).toHaveLength(1)
    const tried = point.requests.length
    expect(await rendezvous.register('two')).toHaveLength(1)
    expect(point.requests).toHaveLength(tried + 1)
  })

  it('are tried in turn at a point that refuses one, as go points do', async () => {
    const point = await scriptedPoint(reads('libp2p-peer-record', ({ message }) => refusal(message, Status.E_INVALID_SIGNED_PEER_RECORD)))
    const { services: { rendezvous } } = await clientNode({ points: [point.address], recordDomain: 'libp2p-routing-state' })

    expect(await rendezvous.register('one')).toHaveLength(1)
    expect(point.requests.map(({ register }) => domainOf(register!.signedPeerRecord!))).toEqual(['libp2p-routing-state', 'libp2p-peer-record'])
  })

  it('are both tried once, and what the point says of the second is what is thrown', async () => {
    const point = await scriptedPoint(({ message }) => domainOf(message.register!.signedPeerRecord!) === 'libp2p-routing-state'
      ? refusal(message, Status.E_INVALID_TTL, 'too long')
      : refusal(message, Status.E_INVALID_SIGNED_PEER_RECORD))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await expect(rendezvous.register('one')).rejects.toMatchObject({ name: 'InvalidTtlError', statusText: 'too long' })
    expect(point.requests).toHaveLength(2)
  })

  it('are both sent to a point that speaks the watch protocol, with one number, and never again while the addresses are the same', async () => {
    const point = await watchPoint(nothing)
    const client = await clientNode({ points: [point.address] })
    const { rendezvous } = client.services
    await client.dial(multiaddr(point.address))
    await rendezvous.register('one')
    await rendezvous.register('two')
    const [first, second] = point.requests.map(({ register }) => register!)
    const records = new PeerRecords(10)
    const [own, other] = await Promise.all([first!.signedPeerRecord!, first!.otherSignedPeerRecord!].map(async record => records.open(record).certify()))

    expect([own!.domain, other!.domain]).toEqual(['libp2p-peer-record', 'libp2p-routing-state'])
    expect(other!.sequence).toBe(own!.sequence)
    expect(other!.multiaddrs).toEqual(own!.multiaddrs)
    expect({ ...second, ns: 'one' }).toEqual(first)
  })

  it('are not both sent to a point that is known not to speak it', async () => {
    const point = await scriptedPoint(() => granted(7_200n))
    const client = await clientNode({ points: [point.address] })
    const isIdentified = pEvent(client, 'peer:identify')
    await client.dial(multiaddr(point.address))
    await isIdentified
    await client.services.rendezvous.register('ns')

    expect(point.requests.map(({ register }) => register?.otherSignedPeerRecord)).toEqual([undefined])
  })

  it('are not both sent where that is turned off', async () => {
    const point = await watchPoint(nothing)
    const { services: { rendezvous } } = await clientNode({ points: [point.address], bothForms: false })
    await rendezvous.register('ns')

    expect(point.requests.map(({ register }) => register?.otherSignedPeerRecord)).toEqual([undefined])
  })

  it('of one record are one peer, wherever and however often they are listed', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const record = { peerId: peerIdFromPrivateKey(privateKey), multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')], sequence: 1n }
    const forms = await Promise.all((['libp2p-routing-state', 'libp2p-peer-record'] as const).map(async domain => sealPeerRecord({ ...record, domain }, privateKey)))
    const registrations = forms.map(signedPeerRecord => ({ ns: 'ns', ttl: 7_200n, signedPeerRecord: signedPeerRecord as Uint8Array<ArrayBuffer> }))
    const points = await Promise.all([registrations, registrations.slice(0, 1), registrations.slice(1)].map(async listed => scriptedPoint(listing(() => listed))))
    const client = await clientNode({ points: points.map(({ address }) => address) })
    const { rendezvous } = client.services
    const told: string[] = []
    rendezvous.addEventListener('peer', ({ detail: { id } }) => { told.push(String(id)) })

    for (let times = 0; times < 2; times++) {
      expect(await collect(rendezvous.discover('ns'))).toMatchObject([{ id: record.peerId }])
    }

    for (const { address } of points) {
      await rendezvous.discoverPage('ns', { point: address })
    }

    expect(told).toEqual([String(record.peerId)])
    expect(rendezvous.discovered).toHaveLength(1)
    expect(await client.peerStore.get(record.peerId)).toMatchObject({ addresses: [{ isCertified: true }], peerRecordEnvelope: forms[1] })
  })

  it.each(['libp2p-peer-record', 'libp2p-routing-state'] as const)('are registered at this point, and found by this client, with certified addresses: %s', async recordDomain => {
    const point = await pointNode()
    const points = [addressOf(point)]
    const alice = await clientNode({ points, recordDomain })
    const bob = await clientNode({ points })

    await alice.services.rendezvous.register('ns')
    const [found] = await collect(bob.services.rendezvous.discover('ns'))

    expect(domainOf(found!.peerRecordEnvelope)).toBe(recordDomain)
    expect((await bob.peerStore.get(alice.peerId)).addresses).toMatchObject([{ isCertified: true }])
    await expect(bob.dial(found!.id)).resolves.toBeDefined()
  })

  it('are listed to each peer only as far as it can read them', async () => {
    const point = await pointNode()

    for (let i = 0; i < 5; i++) {
      await registersAlone(point, i % 2 === 0 ? 'libp2p-peer-record' : 'libp2p-routing-state')
    }

    const rust = await createLibp2p({ ...base(), nodeInfo: { userAgent: 'rust-libp2p/0.57.1' }, services: { identify: identify() } })
    const js = await createLibp2p({ ...base(), services: { identify: identify() } })
    const silent = await createLibp2p(base())
    const listedTo = async (node: Libp2p<any>): Promise<string[]> => {
      // asks at once, whether or not it has been identified
      const connection = await node.dial(point.getMultiaddrs())
      const domains: string[] = []
      let cookie: Uint8Array<ArrayBuffer> | undefined

      // one at a time, so that what is passed over lies between pages as well
      while (true) {
        const { discoverResponse } = await request(connection, { type: MessageType.DISCOVER, discover: { ns: 'ns', limit: 1n, ...(cookie == null ? {} : { cookie }) } })

        if (discoverResponse!.registrations.length === 0) {
          return domains
        }

        cookie = discoverResponse!.cookie
        domains.push(...discoverResponse!.registrations.map(({ signedPeerRecord }) => domainOf(signedPeerRecord!)!))
      }
    }

    expect(await listedTo(rust)).toEqual(['libp2p-routing-state', 'libp2p-routing-state'])
    expect(await listedTo(js)).toEqual(['libp2p-peer-record', 'libp2p-peer-record', 'libp2p-peer-record'])
    expect(await listedTo(silent)).toEqual(['libp2p-routing-state', 'libp2p-routing-state'])
    await Promise.all([rust, js, silent].map(async node => node.stop()))
  })
})

describe('a record in one form', () => {
  afterEach(stopNodes)

  it('tells what its peer reads, whatever that calls itself', async () => {
    const point = await pointNode()
    const connection = await registersAlone(point, 'libp2p-routing-state', { nodeInfo: { userAgent: 'my-app/1.0' } })
    await registersAlone(point, 'libp2p-peer-record')
    const { discoverResponse } = await request(connection, { type: MessageType.DISCOVER, discover: { ns: 'ns' } })

    expect(discoverResponse?.registrations.map(({ signedPeerRecord }) => domainOf(signedPeerRecord!))).toEqual(['libp2p-routing-state'])
  })
})

describe('a record in both forms', () => {
  afterEach(stopNodes)

  it('is listed to each in its own, to this client as it came, and is watched alike', async () => {
    const point = await pointNode()
    const alice = await identity()
    const registrant = await plainNode({ privateKey: alice.privateKey })
    const records = await Promise.all(['libp2p-peer-record', 'libp2p-routing-state'].map(async domain => sealPeerRecord({ peerId: alice.peerId, multiaddrs: registrant.getMultiaddrs(), sequence: 1n, domain: domain as RecordDomain }, alice.privateKey)))
    const [plain, rust] = records as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>]
    const { registerResponse } = await request(await connect(registrant, point), { type: MessageType.REGISTER, register: { ns: 'ns', signedPeerRecord: rust, otherSignedPeerRecord: plain } })
    expect(registerResponse?.status).toBe(Status.OK)

    for (const [userAgent, expected] of [['rust-libp2p/0.57.1', 'libp2p-routing-state'], ['js-libp2p/3.3.0', 'libp2p-peer-record'], ['go-libp2p/0.41.0', 'libp2p-peer-record']] as const) {
      const connection = await connect(await plainNode({ nodeInfo: { userAgent } }), point)
      const watcher = await Watcher.open(connection)
      watcher.subscribe(1, 'ns')
      const { discoverResponse } = await request(connection, { type: MessageType.DISCOVER, discover: { ns: 'ns' } })

      expect(discoverResponse?.registrations.map(({ signedPeerRecord }) => domainOf(signedPeerRecord))).toEqual([expected])
      expect((await watcher.update()).registrations.map(record => domainOf(Buffer.from(record, 'hex')))).toEqual([expected])
    }

    const { services: { rendezvous } } = await clientNode({ points: [addressOf(point)] })
    const [found] = await collect(rendezvous.discover('ns'))
    expect(domainOf(found!.peerRecordEnvelope)).toBe('libp2p-routing-state')
  })

  it.each([
    ['matchReaders', { matchReaders: false }, 2],
    ['identifyPatience', { identifyPatience: 0 }, 0]
  ])('is not treated so where the point is told not to: %s', async (_, init, expected) => {
    const point = await pointNode(init)
    await registersAlone(point, 'libp2p-peer-record')
    await registersAlone(point, 'libp2p-peer-record')
    const silent = await createLibp2p(base())
    const { discoverResponse } = await request(await silent.dial(point.getMultiaddrs()), { type: MessageType.DISCOVER, discover: { ns: 'ns' } })

    expect(discoverResponse?.registrations).toHaveLength(expected)
    await silent.stop()
  })

  it('needs identify at the point, where readers are matched', async () => {
    await expect(createLibp2p({ ...base(), services: { point: rendezvousPoint() } })).rejects.toMatchObject({ name: 'UnmetServiceDependenciesError' })
    await (await createLibp2p({ ...base(), services: { point: rendezvousPoint({ matchReaders: false }) } })).stop()
  })
})

describe('all that a peer has registered', () => {
  afterEach(stopNodes)

  it('is removed by UNREGISTER of an empty namespace, as waku sends it, and each is told of', async () => {
    const point = await pointNode()
    const alice = await identity()
    const connection = await connect(await plainNode({ privateKey: alice.privateKey }), point)
    const signedPeerRecord = await envelope(alice) as Uint8Array<ArrayBuffer>
    const removed: string[] = []
    point.services.point.addEventListener('registration:removed', ({ detail }) => { removed.push(detail.namespace) })

    for (const ns of ['one', 'two']) {
      await request(connection, { type: MessageType.REGISTER, register: { ns, signedPeerRecord } })
    }

    const watcher = await Watcher.open(await connect(await plainNode(), point))
    watcher.subscribe(1, 'one')
    await watcher.update()
    const stream = await connection.newStream('/rendezvous/1.0.0')
    stream.send(framed(Message.encode({ type: MessageType.UNREGISTER, unregister: { ns: '' } })))

    expect((await watcher.update()).gone).toHaveLength(1)
    expect(removed.sort()).toEqual(['one', 'two'])
    expect(point.services.point.size.registrations).toBe(0)
  })
})

describe('what other points leave out', () => {
  afterEach(stopNodes)

  it('is the namespace of a registration, at go points: it is the one asked for', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(async () => {
      const { ns, ...registration } = await listed(peer!, 'ns')

      return page([{ ...registration, ns: '' }])
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await collect(rendezvous.discover('ns'))).toMatchObject([{ namespace: 'ns' }])
    expect(await collect(rendezvous.discover())).toEqual([])
  })

  it('is a status of zero, at points that write proto3: it is OK', async () => {
    const [peer] = await makePeers(1)
    const point = await scriptedPoint(async ({ message }) => message.type === MessageType.REGISTER
      ? { type: MessageType.REGISTER_RESPONSE, registerResponse: { ttl: 7_200n } }
      : { type: MessageType.DISCOVER_RESPONSE, discoverResponse: { registrations: [await listed(peer!, 'ns')] } })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    expect(await rendezvous.register('ns')).toMatchObject([{ ttl: 7_200_000 }])
    expect(await collect(rendezvous.discover('ns'))).toHaveLength(1)
  })

  it('is not why a listing of all namespaces is refused: E_INVALID_NAMESPACE is thrown there', async () => {
    const point = await scriptedPoint(({ message }) => refusal(message, Status.E_INVALID_NAMESPACE))
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })

    await expect(rendezvous.discoverPage(undefined, { point: point.address })).rejects.toMatchObject({ name: 'InvalidNamespaceError' })
  })

  it('is the type of REGISTER, with clients that write proto3: it is answered all the same', async () => {
    const point = await pointNode()
    const client = await createLibp2p({ ...base(), services: { identify: identify() } })
    const connection = await client.dial(point.getMultiaddrs())

    const { registerResponse } = await request(connection, { register: { ns: 'ns', signedPeerRecord: new Uint8Array([1]) } })

    expect(registerResponse?.status).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    await client.stop()
  })
})
