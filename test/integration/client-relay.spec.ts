import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { rendezvousClient, rendezvousPoint } from '../../src/index.ts'
import { nextEvent } from '../fixtures/events.ts'
import { addressOf, base, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import type { RendezvousPoint } from '../../src/index.ts'
import type { Libp2p, PrivateKey } from '@libp2p/interface'

// circuit relay does not know the addresses of the memory transport
const listen = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] }

// a browser: it can dial and not be dialled, until a relay takes it in
describe('a node without an address', () => {
  const nodes: Array<{ stop: () => unknown }> = []

  afterEach(async () => {
    for (const node of nodes.splice(0).reverse()) {
      await node.stop()
    }

    await stopNodes()
  })

  it('registers when a relay has taken it in, with its address there', async () => {
    const point = await pointNode({}, listen)
    const relay = await createLibp2p({ ...base(), ...listen, services: { identify: identify(), relay: circuitRelayServer() } })
    nodes.push(relay)
    const browser = await createLibp2p({
      ...base(),
      addresses: { listen: ['/p2p-circuit'] },
      transports: [tcp(), circuitRelayTransport()],
      services: { identify: identify(), rendezvous: rendezvousClient({ points: [addressOf(point)], namespaces: ['ns'] }) }
    })
    nodes.push(browser)
    const { rendezvous } = browser.services

    await expect(rendezvous.register('other')).rejects.toMatchObject({ name: 'NoAddressesError' })
    expect(point.services.point.size.registrations).toBe(0)
    const grants = ['ns', 'other'].map(async wanted => nextEvent(rendezvous, 'registration:granted', ({ namespace }) => namespace === wanted))
    await browser.dial(relay.getMultiaddrs())
    await Promise.all(grants)

    const finder = await createLibp2p({
      ...base(),
      ...listen,
      transports: [tcp(), circuitRelayTransport()],
      services: { identify: identify(), rendezvous: rendezvousClient({ points: [addressOf(point)] }) }
    })
    nodes.push(finder)
    const [found] = await collect(finder.services.rendezvous.discover('ns'))
    expect(found!.multiaddrs.map(String)).toEqual([expect.stringContaining(`/p2p/${relay.peerId}/p2p-circuit`)])
    const connection = await finder.dial(found!.id)
    expect(connection.remotePeer.equals(browser.peerId)).toBe(true)
  })

  it('has its point take it in where that is a relay, at once, though it looks for nobody', async () => {
    const point = await createLibp2p({ ...base(), ...listen, services: { identify: identify(), relay: circuitRelayServer(), point: rendezvousPoint() } })
    nodes.push(point)
    const browser = await createLibp2p({
      ...base(),
      addresses: { listen: ['/p2p-circuit'] },
      transports: [tcp(), circuitRelayTransport()],
      services: { identify: identify(), rendezvous: rendezvousClient({ points: point.getMultiaddrs(), register: ['ns'] }) }
    })
    nodes.push(browser)
    const listening = new Promise<number>(resolve => {
      (browser as any).components.events.addEventListener('transport:listening', () => { resolve(performance.now()) })
    })
    await nextEvent(browser.services.rendezvous, 'registration:granted')

    // libp2p says that its addresses are others a second later
    expect(performance.now() - await listening).toBeLessThan(900)
  })

  it('is taken in again by a point that was lost before it had an address', async () => {
    const make = async (tcpPort: number, privateKey: PrivateKey, relay: object): Promise<Libp2p<{ point: RendezvousPoint }>> => createLibp2p({
      ...base(), privateKey, transports: [tcp()], addresses: { listen: [`/ip4/127.0.0.1/tcp/${tcpPort}`] }, services: { identify: identify(), point: rendezvousPoint(), ...relay }
    }) as any
    const privateKey = await generateKeyPair('Ed25519')
    const before = await make(0, privateKey, {})
    const points = before.getMultiaddrs()
    const browser = await createLibp2p({
      ...base(),
      addresses: { listen: ['/p2p-circuit'] },
      transports: [tcp(), circuitRelayTransport()],
      // so that it is the client alone that returns
      connectionManager: { reconnectRetries: 0 },
      services: { identify: identify(), rendezvous: rendezvousClient({ points, register: ['ns'] }) }
    })
    nodes.push(browser)
    // by then it is known for a point
    await expect.poll(async () => (await browser.peerStore.get(before.peerId)).protocols).not.toEqual([])
    const granted = nextEvent(browser.services.rendezvous, 'registration:granted')
    await before.stop()
    const port = /tcp\/(\d+)/.exec(String(points[0]))?.[1]
    nodes.push(await make(Number(port), privateKey, { relay: circuitRelayServer() }))

    await granted
  })

  it('can discover all the same', async () => {
    const point = await pointNode({}, listen)
    const alice = await clientNode({ points: [addressOf(point)] }, listen)
    await alice.services.rendezvous.register('ns')
    const browser = await clientNode({ points: [addressOf(point)] }, { ...listen, addresses: { listen: [] } })

    expect(await collect(browser.services.rendezvous.discover('ns'))).toHaveLength(1)
  })
})

describe('a point that is reached through a relay', () => {
  const nodes: Array<{ stop: () => unknown }> = []

  afterEach(async () => {
    for (const node of nodes.splice(0).reverse()) {
      await node.stop()
    }

    await stopNodes()
  })

  it('is used only when the client may use limited connections', async () => {
    const relay = await createLibp2p({ ...base(), ...listen, services: { identify: identify(), relay: circuitRelayServer() } })
    nodes.push(relay)
    const point = await pointNode({ runOnLimitedConnection: true }, {
      addresses: { listen: [`${relay.getMultiaddrs()[0]}/p2p-circuit`] },
      transports: [tcp(), circuitRelayTransport()]
    })
    await expect.poll(() => point.getMultiaddrs().length).toBeGreaterThan(0)
    const points = [addressOf(point)]
    const options = { ...listen, transports: [tcp(), circuitRelayTransport()] }
    const [willing, unwilling] = await Promise.all([
      clientNode({ points, runOnLimitedConnection: true }, options),
      clientNode({ points }, options)
    ])

    await expect(willing.services.rendezvous.register('ns')).resolves.toHaveLength(1)
    await expect(unwilling.services.rendezvous.register('ns')).rejects.toMatchObject({ name: 'LimitedConnectionError' })
  })
})
