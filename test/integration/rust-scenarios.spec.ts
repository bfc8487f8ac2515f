import { identify } from '@libp2p/identify'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { rendezvousClient, rendezvousPoint } from '../../src/index.ts'
import { Message } from '../../src/protocol/message.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { addressOf, base, changeAddresses, clientNode, collect, plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { makePeer, seal } from '../fixtures/peers.ts'
import { connect, openStream } from '../fixtures/raw-stream.ts'
import { register } from '../fixtures/requests.ts'
import type { RendezvousPointInit } from '../../src/index.ts'
import type { ClientNode, PointNode } from '../fixtures/nodes.ts'

const NAMESPACE = 'some-namespace'
const DEFAULT_TTL = 2 * 60 * 60 * 1_000

async function pointWithClients (init?: RendezvousPointInit): Promise<{ alice: ClientNode, bob: ClientNode, robert: PointNode }> {
  const robert = await pointNode(init)
  const points = [addressOf(robert)]
  const [alice, bob] = [await clientNode({ points }), await clientNode({ points })]

  return { alice, bob, robert }
}

// Named as in protocols/rendezvous/tests/rendezvous.rs of rust-libp2p, where they are about its own client and point.
describe('what rust-libp2p promises of its rendezvous, this client and point keep', () => {
  afterEach(stopNodes)

  it('given_successful_registration_then_successful_discovery', async () => {
    const { alice, bob, robert } = await pointWithClients()
    const added = nextEvent(robert.services.point, 'registration:added')

    const [granted] = await alice.services.rendezvous.register(NAMESPACE)

    expect(granted).toMatchObject({ namespace: NAMESPACE, ttl: DEFAULT_TTL })
    expect(granted?.point.equals(robert.peerId)).toBe(true)
    const { peer, namespace } = await added
    expect(peer.equals(alice.peerId)).toBe(true)
    expect(namespace).toBe(NAMESPACE)

    const served = nextEvent(robert.services.point, 'discover:served')
    const [found, ...others] = await collect(bob.services.rendezvous.discover(NAMESPACE))

    expect(others).toEqual([])
    expect(found?.id.equals(alice.peerId)).toBe(true)
    expect(found?.namespace).toBe(NAMESPACE)
    // here, what is listed is what remains
    expect(found?.ttl).toBeGreaterThan(DEFAULT_TTL - 60_000)
    expect(found?.ttl).toBeLessThanOrEqual(DEFAULT_TTL)
    expect(await served).toMatchObject({ namespace: NAMESPACE, registrations: 1 })
  })

  it('should_return_error_when_no_external_addresses', async () => {
    const robert = await pointNode()
    const alice = await clientNode({ points: [addressOf(robert)] }, { addresses: { listen: [] } })

    await expect(alice.services.rendezvous.register(NAMESPACE)).rejects.toMatchObject({ name: 'NoAddressesError' })

    expect(robert.services.point.size.registrations).toBe(0)
  })

  it('given_successful_registration_then_refresh_ttl', async () => {
    const { alice, bob, robert } = await pointWithClients()
    const ttl = 10_000_000
    await alice.services.rendezvous.register(NAMESPACE)
    expect(await collect(bob.services.rendezvous.discover(NAMESPACE))).toHaveLength(1)
    const refreshed = nextEvent(robert.services.point, 'registration:refreshed')

    expect(await alice.services.rendezvous.register(NAMESPACE, { ttl })).toMatchObject([{ ttl }])

    await refreshed
    const found = await collect(bob.services.rendezvous.discover(NAMESPACE))
    expect(found).toHaveLength(1)
    expect(found[0]?.ttl).toBeGreaterThan(ttl - 60_000)
  })

  it('given_successful_registration_then_refresh_external_addrs', async () => {
    const { alice, bob, robert } = await pointWithClients()
    const own = addressOf(alice)
    const address = '/ip4/192.0.2.1/tcp/4001'
    const listed = async (): Promise<string[]> => (await collect(bob.services.rendezvous.discover(NAMESPACE))).flatMap(({ multiaddrs }) => multiaddrs.map(String))
    await alice.services.rendezvous.register(NAMESPACE)
    expect(await listed()).toHaveLength(1)

    const added = nextEvent(robert.services.point, 'registration:refreshed')
    await changeAddresses(alice, own, address)
    await added
    expect(await listed()).toContain(address)

    const removed = nextEvent(robert.services.point, 'registration:refreshed')
    await changeAddresses(alice, own)
    await removed
    expect(await listed()).not.toContain(address)
  })

  it('given_invalid_ttl_then_unsuccessful_registration', async () => {
    const { alice, robert } = await pointWithClients()
    const rejected = nextEvent(robert.services.point, 'registration:rejected')

    await expect(alice.services.rendezvous.register(NAMESPACE, { ttl: 100_000_000_000 })).rejects.toMatchObject({ name: 'InvalidTtlError' })

    expect(await rejected).toMatchObject({ namespace: NAMESPACE, status: 'E_INVALID_TTL' })
  })

  it('discover_allows_for_dial_by_peer_id', async () => {
    const { alice, bob } = await pointWithClients()
    await alice.services.rendezvous.register(NAMESPACE)
    expect(await collect(bob.services.rendezvous.discover(NAMESPACE))).toHaveLength(1)
    const connected = nextEvent(alice, 'peer:connect', id => id.equals(bob.peerId))

    const connection = await bob.dial(alice.peerId)

    expect(connection.remotePeer.equals(alice.peerId)).toBe(true)
    await connected
  })

  it('eve_cannot_register', async () => {
    const robert = await pointNode()
    const eve = await plainNode()
    const someoneElse = await makePeer()
    const stream = await openStream(await connect(eve, robert))
    const rejected = nextEvent(robert.services.point, 'registration:rejected')

    const response = await stream.ask(register(NAMESPACE, await seal(someoneElse)))

    expect(response?.registerResponse?.status).toBe(Message.ResponseStatus.E_NOT_AUTHORIZED)
    expect((await rejected).peer.equals(eve.peerId)).toBe(true)
    expect(robert.services.point.size.registrations).toBe(0)
  })

  it('can_combine_client_and_server', async () => {
    const robert = await pointNode()
    const charlie = await createLibp2p({
      ...base(),
      services: { identify: identify(), point: rendezvousPoint(), rendezvous: rendezvousClient({ points: [addressOf(robert)] }) }
    })

    try {
      const alice = await clientNode({ points: [addressOf(charlie)] })

      expect(await charlie.services.rendezvous.register(NAMESPACE)).toHaveLength(1)
      expect(await alice.services.rendezvous.register(NAMESPACE)).toHaveLength(1)

      expect(robert.services.point.size.registrations).toBe(1)
      expect(charlie.services.point.size.registrations).toBe(1)
    } finally {
      await charlie.stop()
    }
  })

  it('registration_on_clients_expire', async () => {
    const { alice, bob } = await pointWithClients({ minTtl: 1_000 })
    await alice.services.rendezvous.register(NAMESPACE, { ttl: 2_000 })
    const found = allEvents(bob.services.rendezvous, 'peer')
    const expired = nextEvent(bob.services.rendezvous, 'peer:expired')

    expect(await collect(bob.services.rendezvous.discover(NAMESPACE))).toHaveLength(1)
    expect(found.map(({ id }) => id.toString())).toEqual([alice.peerId.toString()])

    expect((await expired).id.equals(alice.peerId)).toBe(true)
    expect(bob.services.rendezvous.discovered).toEqual([])
    // rust's swarm forgets the addresses with the registration; libp2p's peer store keeps them until it forgets them itself
    expect((await bob.peerStore.get(alice.peerId)).addresses).toHaveLength(1)
  })
})
