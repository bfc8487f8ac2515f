import { defaultLogger } from '@libp2p/logger'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { Points } from '../../src/client/points.ts'
import { clientSettings } from '../../src/client/settings.ts'
import { makePeer, makePeers } from '../fixtures/peers.ts'
import type { PeerId } from '@libp2p/interface'

const addressOf = (peerId: PeerId): string => `/ip4/192.0.2.1/tcp/1/p2p/${peerId}`

/** Points that nobody is connected to; what they dial is noted. */
function makePoints ({ points = [], isKept = () => false, isFollowed = () => false }: { points?: string[], isKept?: (point: PeerId) => boolean, isFollowed?: (point: PeerId) => boolean } = {}) {
  const dialled: string[] = []
  const components: any = {
    connectionManager: {
      openConnection: async (target: unknown) => {
        dialled.push(String(target))
        throw new Error('nobody there')
      },
      getConnections: () => []
    }
  }
  const listeners = { onConnect: () => {}, onDialled: () => {}, onWatchable: () => {}, onDisconnect: () => {}, isKept, isFollowed }

  return { dialled, points: new Points(components, clientSettings({ points }), {}, listeners, defaultLogger().forComponent('test')) }
}

describe('Points', () => {
  it('forgets one that was named once, with its address, when another is named and nothing is to do with it', async () => {
    const [one, other] = await makePeers(2)
    const { points } = makePoints()
    const before = points.get(addressOf(one!.peerId))
    expect(points.get(one!.peerId)).toBe(before)
    points.get(addressOf(other!.peerId))

    expect(points.get(one!.peerId)).not.toBe(before)
  })

  it('remembers one that was given in the init, where something is kept, that is followed or being asked', async () => {
    const [given, kept, followed, asked, other] = await makePeers(5)
    const { points } = makePoints({
      points: [addressOf(given!.peerId)],
      isKept: point => point.equals(kept!.peerId),
      isFollowed: point => point.equals(followed!.peerId)
    })
    const known = [given!, kept!, followed!, asked!].map(({ peerId }) => points.get(addressOf(peerId)))
    const asking = known[3]!.discover('ns', 1, undefined)
    points.get(addressOf(other!.peerId))

    expect([given!, kept!, followed!, asked!].map(({ peerId }) => points.get(peerId))).toEqual(known)
    await expect(asking).rejects.toThrow('nobody there')
  })

  it('dials the addresses under which a point was named', async () => {
    const { peerId } = await makePeer()
    const { points, dialled } = makePoints({ isKept: () => true })
    points.get(addressOf(peerId))
    points.get(multiaddr(addressOf(peerId)))
    points.get(`/dns4/example.com/tcp/2/p2p/${peerId}`)
    await points.get(peerId).discover('ns', 1, undefined).catch(() => {})

    expect(dialled).toEqual([`${addressOf(peerId)},/dns4/example.com/tcp/2/p2p/${peerId}`])
  })

  it('are those in the init when none is named, or none', async () => {
    const [one, other] = await makePeers(2)
    const { points } = makePoints({ points: [addressOf(one!.peerId)] })
    points.get(addressOf(other!.peerId))

    expect(points.select(undefined, 'ns').map(({ peerId }) => peerId.toString())).toEqual([one!.peerId.toString()])
    expect(() => makePoints().points.select(undefined, 'ns')).toThrow(expect.objectContaining({ name: 'NoPointsError', namespace: 'ns' }))
  })

  it('are connected once for each connection, however often they identify themselves', async () => {
    const { peerId } = await makePeer()
    const topologies: any[] = []
    const said: string[] = []
    const components: any = { events: new TypedEventEmitter(), registrar: { register: async (_: string, topology: any) => `${topologies.push(topology)}` } }
    const points = new Points(components, clientSettings({}), {}, {
      onConnect: () => { said.push('connected') },
      onDialled: () => {},
      onWatchable: () => { said.push('watchable') },
      onDisconnect: () => { said.push('disconnected') },
      isKept: () => false,
      isFollowed: () => true
    }, defaultLogger().forComponent('test'))
    await points.start()
    const identify = (connection: object): void => { topologies.forEach(({ onConnect }) => { onConnect(peerId, connection) }) }
    const [one, other] = [{}, {}]
    identify(one)
    identify(one)
    expect(said.splice(0)).toEqual(['connected', 'watchable'])

    identify(other)
    expect(said.splice(0)).toEqual(['connected', 'watchable'])

    topologies.forEach(({ onDisconnect }) => { onDisconnect?.(peerId) })
    identify(other)
    expect(said).toEqual(['disconnected', 'connected', 'watchable'])
  })
})
