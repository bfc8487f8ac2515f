import { createLibp2p } from 'libp2p'
import { identify } from '@libp2p/identify'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { byToken, membership } from '../../src/network/index.ts'
import { addressOf, base, clientNode, collect, plainNode, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { capturingLogger } from '../fixtures/log.ts'
import { readableMetrics } from '../fixtures/metrics.ts'
import { overTcp, owner, person } from '../fixtures/networks.ts'
import type { Members, MembershipInit, NonMemberDetail } from '../../src/network/index.ts'
import type { ClientNode, PointNode } from '../fixtures/nodes.ts'
import type { Person } from '../fixtures/networks.ts'
import type { TokenSource } from '../../src/index.ts'
import type { Libp2p } from '@libp2p/interface'

const others: Libp2p[] = []

afterEach(async () => {
  await Promise.all(others.splice(0).map(async node => node.stop()))
  await stopNodes()
})

async function member (point: PointNode, who: Person, token?: TokenSource): Promise<ClientNode> {
  return clientNode({ points: [addressOf(point)], ...(token == null ? {} : { token }) }, overTcp(who))
}

/** What a point says to somebody who wants to register, and to find others. */
async function answers (node: ClientNode): Promise<Array<string | undefined>> {
  const of = async (asked: Promise<unknown>): Promise<string | undefined> => asked.then(() => 'OK', err => err.name === 'NotAuthorizedError' ? err.statusText : String(err))

  return [await of(node.services.rendezvous.register('chat/1')), await of(collect(node.services.rendezvous.discover('chat/1')))]
}

describe('a network, over TCP', () => {
  it('is its members\' alone: whoever else comes is told why not', async () => {
    const network = await owner()
    const revoked = new Set<string>()
    const [alice, bob, late, thrown, stranger, thief, reader, early, elsewhere] = await Promise.all(Array.from({ length: 9 }, person)) as [Person, Person, Person, Person, Person, Person, Person, Person, Person]
    const point = await pointNode({ authorize: byToken({ issuers: [network.id], revoked }) }, overTcp(await person()))
    const tokenOfAlice = await network.invite(alice)
    const a = await member(point, alice, tokenOfAlice)
    const b = await member(point, bob, async () => network.invite(bob, { namespaces: ['chat/*'] }))
    revoked.add('thrown')

    expect(await answers(a)).toEqual(['OK', 'OK'])
    expect(await answers(b)).toEqual(['OK', 'OK'])
    expect((await collect(b.services.rendezvous.discover('chat/1'))).map(({ id }) => id.toString())).toEqual([alice.peer.toString()])
    expect(await answers(await member(point, late, await network.invite(late, { notBefore: Date.now() - 7_200_000, lifetime: 3_600_000 })))).toEqual(Array(2).fill('the token has expired'))
    expect(await answers(await member(point, early, await network.invite(early, { notBefore: Date.now() + 3_600_000 })))).toEqual(Array(2).fill('the token is not valid yet'))
    expect(await answers(await member(point, thrown, await network.invite(thrown, { id: 'thrown' })))).toEqual(Array(2).fill('the token has been revoked'))
    expect(await answers(await member(point, stranger))).toEqual(Array(2).fill('a token of its network is required, and none was shown'))
    expect(await answers(await member(point, thief, tokenOfAlice))).toEqual(Array(2).fill('the token was issued to another peer'))
    expect(await answers(await member(point, reader, await network.invite(reader, { actions: ['discover'] })))).toEqual(['the token does not allow this action', 'OK'])
    expect(await answers(await member(point, elsewhere, await network.invite(elsewhere, { namespaces: ['news'] })))).toEqual(Array(2).fill('the token does not allow this namespace'))
    expect(await answers(await member(point, await person(), await (await owner()).invite(elsewhere)))).toEqual(Array(2).fill('the token is of another network'))
    expect(point.services.point.size.registrations).toBe(2)

    revoked.add(bob.peer.toString())
    expect(await answers(b)).toEqual(Array(2).fill('the token has been revoked'))
  })

  it('ends a watch when its token does, and the client comes back with another', async () => {
    const network = await owner()
    const [alice, bob] = [await person(), await person()]
    const point = await pointNode({ authorize: byToken({ issuers: [network.id], tolerance: 0 }) }, overTcp(await person()))
    let given = 0
    const watcher = await member(point, alice, async () => {
      given++

      return network.invite(alice, { notBefore: Date.now() - 2_000, lifetime: given === 1 ? 5_000 : 3_600_000 })
    })
    const controller = new AbortController()
    const found: string[] = []
    const watching = (async () => {
      for await (const { id } of watcher.services.rendezvous.watch('chat', { signal: controller.signal })) {
        found.push(id.toString())
      }
    })().catch(() => {})
    await expect.poll(() => given).toBe(1)
    // it has been told that it is over, and has shown another
    await expect.poll(() => given, { timeout: 15_000 }).toBe(2)
    const other = await member(point, bob, await network.invite(bob))
    await other.services.rendezvous.register('chat')
    await expect.poll(() => found, { timeout: 15_000 }).toEqual([bob.peer.toString()])
    controller.abort()
    await watching
  })

  it('lists nobody for longer than their token lasts', async () => {
    const network = await owner()
    const alice = await person()
    const point = await pointNode({ authorize: byToken({ issuers: [network.id], tolerance: 0 }) }, overTcp(await person()))
    const node = await member(point, alice, await network.invite(alice, { notBefore: Date.now(), lifetime: 600_000 }))
    const [granted] = await node.services.rendezvous.register('chat')

    expect(granted?.ttl).toBeGreaterThan(590_000)
    expect(granted?.ttl).toBeLessThanOrEqual(602_000)
  })

  it('is open to points and clients that know nothing of it', async () => {
    const network = await owner()
    const alice = await person()
    const open = await pointNode({}, overTcp(await person()))

    expect(await answers(await member(open, alice, await network.invite(alice)))).toEqual(['OK', 'OK'])
  })

  it('leaves nothing of a token in logs, metrics, events and errors', async () => {
    const network = await owner()
    const [alice, thief] = [await person(), await person()]
    const [ofPoint, ofClient] = [capturingLogger('libp2p:rendezvous:point'), capturingLogger('libp2p:rendezvous:client')]
    const { metrics, scrape } = readableMetrics()
    const said: string[] = []
    const token = await network.invite(alice, { id: 'the-id-of-this-token' })
    const bad = [token, `${token}x`, token.replaceAll('.', ','), token.split('.').map(part => part.slice(1)).join('.'), token.repeat(3).slice(0, 2_048)]
    const point = await pointNode({ authorize: byToken({ issuers: [network.id] }) }, { ...overTcp(await person()), logger: ofPoint.logger, metrics })
    point.services.point.addEventListener('registration:rejected', ({ detail }) => { said.push(JSON.stringify(detail)) })
    point.services.point.addEventListener('discover:rejected', ({ detail }) => { said.push(JSON.stringify(detail)) })
    const good = await clientNode({ points: [addressOf(point)], token }, { ...overTcp(alice), logger: ofClient.logger })
    await answers(good)

    for (const token of bad) {
      const node = await clientNode({ points: [addressOf(point)], token: async () => token }, { ...overTcp(thief), logger: ofClient.logger })
      const controller = new AbortController()
      node.services.rendezvous.addEventListener('registration:failed', ({ detail }) => { said.push(String(detail.error.stack), JSON.stringify(detail.error)) })
      said.push(...(await answers(node)).map(String))
      const watching = collect(node.services.rendezvous.watch('chat/1', { signal: controller.signal })).catch(err => { said.push(err.stack) })
      await new Promise(resolve => setTimeout(resolve, 200))
      controller.abort()
      await watching
      await node.stop()
    }

    const all = [...said, ...ofPoint.lines, ...ofClient.lines, await scrape()].join('\n')
    expect(ofPoint.lines.length).toBeGreaterThan(10)
    expect(ofClient.lines.length).toBeGreaterThan(20)
    expect(said.length).toBeGreaterThan(10)

    for (const secret of [...token.split('.').map(part => part.slice(1, 30)), 'the-id-of-this-token']) {
      expect(all).not.toContain(secret)
    }
  })
})

describe('members among themselves, over TCP', () => {
  type MemberNode = Libp2p<{ members: Members }>

  async function node (who: Person, init: MembershipInit): Promise<MemberNode & { refusals: string[] }> {
    const refusals: string[] = []
    const node = await createLibp2p({ ...base(overTcp(who)), services: { identify: identify(), members: membership(init) } }) as unknown as MemberNode
    others.push(node)
    node.services.members.addEventListener('non-member', ({ detail }: CustomEvent<NonMemberDetail>) => { refusals.push(detail.reason) })

    return Object.assign(node, { refusals })
  }

  it('keep their connection, and know each other', async () => {
    const network = await owner()
    const [alice, bob] = [await person(), await person()]
    const trust = { issuers: [network.id], patience: 1_000 }
    const a = await node(alice, { ...trust, token: await network.invite(alice) })
    const b = await node(bob, { ...trust, token: async () => network.invite(bob) })
    const connection = await a.dial(b.getMultiaddrs())
    await Promise.all([a.services.members.confirm(bob.peer), expect.poll(() => b.services.members.isMember(alice.peer)).toBe(true)])

    expect(a.services.members.isMember(bob.peer)).toBe(true)
    expect(connection.status).toBe('open')
    expect([a.refusals, b.refusals]).toEqual([[], []])
    await b.services.members.confirm(alice.peer)
    await connection.close()
    await expect.poll(() => b.services.members.isMember(alice.peer)).toBe(false)
    await expect(b.services.members.confirm(alice.peer)).rejects.toMatchObject({ name: 'InvalidTokenError' })
  })

  it.each<[string, (network: Awaited<ReturnType<typeof owner>>, who: Person, alice: Person) => Promise<string>, string]>([
    ['has expired', async (network, who) => network.invite(who, { notBefore: Date.now() - 7_200_000, lifetime: 3_600_000 }), 'the token has expired'],
    ['is another\'s', async (network, _, alice) => network.invite(alice), 'the token was issued to another peer'],
    ['is of another network', async (_, who) => (await owner()).invite(who), 'the token is of another network'],
    ['was revoked', async (network, who) => network.invite(who, { id: 'thrown' }), 'the token has been revoked']
  ])('end the connection of one whose token %s, whoever dialled, and do not take it again for a while', async (_, make, reason) => {
    const network = await owner()
    const [alice, eve] = [await person(), await person()]
    const trust = { issuers: [network.id], revoked: new Set(['thrown']) }
    const a = await node(alice, { ...trust, token: await network.invite(alice) })
    const e = await node(eve, { issuers: [network.id], token: await make(network, eve, alice), memory: 1 })
    const dialled = await e.dial(a.getMultiaddrs())
    await expect.poll(() => dialled.status).not.toBe('open')
    await expect.poll(() => a.refusals).toEqual([reason])
    expect(a.services.members.isMember(eve.peer)).toBe(false)
    await expect(a.dial(e.getMultiaddrs())).rejects.toMatchObject({ name: 'DialDeniedError' })

    const b = await node(alice, { ...trust, token: await network.invite(alice) })
    await b.dial(e.getMultiaddrs())
    await expect.poll(() => b.getConnections()).toEqual([])
    expect(b.refusals).toHaveLength(1)
  })

  it('end the connection of one that shows nothing in time, or does not know the protocol, but for those that need no token', async () => {
    const network = await owner()
    const [alice, bob] = [await person(), await person()]
    const stranger = await plainNode(overTcp(await person()))
    const a = await node(alice, { issuers: [network.id], token: await network.invite(alice), patience: 300 })
    const inbound = await stranger.dial(a.getMultiaddrs())
    await expect.poll(() => inbound.status).not.toBe('open')
    expect(a.refusals).toEqual(['a token of its network is required, and none was shown'])

    const b = await node(bob, { issuers: [network.id], token: await network.invite(bob), patience: 300, except: ({ remotePeer }) => remotePeer.equals(stranger.peerId) })
    const excepted = await stranger.dial(b.getMultiaddrs())
    const other = await plainNode(overTcp(await person()))
    await b.dial(other.getMultiaddrs())
    await expect.poll(() => b.getConnections(other.peerId)).toEqual([])
    await new Promise(resolve => setTimeout(resolve, 400))
    expect(excepted.status).toBe('open')
    expect(b.services.members.isMember(stranger.peerId)).toBe(false)
  })

  it('take in nothing that is no message', async () => {
    const network = await owner()
    const alice = await person()
    const a = await node(alice, { issuers: [network.id], token: await network.invite(alice), patience: 500 })

    for (const bytes of [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x90, 0x4e], [3, 1, 2, 3], [0]]) {
      const stranger = await plainNode(overTcp(await person()))
      const stream = await stranger.dialProtocol(a.getMultiaddrs(), '/rendezvous/membership/1.0.0')
      stream.send(Uint8Array.from(bytes))
      await expect.poll(() => stranger.getConnections(), { message: JSON.stringify(bytes) }).toEqual([])
    }
  })

  it('are asked for another token before theirs ends, and are members no longer when there is none, or when they are revoked', async () => {
    const network = await owner()
    const [alice, bob, carol] = [await person(), await person(), await person()]
    const revoked = new Set<string>()
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })

    try {
      const lifetime = 600_000
      const trust = { issuers: [network.id], revoked, tolerance: 1_000 }
      const fresh = (who: Person) => async (): Promise<string> => network.invite(who, { notBefore: Date.now(), lifetime })
      const a = await node(alice, { ...trust, token: fresh(alice) })
      const b = await node(bob, { ...trust, token: fresh(bob) })
      const c = await node(carol, { ...trust, token: await fresh(carol)() })
      await Promise.all([b, c].map(async other => a.dial(other.getMultiaddrs())))
      await expect.poll(() => [b, c].map(({ peerId }) => a.services.members.isMember(peerId))).toEqual([true, true])

      for (let passed = 0; passed < 2 * lifetime; passed += 30_000) {
        await vi.advanceTimersByTimeAsync(30_000)
        // what was asked is answered
        await new Promise(resolve => setTimeout(resolve, 20))
      }

      expect([b, c].map(({ peerId }) => a.services.members.isMember(peerId))).toEqual([true, false])
      await expect.poll(() => a.getConnections(carol.peer)).toEqual([])
      expect(a.refusals).toEqual(['the token has expired'])

      revoked.add(bob.peer.toString())
      expect(a.services.members.isMember(bob.peer)).toBe(false)
      await vi.advanceTimersByTimeAsync(30_000)
      await expect.poll(() => a.getConnections(bob.peer)).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })
})
