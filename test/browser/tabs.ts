/**
 * Tabs that know one address of a point and a name meet, in two browsers, at the program: `npm run test:browser`.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle, launch, launchServer, PointProcess, serve, until } from './harness.ts'
import { PeerNode } from './peer-node.ts'
import type { Certificate, Site } from './harness.ts'
import type { Heard, State } from './tab.ts'
import type { Browser, Page } from 'playwright-core'

/** For a point to take who left for gone. Milliseconds. */
const GRACE = 2_000

/** A certificate for localhost, made for tests. */
const FIXTURES = new URL('../../packages/cli/test/fixtures/', import.meta.url)
const [certFile, keyFile] = ['first.cert.pem', 'first.key.pem'].map(name => new URL(name, FIXTURES).pathname) as [string, string]
const certificate: Certificate = { cert: await readFile(certFile), key: await readFile(keyFile) }

/** Somebody to talk to, in a tab or not. */
interface Peer {
  id: string
  state: () => Promise<State>
}

class Tab implements Peer {
  readonly id: string
  readonly page: Page

  constructor (page: Page, id: string) {
    this.page = page
    this.id = id
  }

  static async open (browser: Browser, { url }: Site, points: string[], namespace: string): Promise<Tab> {
    const page = await browser.newPage({ ignoreHTTPSErrors: true })
    page.on('pageerror', err => { console.error(err) })
    await page.goto(url)

    return new Tab(page, await page.evaluate(`tab.start(${JSON.stringify(points)}, ${JSON.stringify(namespace)})`))
  }

  async state (): Promise<State> {
    return this.page.evaluate('tab.state()')
  }

  async say (to: Peer, text: string): Promise<void> {
    await this.page.evaluate(`tab.say(${JSON.stringify(to.id)}, ${JSON.stringify(text)})`)
  }
}

async function heard (who: Peer, from: Peer, text: string): Promise<Heard> {
  let found: Heard | undefined

  try {
    await until(`${who.id} hears "${text}" from ${from.id}`, async () => {
      const { heard } = await who.state()
      found = heard.find(one => one.from === from.id && one.text === text)

      return found != null
    })
  } catch (err) {
    console.error(await who.state(), await from.state())
    throw err
  }

  return found as Heard
}

/** Each hears the others' greeting. @returns when each heard its first, in milliseconds since its page began to load */
async function allGreet (peers: Peer[]): Promise<number[]> {
  return Promise.all(peers.map(async peer => {
    const greetings = await Promise.all(peers.filter(other => other !== peer).map(async other => heard(peer, other, 'hello')))

    return Math.round(Math.min(...greetings.map(({ at }) => at)))
  }))
}

/** Until others see that a peer is gone. @returns how long it took, in milliseconds, at the slowest of them */
async function gone (peer: Peer, others: Peer[], since: number): Promise<number> {
  const times = await Promise.all(others.map(async other => {
    await until(`${other.id} sees that ${peer.id} is gone`, async () => (await other.state()).gone[peer.id] != null)

    return (await other.state()).gone[peer.id] as number
  }))

  return Math.max(...times) - since
}

const script = await bundle({ entryPoints: [new URL('tab.ts', import.meta.url).pathname], format: 'iife', globalName: 'tab', minify: true })
const [site, secureSite] = await Promise.all([serve(script), serve(script, certificate)])
const [one, other] = await Promise.all([launch(), launchServer()])
const data = await mkdtemp(join(tmpdir(), 'tabs-'))
const running = new Set<PointProcess>()

async function startPoint (...args: string[]): Promise<PointProcess> {
  const point = await PointProcess.start('--relay', '--presence-grace', `${GRACE / 1_000}s`, ...args)
  running.add(point)

  return point
}

/** Two tabs and a third in another browser are opened at the same moment and meet; and then one that comes later. */
async function meet (over: string, site: Site, { addresses }: PointProcess): Promise<{ tabs: Tab[], newcomer: Tab }> {
  const tabs = await Promise.all([one, one, other.browser].map(async browser => Tab.open(browser, site, addresses, over)))
  const first = await allGreet(tabs)
  const newcomer = await Tab.open(one, site, addresses, over)
  const [last] = await allGreet([newcomer, ...tabs])
  console.log(`over ${over}: from page load to the first message ${first.join(', ')} ms for three tabs at once, ${last} ms for one that comes later`)

  return { tabs, newcomer }
}

async function closeTabs (): Promise<void> {
  await Promise.all([one, other.browser].flatMap(browser => browser.contexts()).map(async context => context.close()))
}

async function checkWss (): Promise<void> {
  const point = await startPoint('--memory', '--listen', '/ip4/127.0.0.1/tcp/0/tls/ws', '--tls-cert', certFile, '--tls-key', keyFile)
  await meet('wss', secureSite, point)
  await closeTabs()
}

async function checkWebRTCDirect (): Promise<void> {
  const point = await startPoint('--memory', '--listen', '/ip4/127.0.0.1/udp/0/webrtc-direct')
  const { tabs: [tab, ...others], newcomer } = await meet('webrtc-direct', secureSite, point)
  await checkClosing(newcomer, [tab as Tab, ...others])
  await closeTabs()
}

async function checkClosing (tab: Tab, others: Tab[]): Promise<void> {
  const since = Date.now()
  await tab.page.close()
  const took = await gone(tab, others, since)
  console.log(`a tab that is closed is gone for the others after ${took} ms`)
  assert.ok(took < GRACE, 'it was not unregistered by the page, but by the point')
}

/** A peer that anybody can dial, one behind the point as its relay, and a tab. */
async function checkNodes ({ addresses }: PointProcess): Promise<void> {
  const reachable = await PeerNode.start(addresses, 'nodes', ['/ip4/127.0.0.1/tcp/0/ws'])
  const relayed = await PeerNode.start(addresses, 'nodes', ['/p2p-circuit', '/webrtc'])

  try {
    await allGreet([reachable, relayed, await Tab.open(one, site, addresses, 'nodes')])
    console.log('a tab, a peer that can be dialled and one behind a relay greet each other')
  } finally {
    await Promise.all([reachable, relayed].map(async peer => peer.stop()))
  }
}

async function checkWs (): Promise<void> {
  const listen = ['--data', data, '--listen']
  const point = await startPoint(...listen, '/ip4/127.0.0.1/tcp/0/ws')
  const { tabs, newcomer } = await meet('ws', site, point)
  const [first, second, elsewhere] = tabs as [Tab, Tab, Tab]
  await checkClosing(newcomer, tabs)
  await checkNodes(point)

  await point.end('SIGKILL')
  await Promise.all([first.say(elsewhere, 'still here?'), elsewhere.say(second, 'yes')])
  await Promise.all([heard(elsewhere, first, 'still here?'), heard(second, elsewhere, 'yes')])
  console.log('tabs go on when the point is killed')

  const [, port] = /\/tcp\/(\d+)/.exec(point.addresses[0] ?? '') ?? []
  const again = await startPoint(...listen, `/ip4/127.0.0.1/tcp/${port}/ws`)
  assert.deepEqual(again.addresses, point.addresses)
  await allGreet([await Tab.open(one, site, again.addresses, 'ws'), ...tabs])
  console.log('when it is back, a newcomer finds them')

  const since = Date.now()
  other.server.process().kill('SIGKILL')
  const took = await gone(elsewhere, [first, second], since)
  console.log(`a tab that is killed is gone for the others after ${took} ms; the grace is ${GRACE} ms`)
  assert.ok(took > GRACE / 2, 'a grace is one')
}

try {
  await checkWss()
  await checkWebRTCDirect()
  await checkWs()
} finally {
  await Promise.allSettled([one.close(), other.server.kill()])
  await Promise.all([...running].map(async point => point.end('SIGKILL')))
  await rm(data, { recursive: true })
  site.close()
  secureSite.close()
}

// a WebRTC connection of Node leaves something behind that keeps a process, whatever is closed
process.exit()
