import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closeHttpPoints, httpPoint, register, somebody } from './point.ts'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'

/** As in test/browser: named by the environment, or Debian's. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** What a page has: Helia's client, and what it takes to call it from here. */
const SCRIPT = `
import { delegatedRoutingV1HttpApiClient } from '@helia/delegated-routing-v1-http-api-client'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'

globalThis.addressesOf = async (url, id) => {
  const client = delegatedRoutingV1HttpApiClient({ url })({ logger: defaultLogger() })
  await client.start()
  const found = await Array.fromAsync(client.getPeers(peerIdFromString(id).toCID()))

  return found.flatMap(({ Addrs }) => Addrs.map(String))
}

globalThis.seen = []
globalThis.follow = url => {
  globalThis.source = new EventSource(url)
  globalThis.source.addEventListener('update', ({ data, lastEventId }) => { globalThis.seen.push([lastEventId, JSON.parse(data).peers.map(({ peerId }) => peerId)]) })
}
`

describe.skipIf(!existsSync(executablePath))('a page in Chromium, of another origin', () => {
  // what is served where the page is from
  const origin = createServer((_, response) => { response.setHeader('content-type', 'text/html').end('<!doctype html>') })
  let browser: Browser
  let page: Page
  let script: string

  beforeAll(async () => {
    const { outputFiles: [file] } = await build({ stdin: { contents: SCRIPT, resolveDir: import.meta.dirname }, bundle: true, platform: 'browser', format: 'iife', write: false })
    script = file?.text ?? ''
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
    await new Promise<void>(resolve => { origin.listen(0, '127.0.0.1', resolve) })
    page = await browser.newPage()
    await page.goto(`http://localhost:${(origin.address() as AddressInfo).port}/`)
    await page.addScriptTag({ content: script })
  }, 60_000)

  afterEach(closeHttpPoints)

  afterAll(async () => {
    await browser?.close()
    origin.close()
  })

  it('finds a peer with Helia\'s client as it is', async () => {
    const point = await httpPoint()
    const alice = await somebody()
    await register(point, alice, 'my-app')

    expect(await page.evaluate(`addressesOf('${point.url}', '${alice.id}')`)).toEqual(['/ip4/10.0.0.0/tcp/4001'])
  })

  it('is told who comes, and goes on behind what it has seen', async () => {
    const [alice, bob, carol] = await Promise.all([somebody(), somebody(), somebody()])
    const point = await httpPoint()
    const seen = async (): Promise<string[]> => (await page.evaluate<Array<[string, string[]]>>('seen')).flatMap(([, peers]) => peers)
    await register(point, alice, 'my-app')
    await page.evaluate(`follow('${point.url}/network/my-app/events')`)
    await expect.poll(seen).toEqual([alice.id])
    await register(point, bob, 'my-app')
    await expect.poll(seen).toEqual([alice.id, bob.id])

    const [last] = (await page.evaluate<Array<[string]>>('seen')).at(-1) ?? []
    await page.evaluate(`source.close(); seen.length = 0; follow('${point.url}/network/my-app/events?cookie=${last}')`)
    await register(point, carol, 'my-app')
    await expect.poll(seen).toEqual([carol.id])
    await page.evaluate('source.close()')
  })
})
