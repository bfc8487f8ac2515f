import { tcp } from '@libp2p/tcp'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { prove } from '../../src/http/proof.ts'
import { build, endPrograms, Program } from '../program.ts'
import { clientNode, collect, stopNodes } from '../../../../test/fixtures/nodes.ts'
import { ask, somebody } from './point.ts'

beforeAll(build, 60_000)

afterEach(async () => {
  await stopNodes()
  await endPrograms()
})

it('the program has one registry for who speaks libp2p and who speaks HTTP', async () => {
  const point = new Program(['point', '--memory', '--json', '--listen', '/ip4/127.0.0.1/tcp/0', '--http', '0', '--admin', '0'])
  const { http, admin, peerId, addresses: [address] } = await point.until('ready')
  const alice = await somebody()
  const bob = await clientNode({ points: [address] }, { transports: [tcp()], addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
  const path = '/network/my-app/announce'
  const headers = { 'peer-proof': await prove(alice.privateKey, { method: 'POST', path, point: peerId }, Date.now()), 'content-type': 'application/json' }

  expect(await ask(`${http}${path}`, { method: 'POST', headers, body: JSON.stringify({ signedPeerRecord: await alice.record() }) })).toMatchObject({ status: 200, json: { peerId: alice.id, ttl: 7_200 } })
  expect(await point.event()).toMatchObject({ event: 'registration:added', peer: alice.id, namespace: 'my-app' })
  await bob.services.rendezvous.register('my-app')

  expect((await collect(bob.services.rendezvous.discover('my-app'))).map(({ id }) => id.toString())).toEqual([alice.id])
  const { json } = await ask(`${http}/network/my-app/active-peers`)
  expect(json.peers.map(({ peerId }: any) => peerId)).toEqual([alice.id, bob.peerId.toString()])
  expect((await ask(`${http}/routing/v1/peers/${bob.peerId}`)).json.Peers).toMatchObject([{ ID: bob.peerId.toString() }])
  expect((await ask(`${admin}/metrics`)).text).toMatch(/^libp2p_rendezvous_point_outcomes_total{outcome="registration:added"} 2$/m)
  expect((await ask(`${http}/metrics`)).status).toBe(404)
  expect((await point.end('SIGTERM')).code).toBe(0)
  expect(point.stderr).toBe('')
}, 60_000)
