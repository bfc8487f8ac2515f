import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createClient } from '@redis/client'
import { describe, it } from 'vitest'
import type { AddressInfo } from 'node:net'

export interface Server {
  readonly port: number
  readonly url: string
  readonly pid: number
  /** A client that says how to reach it. */
  client: () => ReturnType<typeof createClient>
  /** At how many points a peer is live. */
  pointsOf: (prefix: string, peer: string) => Promise<number>
  /** Ends the process. It may be started again on the same port, with what it has kept. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
  start: () => Promise<void>
  /** Also removes what it has kept. */
  destroy: () => Promise<void>
}

const installed = (version: string): string => fileURLToPath(new URL(`../../../.servers/${version}/valkey-server`, import.meta.url))

/** Where `npm run servers` puts them. */
const PROGRAMS: Record<string, string> = {
  'Redis 7': '/usr/bin/redis-server',
  'Valkey 8': installed('valkey-8'),
  'Valkey 9': installed('valkey-9')
}

/** Tests against a server of each kind that is installed. Where nothing may be left out, as in CI, a missing one fails. */
export function describeServers (define: (kind: string) => void, kinds: string[] = Object.keys(PROGRAMS)): void {
  for (const kind of kinds) {
    const isInstalled = existsSync(PROGRAMS[kind] as string)

    if (!isInstalled && process.env.CI != null) {
      it(`${kind} is installed`, () => { throw new Error(`${kind} is not installed; npm run servers does that`) })
    } else {
      describe.skipIf(!isInstalled)(isInstalled ? kind : `${kind}, which "npm run servers" installs`, () => { define(kind) })
    }
  }
}

/** A server of a kind, on a free port of the loopback interface. */
export async function startServer (kind: string, ...options: string[]): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'rendezvous-server-'))
  const port = await freePort()
  let child: ReturnType<typeof spawn> | undefined

  const server: Server = {
    port,
    url: `redis://127.0.0.1:${port}`,

    get pid () {
      return child?.pid as number
    },

    client: () => createClient({ url: server.url }),

    async pointsOf (prefix, peer) {
      const client = await server.client().connect()
      const points = await client.sMembers(`{${prefix}}:points`)
      const live = await Promise.all(points.map(async point => client.sIsMember(`{${prefix}}:live:${point}`, peer)))
      client.destroy()

      return live.filter(isLive => isLive === 1).length
    },

    async start () {
      child = spawn(PROGRAMS[kind] as string, ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...options], { stdio: ['ignore', 'pipe', 'inherit'] })

      for await (const line of createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })) {
        if (line.includes('Ready to accept connections')) {
          child.stdout?.resume()
          return
        }
      }

      throw new Error(`${kind} did not start`)
    },

    async stop (signal = 'SIGTERM') {
      if (child != null && child.exitCode == null && child.signalCode == null) {
        const exit = once(child, 'exit')
        child.kill(signal)
        await exit
      }
    },

    async destroy () {
      await server.stop('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    }
  }

  await server.start()

  return server
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')

  return port
}
