/**
 * Looks at the status page of the program in a headless Chromium, as a person does: live, by keyboard, in the dark and on a
 * phone. The environment variable CHROMIUM names the browser, /usr/bin/chromium by default; SCREENSHOTS a directory for what it
 * looks like.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from 'libp2p-rendezvous'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

const PROGRAM = join(import.meta.dirname, '../../packages/cli/bin/libp2p-rendezvous.js')

/** What text has to stand out by from its ground: WCAG 2, success criterion 1.4.3. */
const CONTRAST = 4.5

const WIDE = { viewport: { width: 1280, height: 900 } }
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }

const program = spawn(process.execPath, [PROGRAM, 'point', '--memory', '--json', '--listen', '/ip4/127.0.0.1/tcp/0', '--http', '127.0.0.1:0', '--admin', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] })
// it may end before somebody waits for that
const ended = once(program, 'close')
const { value: first = '{}' } = await createInterface({ input: program.stdout })[Symbol.asyncIterator]().next()
const { addresses: [address], peerId, http, admin } = JSON.parse(first)
const alice = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), rendezvous: rendezvousClient({ points: [address] }) }
})

let browser: Browser | undefined

/** A page that is loaded and told of what happens; what it asks for is from here, and nothing goes wrong in it. */
async function open (url: string, options: BrowserContextOptions = WIDE): Promise<{ page: Page, close: (name?: string) => Promise<void> }> {
  const context = await (browser as Browser).newContext({ permissions: ['clipboard-read', 'clipboard-write'], ...options })
  const page = await context.newPage()
  const asked: string[] = []
  const problems: string[] = []
  page.on('request', request => { asked.push(request.url()) })
  page.on('pageerror', err => { problems.push(err.message) })
  // of violations of the content security policy, too
  page.on('console', message => { problems.push(message.text()) })
  await page.goto(url)

  if (options.javaScriptEnabled !== false) {
    await saysSoon(page, '#live', /^Live$/)
  }

  return {
    page,
    close: async name => {
      if (name != null && process.env['SCREENSHOTS'] != null) {
        await page.screenshot({ path: join(process.env['SCREENSHOTS'], `${name}.png`), fullPage: true })
      }

      assert.deepEqual(asked.filter(other => !other.startsWith(url)), [], 'it asks nobody else')
      assert.deepEqual(problems, [])
      await context.close()
    }
  }
}

async function saysSoon (page: Page, selector: string, expected: RegExp): Promise<void> {
  await page.waitForFunction(([selector, source]) => new RegExp(source).test(document.querySelector(selector)?.textContent ?? ''), [selector, expected.source] as const, { timeout: 15_000 })
    .catch(async () => { assert.match(await page.locator(selector).textContent() ?? '', expected) })
}

const focused = async (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute('aria-label') || document.activeElement?.textContent || '')

/** Presses Tab until something has the focus. */
async function tabTo (page: Page, wanted: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab')

    if (await focused(page) === wanted) {
      return
    }
  }

  assert.fail(`the keyboard does not reach ${wanted}`)
}

/** Texts that are hard to read, with how much they stand out from their ground. */
async function faint (page: Page): Promise<string[]> {
  return page.evaluate(least => {
    const parse = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (color: number[]): number => color.slice(0, 3)
      .map(channel => channel / 255)
      .map(channel => channel <= 0.040_45 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4)
      .reduce((sum, channel, index) => sum + channel * [0.2126, 0.7152, 0.0722][index]!, 0)
    const groundOf = (element: Element | null): number[] => {
      const color = element == null ? [255, 255, 255] : parse(getComputedStyle(element).backgroundColor)

      return color[3] === 0 ? groundOf(element!.parentElement) : color
    }
    const found: string[] = []
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)

    for (let node = texts.nextNode(); node != null; node = texts.nextNode()) {
      const element = node.parentElement!

      if (node.textContent!.trim() !== '' && element.checkVisibility()) {
        const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(groundOf(element))]
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)

        if (contrast < least) {
          found.push(`${node.textContent!.trim()}: ${contrast.toFixed(1)}`)
        }
      }
    }

    return found
  }, CONTRAST)
}

async function isAsWideAsTheScreen (page: Page): Promise<void> {
  const { content, screen } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, screen: innerWidth }))
  assert.ok(content <= screen, `it is ${content} wide on a screen of ${screen}`)
}

async function ask (action: string, body: object): Promise<void> {
  const { ok } = await fetch(`${admin}/admin/${action}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  assert.ok(ok)
}

try {
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })

  const live = await open(`${http}/`)
  assert.equal(await live.page.textContent('#peer-id'), peerId)
  assert.equal(await live.page.textContent('#value-registrations'), '0')
  await alice.services.rendezvous.register('my-app')
  await saysSoon(live.page, '#value-registrations', /^1$/)
  await saysSoon(live.page, '#fullest', /my-app/)
  await ask('close', { namespace: 'spam' })
  await assert.rejects(alice.services.rendezvous.register('spam'))
  await saysSoon(live.page, '#refusals', /register spam.*E_NOT_AUTHORIZED the operator/)
  await saysSoon(live.page, '#value-refusals', /^0\.\d+\/s$/)
  assert.ok((await live.page.getAttribute('#chart-connections .line', 'd'))?.includes('L'), 'there is a line')
  assert.ok(!(await live.page.content()).includes(alice.peerId.toString()), 'no peer is shown to everybody')
  await live.close('light')
  console.log('the status page shows what happens as it happens, and no peer to everybody')

  const own = await open(`${admin}/`)
  await saysSoon(own.page, '#refusals', new RegExp(alice.peerId.toString()))
  await own.close()
  console.log('whoever runs the point sees on the private listener who was refused')

  const keys = await open(`${http}/`)
  await keys.page.keyboard.press('Tab')
  assert.equal(await focused(keys.page), 'Skip to the numbers')
  await keys.page.keyboard.press('Enter')
  assert.equal(await focused(keys.page), 'what')
  await keys.page.reload()
  await saysSoon(keys.page, '#live', /^Live$/)
  await tabTo(keys.page, 'Copy address 1')
  await keys.page.keyboard.press('Enter')
  await saysSoon(keys.page, '#said', /^Copied$/)
  assert.equal(await keys.page.evaluate(async () => navigator.clipboard.readText()), address)
  await tabTo(keys.page, 'Show the QR code of address 1')
  await keys.page.keyboard.press('Space')
  assert.ok(await keys.page.evaluate(() => (document.getElementById('qr') as HTMLImageElement).naturalWidth > 0), 'there is a QR code')
  await keys.page.focus('[name=range]:checked')
  const asked = keys.page.waitForRequest(/range=6h/)
  await keys.page.keyboard.press('ArrowRight')
  await asked
  await keys.page.keyboard.press('ArrowLeft')
  await saysSoon(keys.page, '#live', /^Live$/)
  await tabTo(keys.page, 'moment')
  await keys.page.keyboard.press('ArrowLeft')
  await saysSoon(keys.page, '#time', /^\d\d:\d\d:\d\d$/)
  assert.equal(await keys.page.getAttribute('#moment', 'aria-valuetext'), await keys.page.textContent('#time'))
  await keys.page.keyboard.press('End')
  await saysSoon(keys.page, '#time', /^now$/)
  await tabTo(keys.page, 'The same as a table')
  await keys.page.keyboard.press('Enter')
  assert.ok(await keys.page.isVisible('#numbers tr'))
  await keys.close('table')
  console.log('the keyboard reaches all of it')

  const spoken = await open(`${http}/`)
  assert.deepEqual(await spoken.page.evaluate(() => ({
    landmarks: ['header', 'main', 'footer', 'nav'].map(name => document.querySelectorAll(name).length),
    nameless: [...document.querySelectorAll('table')].filter(({ caption }) => caption == null).length + [...document.querySelectorAll('section')].filter(section => document.getElementById(section.getAttribute('aria-labelledby') ?? '') == null).length,
    headers: [...document.querySelectorAll('th')].filter(({ scope }) => scope === '').length,
    images: [...document.querySelectorAll('img')].filter(({ alt }) => alt === '').length + [...document.querySelectorAll('svg')].filter(svg => svg.getAttribute('aria-hidden') !== 'true').length,
    talkative: document.querySelectorAll('[aria-live], [role=status], [role=alert]').length
  })), { landmarks: [1, 1, 1, 1], nameless: 0, headers: 0, images: 0, talkative: 2 })
  await spoken.close()
  console.log('it says what everything is, and speaks up about its connection and about what was copied alone')

  for (const [name, options] of Object.entries({ light: WIDE, dark: { ...WIDE, colorScheme: 'dark' as const }, phone: PHONE, 'phone-dark': { ...PHONE, colorScheme: 'dark' as const } })) {
    const seen = await open(`${http}/`, options)
    await isAsWideAsTheScreen(seen.page)
    assert.deepEqual(await faint(seen.page), [])
    const ground = await seen.page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    assert.match(ground, name.endsWith('dark') ? /^rgb\(\d\d, \d\d, \d\d\)$/ : /^rgb\(2\d\d, 2\d\d, 2\d\d\)$/)
    await seen.page.setViewportSize({ width: 320, height: 600 })
    await isAsWideAsTheScreen(seen.page)
    await seen.page.setViewportSize(options.viewport)
    await seen.close(name === 'light' ? undefined : name)
  }

  console.log('it can be read in the light and in the dark, on a screen and on a phone')

  const still = await open(`${http}/`, { ...WIDE, reducedMotion: 'reduce' })
  assert.deepEqual(await still.page.evaluate(() => [...document.querySelectorAll('*')].filter(element => getComputedStyle(element).transitionDuration !== '0s' || getComputedStyle(element).animationName !== 'none').length), 0)
  await still.close()

  const silent = await open(`${http}/`, { ...WIDE, javaScriptEnabled: false })
  assert.match(await silent.page.textContent('#fullest') ?? '', /my-app/)
  assert.equal(await silent.page.locator('button:visible').count(), 0)
  await silent.close()
  console.log('nothing moves where that is not wanted, and it can be read without its script')

  const context = await browser.newContext()
  const left = await context.newPage()
  await left.goto(`${http}/`)
  await saysSoon(left, '#live', /^Live$/)
  program.kill('SIGTERM')
  await saysSoon(left, '#live', /^Not connected; trying again$/)
  assert.equal((await ended)[0], 0)
  console.log('it says so when the point has ended, which it does while somebody looks')
} finally {
  program.kill('SIGKILL')
  await browser?.close()
  await alice.stop()
}
