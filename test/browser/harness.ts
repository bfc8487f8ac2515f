/** What the tests in Chromium have in common: browsers, pages and points. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import type { ChildProcess } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import type { BuildOptions } from 'esbuild'
import type { Browser, BrowserServer } from 'playwright-core'

const ROOT = new URL('../..', import.meta.url).pathname

const CHROMIUM = {
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync']
}

export async function launch (): Promise<Browser> {
  return chromium.launch(CHROMIUM)
}

/** A browser that can be killed. */
export async function launchServer (): Promise<{ browser: Browser, server: BrowserServer }> {
  const server = await chromium.launchServer(CHROMIUM)

  return { server, browser: await chromium.connect(server.wsEndpoint()) }
}

export async function bundle (options: BuildOptions): Promise<string> {
  const { outputFiles: [script] } = await build({ ...options, bundle: true, platform: 'browser', write: false })

  return script?.text ?? ''
}

export interface Certificate {
  key: string | Buffer
  cert: string | Buffer
}

export interface Site {
  url: string
  close: () => void
}

/** A page with one script, which is also what a page needs to be at: without a host it is not told when it goes. */
export async function serve (script: string, certificate?: Certificate): Promise<Site> {
  const listener: Parameters<typeof createHttpServer>[1] = ({ url }, response) => {
    response.setHeader('content-type', url === '/script.js' ? 'text/javascript' : 'text/html')
    response.end(url === '/script.js' ? script : '<!doctype html><title>tab</title><link rel="icon" href="data:,"><script src="script.js"></script>')
  }
  const server = certificate == null ? createHttpServer(listener) : createHttpsServer(certificate, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `${certificate == null ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** The program as a point, in a process that can be killed. */
export class PointProcess {
  readonly addresses: string[]
  readonly #child: ChildProcess

  constructor (child: ChildProcess, addresses: string[]) {
    this.#child = child
    this.addresses = addresses
  }

  /** @param args - of `libp2p-rendezvous point` */
  static async start (...args: string[]): Promise<PointProcess> {
    const child = spawn(process.execPath, [join(ROOT, 'node_modules/.bin/libp2p-rendezvous'), 'point', '--json', '--quiet', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()

    return new PointProcess(child, JSON.parse(value ?? '{}').addresses)
  }

  async end (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode == null && this.#child.signalCode == null) {
      const ended = once(this.#child, 'close')
      this.#child.kill(signal)
      await ended
    }
  }
}

/** Waits until it is so, which takes what it takes on a machine with other work. */
export async function until (what: string, isSo: () => Promise<boolean> | boolean, patience = 30_000): Promise<void> {
  const end = Date.now() + patience

  while (!await isSo()) {
    if (Date.now() > end) {
      throw new Error(`waited in vain until ${what}`)
    }

    await delay(100)
  }
}
