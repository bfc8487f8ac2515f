/**
 * Runs the client in a headless Chromium against a point in this process, and then the README's example as it
 * is in a page: `npm run test:browser`.
 * The environment variable CHROMIUM names the browser, /usr/bin/chromium by default.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { build } from 'esbuild'
import { createLibp2p } from 'libp2p'
import { rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import { chromium } from 'playwright-core'
import { raceSignal } from 'race-signal'
import type { BuildOptions } from 'esbuild'

const node = (): Parameters<typeof createLibp2p>[0] => ({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
  transports: [webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})

const point = await createLibp2p({ ...node(), services: { identify: identify(), point: rendezvousPoint() } })
const points = point.getMultiaddrs()
const alice = await createLibp2p({ ...node(), services: { identify: identify(), rendezvous: rendezvousClient({ points }) } })
await alice.services.rendezvous.register('my-app')

async function bundle (options: BuildOptions): Promise<string> {
  const { outputFiles: [script] } = await build({ ...options, bundle: true, platform: 'browser', write: false })

  return script?.text ?? ''
}

/** The example with the node that the README has for a page, at this point. */
function exampleForPages (): string {
  const [example = '', node = ''] = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').match(/(?<=```js\n).*?(?=```)/gs) ?? []

  return example
    .replace(/^const node = .*?^}\)\n/ms, node)
    .replace(/^import .* '@libp2p\/tcp'\n/m, '')
    .replace(/^.*SIGINT.*\n/m, '')
    .replace(/\/ip4\/.*…/, String(points[0]))
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
} finally {
  await browser.close()
  await Promise.all([alice, point].map(async node => node.stop()))
}
