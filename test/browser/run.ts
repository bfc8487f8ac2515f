/**
 * Runs the client in a headless Chromium against a point in this process, and then the README's example as it
 * is in a page: `npm run test:browser`.
 * The environment variable CHROMIUM names the browser, /usr/bin/chromium by default.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { build } from 'esbuild'
import { createLibp2p } from 'libp2p'
import { rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import { blind, byToken, createNetwork, issueToken, membership } from 'libp2p-rendezvous/network'
import { chromium } from 'playwright-core'
import { raceSignal } from 'race-signal'
import type { BuildOptions } from 'esbuild'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'

const node = (): Parameters<typeof createLibp2p>[0] => ({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
  transports: [webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})

const point = await createLibp2p({ ...node(), services: { identify: identify(), point: rendezvousPoint() } })
const points = point.getMultiaddrs()
const alice = await createLibp2p({ ...node(), services: { identify: identify(), rendezvous: rendezvousClient({ points, routing: true }) } })
await alice.services.rendezvous.register('my-app')

async function bundle (options: BuildOptions): Promise<string> {
  const { outputFiles: [script] } = await build({ ...options, bundle: true, platform: 'browser', write: false })

  return script?.text ?? ''
}

/** The example with the node that the README has for a page, at this point. */
function exampleForPages (): string {
  const [example = '', node = ''] = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').match(/(?<=```js\n).*?(?=```)/gs) ?? []

  const [, afterNode = ''] = example.split(/^const node = .*?^}\)\n/ms)

  return (node + afterNode)
    .replace(/^.*SIGINT.*\n/m, '')
    .replace(/\/ip4\/.*…/, String(points[0]))
}

/** Everybody who may or may not be let in, in a page. */
async function checkNetwork (): Promise<void> {
  const { id, privateKey } = await createNetwork()
  const revoked = new Set<string>()
  const closed = await createLibp2p({ ...node(), connectionManager: { inboundConnectionThreshold: 100 }, services: { identify: identify(), point: rendezvousPoint({ authorize: byToken({ issuers: [id], revoked }) }) } })
  const address = String(closed.getMultiaddrs()[0])
  const [ofBob, ofCarol] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519')])
  const tokenOf = (key: typeof ofBob) => async () => issueToken({ privateKey, peer: peerIdFromPrivateKey(key) })
  const bob = await createLibp2p({ ...node(), privateKey: ofBob, services: { identify: identify(), rendezvous: rendezvousClient({ points: [address], token: tokenOf(ofBob) }) } })
  await bob.services.rendezvous.register('my-app')
  const carol = await createLibp2p({ ...node(), privateKey: ofCarol, services: { identify: identify(), members: membership({ issuers: [id], revoked, token: tokenOf(ofCarol) }) } })

  try {
    const tab = await browser.newPage()
    await tab.addScriptTag({ content: await bundle({ entryPoints: [new URL('network.ts', import.meta.url).pathname], format: 'iife', globalName: 'network' }) })
    const call = async (name: string, ...args: unknown[]): Promise<any> => tab.evaluate(`network.${name}(${args.map(arg => JSON.stringify(arg) ?? 'undefined').join(', ')})`)
    const [member, thief, late, reader, thrown] = await Promise.all(Array.from({ length: 5 }, async () => call('person'))) as [string, string, string, string, string]
    const token = await issueToken({ privateKey, peer: member })
    const expired = await issueToken({ privateKey, peer: late, notBefore: Date.now() - 7_200_000, lifetime: 3_600_000 })
    const everybody = {
      member: await call('discoverWith', member, address, token),
      stranger: await call('discoverWith', thief, address, undefined),
      thief: await call('discoverWith', thief, address, token),
      late: await call('discoverWith', late, address, expired),
      reader: await call('discoverWith', reader, address, await issueToken({ privateKey, peer: reader, actions: ['discover'] })),
      writer: await call('discoverWith', reader, address, await issueToken({ privateKey, peer: reader, actions: ['register'] })),
      thrown: revoked.add(thrown) && await call('discoverWith', thrown, address, await issueToken({ privateKey, peer: thrown }))
    }

    assert.deepEqual(everybody, {
      member: [bob.peerId.toString()],
      stranger: 'a token of its network is required, and none was shown',
      thief: 'the token was issued to another peer',
      late: 'the token has expired',
      reader: [bob.peerId.toString()],
      writer: 'the token does not allow this action',
      thrown: 'the token has been revoked'
    })

    const other = String(carol.getMultiaddrs()[0])
    assert.equal(await call('meet', member, other, id, token), 'member')
    assert.equal(await call('meet', thief, other, id, token), 'no member')
    assert.deepEqual(await call('ownNetwork', member, Array(16).fill(1)), { peer: member, name: String(blind(new Uint8Array(16).fill(1))('my-app', 0)) })
  } finally {
    await Promise.all([bob, carol].map(async node => node.stop()))
    await closed.stop()
  }
}

/** A peer that is registered, and another that only a registry knows, by nothing but their ids. */
async function checkRouting (tab: Page): Promise<void> {
  const bob = await createLibp2p({ ...node(), services: { identify: identify() } })
  const methods: Array<string | undefined> = []
  const registry = createServer((request, response) => {
    methods.push(request.method)
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'access-control-allow-origin': '*' })
    response.end(JSON.stringify({ Schema: 'peer', ID: bob.peerId.toString(), Addrs: bob.getMultiaddrs().map(String) }))
  }).listen(0, '127.0.0.1')
  await once(registry, 'listening')

  try {
    const ids = [alice, bob].map(({ peerId }) => peerId.toString())
    const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`

    assert.deepEqual(await tab.evaluate(`page.dialByIds(${JSON.stringify(String(points[0]))}, ${JSON.stringify(url)}, ${JSON.stringify(ids)})`), ids)
    // a browser does not ask before whether it may
    assert.deepEqual(methods, ['GET'])
  } finally {
    registry.close()
    await bob.stop()
  }
}

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})

try {
  const tab = await browser.newPage()
  await tab.addScriptTag({ content: await bundle({ entryPoints: [new URL('page.ts', import.meta.url).pathname], format: 'iife', globalName: 'page' }) })
  const result = await tab.evaluate(`page.discoverFrom(${JSON.stringify(String(points[0]))})`)

  assert.deepEqual(result, { found: [alice.peerId.toString()], refused: 'NoAddressesError' })
  console.log('a page found the peer at the point over WebSocket')

  await checkRouting(tab)
  console.log('a page dials by their ids a peer that the point knows, and one that a registry knows')

  const greeting = Promise.withResolvers<string>()
  await alice.handle('/hello/1.0.0', async stream => {
    for await (const bytes of stream) {
      greeting.resolve(new TextDecoder().decode(bytes.subarray()))
    }
  })
  const exampleTab = await browser.newPage()
  exampleTab.on('pageerror', greeting.reject)
  await exampleTab.addScriptTag({ type: 'module', content: await bundle({ stdin: { contents: exampleForPages(), resolveDir: import.meta.dirname }, format: 'esm' }) })

  assert.equal(await raceSignal(greeting.promise, AbortSignal.timeout(30_000)), 'hello')
  console.log('the README\'s example says hello from a page')

  await checkNetwork()
  console.log('a page shows tokens to a point and to a member, and is told what is wrong with them')
} finally {
  await browser.close()
  await Promise.all([alice, point].map(async node => node.stop()))
}
