import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { operatorOfFleet } from '../src/operator.ts'
import { ClosedNamespaces } from '../src/closed-namespaces.ts'
import { build, endPrograms, Program, run } from './program.ts'
import type { PeerId } from '@libp2p/interface'

describe('the command admin', () => {
  let directory: string

  beforeAll(build, 60_000)
  beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), 'rendezvous-admin-')) })
  afterEach(async () => {
    await endPrograms()
    await rm(directory, { recursive: true })
  })

  const start = async (...args: string[]): Promise<{ point: Program, ready: any }> => {
    const point = new Program(['point', '--json', '--listen', '/ip4/127.0.0.1/tcp/0', '--data', directory, '--admin', '127.0.0.1:0', ...args])

    return { point, ready: await point.event() }
  }
  const admin = async (...args: string[]): ReturnType<typeof run> => run('admin', ...args, '--data', directory)
  const register = (ready: any, namespace: string): Program => new Program(['register', ready.addresses[0], namespace, '--json', '--ttl', '2h'])

  it('says how a point goes that it finds by its data', async () => {
    const { ready } = await start()
    const { code, stdout } = await admin('status')

    expect(code).toBe(0)
    expect(JSON.parse(stdout[0]!)).toMatchObject({ peerId: ready.peerId, addresses: ready.addresses, isServing: true, reading: { registrations: 0, connections: 0 }, closed: [] })
    expect((await run('admin', 'status', '--admin', ready.admin.replace('http://', ''))).code).toBe(0)
  })

  it('evicts a peer, which is told, and others go on', async () => {
    const { point, ready } = await start()
    const [alice, bob] = [register(ready, 'chat'), register(ready, 'chat')]
    const [{ peerId }] = await Promise.all([alice.event(), bob.event()])

    expect((await admin('evict', peerId)).stdout).toEqual(['{"ended":1}'])
    expect(await point.until('registration:evicted')).toMatchObject({ peer: peerId, namespace: 'chat' })
    expect((await admin('evict', peerId)).stdout).toEqual(['{"ended":0}'])
    expect(await alice.ended()).toBe(1)
    expect(alice.stderr).toContain('E_NOT_AUTHORIZED: the operator of this point has ended it')
    expect((await run('discover', ready.addresses[0], 'chat', '--all-addresses')).stdout).toHaveLength(1)
  })

  it('closes a namespace, which stays closed after kill -9, until it is opened', async () => {
    const first = await start()
    const alice = register(first.ready, 'spam')
    await alice.event()
    expect((await admin('close', 'spam')).stdout).toEqual(['{"ended":1}'])
    expect(await alice.ended()).toBe(1)
    await first.point.end('SIGKILL')

    const { point, ready } = await start()
    const refused = register(ready, 'spam')
    expect(await refused.ended()).toBe(1)
    expect(refused.stderr).toContain('E_NOT_AUTHORIZED: the operator of this point has closed this namespace')
    expect(JSON.parse((await admin('status')).stdout[0]!).closed).toEqual(['spam'])

    expect((await admin('open', 'spam')).stdout).toEqual(['{"wasClosed":true}'])
    expect((await admin('open', 'spam')).stdout).toEqual(['{"wasClosed":false}'])
    expect(await register(ready, 'spam').event()).toMatchObject({ event: 'registered', namespace: 'spam' })
    await point.end('SIGTERM')
    expect((await admin('status')).stderr[0]).toContain('is running with --admin: start it with --admin')
  })

  it('is not at the listener for everybody', async () => {
    const { ready } = await start('--http', '127.0.0.1:0')
    const post = async (url: string, headers = {}): Promise<number> =>
      (await fetch(`${url}/admin/close`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"namespace":"spam"}' })).status

    expect(await post(ready.http)).toBe(404)
    expect((await fetch(`${ready.http}/admin/status`)).status).toBe(404)
    expect(await post(ready.admin, { origin: 'https://example.com' })).toBe(403)
    expect(await post(ready.admin)).toBe(200)
  })

  it.each([
    [['evict'], 'admin evict takes the id of a peer'],
    [['close'], 'admin close takes a namespace'],
    [['status', 'me'], 'admin status is of the point: it takes no SUBJECT'],
    [['evict', 'me'], 'SUBJECT takes a peer id, as in 12D3Koo…, not "me"'],
    [['close', ''], 'NAMESPACE is empty: a name is needed'],
    [['dance'], 'ACTION takes status, evict, close or open, not "dance"']
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await admin(...args)

    expect([code, stderr]).toEqual([2, [`libp2p-rendezvous: ${message}`]])
  })

  it('says so where no point answers', async () => {
    const { code, stderr } = await run('admin', 'status', '--admin', '127.0.0.1:9')

    expect([code, stderr[0]]).toEqual([1, expect.stringMatching(/no point answers at http:\/\/127\.0\.0\.1:9 \(.+\): is it running with --admin\?$/)])
  })
})

describe('the operator of several processes', () => {
  let peer: PeerId
  beforeAll(async () => { peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519')) })

  /** Workers that answer the same each time, and what they were asked. */
  async function fleetOf (answers: Record<string, Array<number | boolean | undefined>>): Promise<{ operator: ReturnType<typeof operatorOfFleet>, closed: ClosedNamespaces, asked: string[] }> {
    const asked: string[] = []
    const closed = await ClosedNamespaces.load(undefined)
    const fleet = {
      ask: async (about: string, what: string) => {
        asked.push(`all ${about} ${what}`)

        return answers[about]
      },
      askOne: async (about: string, what: string) => {
        asked.push(`one ${about} ${what}`)

        return answers[about]?.[0]
      }
    }

    return { operator: operatorOfFleet(fleet as any, closed), closed, asked }
  }

  it('evicts a peer first where it is connected, for nobody else can tell it', async () => {
    const { operator, asked } = await fleetOf({ evict: [0, 2], evictAll: [1] })

    expect(await operator.evict(peer)).toBe(3)
    expect(asked).toEqual([`all evict ${peer}`, `one evictAll ${peer}`])
  })

  it('closes and opens a namespace in each, and for those that are started later', async () => {
    const { operator, closed, asked } = await fleetOf({ close: [3, 0], open: [true, true] })

    expect(await operator.close('spam')).toBe(3)
    expect(closed.names).toEqual(['spam'])
    expect(await operator.open('spam')).toBe(true)
    expect(closed.names).toEqual([])
    expect(asked).toEqual(['all close spam', 'all open spam'])
  })

  it('says so when not all have answered; what was closed is closed', async () => {
    const { operator, closed } = await fleetOf({ close: [3, undefined], evict: [0, undefined], open: [true, undefined] })

    await expect(operator.close('spam')).rejects.toThrow('not all workers have answered')
    await expect(operator.evict(peer)).rejects.toThrow('not all workers have answered')
    await expect(operator.open('games')).rejects.toThrow('not all workers have answered')
    expect(closed.names).toEqual(['spam'])
  })
})
