/** The example: two people open it and talk, `npm run test:browser`. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { launch } from './harness.ts'
import type { Page } from 'playwright-core'

const EXAMPLE = new URL('../../examples/chat/', import.meta.url)
const lines = (await Promise.all(['index.html', 'chat.js'].map(async name => readFile(new URL(name, EXAMPLE), 'utf8')))).join('').split('\n').length
assert.ok(lines <= 100, `the page has ${lines} lines`)

const server = spawn(process.execPath, [new URL('serve.js', EXAMPLE).pathname], { env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
const ended = once(server, 'close')
const browser = await launch()

async function open (url: string): Promise<{ page: Page, name: string }> {
  const page = await browser.newPage()
  page.on('pageerror', err => { console.error(err) })
  await page.goto(url)
  const me = page.locator('#me').filter({ hasText: /^\w{6}$/ })

  return { page, name: await me.innerText() }
}

try {
  const { value: url = '' } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next()
  const [alice, bob] = await Promise.all([open(url), open(url)])

  for (const [one, other] of [[alice, bob], [bob, alice]] as const) {
    await one.page.locator('#here', { hasText: other.name }).waitFor()
    await one.page.getByPlaceholder('Say something').fill(`I am ${one.name}`)
    await one.page.getByRole('button').click()
    await other.page.getByText(`${one.name}: I am ${one.name}`).waitFor()
  }

  await alice.page.close()
  await bob.page.waitForFunction("document.getElementById('here').textContent === ''")
  console.log('the chat of examples/chat: two people talk, and one is told that the other has left')
} finally {
  await browser.close()
  server.kill('SIGTERM')
}

const [code] = await ended
assert.equal(code, 0, 'the example ends when it is asked to')
