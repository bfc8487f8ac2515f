/**
 * Runs the client in a headless Chromium against a point in this process: `npm run test:browser`.
 * The environment variable CHROMIUM names the browser, /usr/bin/chromium by default.
 */

import assert from 'node:assert/strict'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { build } from 'esbuild'
import { createLibp2p } from 'libp2p'
import { rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import { chromium } from 'playwright-core'

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

const { outputFiles: [script] } = await build({
  entryPoints: [new URL('page.ts', import.meta.url).pathname],
  bundle: true,
  format: 'iife',
  globalName: 'page',
  platform: 'browser',
  write: false
})
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})

try {
  const tab = await browser.newPage()
  await tab.addScriptTag({ content: script?.text ?? '' })
  const result = await tab.evaluate(`page.discoverFrom(${JSON.stringify(String(points[0]))})`)

  assert.deepEqual(result, { found: [alice.peerId.toString()], refused: 'NoAddressesError' })
  console.log('a page found the peer at the point over WebSocket')
} finally {
  await browser.close()
  await Promise.all([alice, point].map(async node => node.stop()))
}
