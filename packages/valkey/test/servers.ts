import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createClient, createCluster } from '@redis/client'
import { describe, it } from 'vitest'
import type { AddressInfo } from 'node:net'

export interface Server {
  readonly port: number
  readonly url: string
  readonly pid: number
  readonly isRunning: boolean
  /** A client that says how to reach it. */
  client: () => ReturnType<typeof createClient>
  /** The answer to a command. */
  ask: (...command: string[]) => Promise<any>
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

/** Tests against a server of each kind that is installed. With SERVERS=all, as in CI, a missing one fails. */
export function describeServers (define: (kind: string) => void, kinds: string[] = Object.keys(PROGRAMS)): void {
  for (const kind of kinds) {
    const isInstalled = existsSync(PROGRAMS[kind] as string)

    if (!isInstalled && process.env.SERVERS === 'all') {
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

    get isRunning () {
      return child != null && child.exitCode == null && child.signalCode == null
    },

    client: () => createClient({ url: server.url }),

    async ask (...command) {
      const client = await server.client().connect()

      try {
        return await client.sendCommand(command)
      } finally {
        client.destroy()
      }
    },

    async pointsOf (prefix, peer) {
      const points: string[] = await server.ask('SMEMBERS', `{${prefix}}:points`)
      const live = await Promise.all(points.map(async point => server.ask('SISMEMBER', `{${prefix}}:live:${point}`, peer)))

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
      if (child != null && server.isRunning) {
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

export interface Cluster {
  readonly servers: Server[]
  client: () => ReturnType<typeof createCluster>
  /** The server that has the keys of a prefix, and its replica. */
  nodesOf: (prefix: string) => Promise<[primary: Server, replica: Server]>
  destroy: () => Promise<void>
}

/** Three primaries, and a replica of each. */
export async function startCluster (kind: string): Promise<Cluster> {
  const servers = await Promise.all(Array.from({ length: 6 }, async () => startServer(kind, '--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no', '--repl-diskless-sync-delay', '0', '--appendonly', 'no')))
  const until = async (condition: () => Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + 60_000

    while (!await condition().catch(() => false)) {
      if (Date.now() > deadline) {
        throw new Error('the cluster did not come about')
      }

      await delay(50)
    }
  }
  const [first, ...others] = servers as [Server, ...Server[]]

  for (const { port } of others) {
    await first.ask('CLUSTER', 'MEET', '127.0.0.1', `${port}`)
  }

  for (const [i, range] of [['0', '5460'], ['5461', '10922'], ['10923', '16383']].entries()) {
    await (servers[i] as Server).ask('CLUSTER', 'ADDSLOTSRANGE', ...range)
  }

  for (const [i, primary] of servers.slice(0, 3).entries()) {
    const replica = servers[i + 3] as Server
    const id = String(await primary.ask('CLUSTER', 'MYID'))
    await until(async () => await replica.ask('CLUSTER', 'REPLICATE', id) === 'OK')
  }

  for (const server of servers) {
    await until(async () => String(await server.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  }

  for (const replica of servers.slice(3)) {
    await until(async () => String(await replica.ask('INFO', 'replication')).includes('master_link_status:up'))
  }

  return {
    servers,
    client: () => createCluster({ rootNodes: servers.map(({ url }) => ({ url })) }),

    async nodesOf (prefix) {
      const alive = servers.find(({ isRunning }) => isRunning) as Server
      const slot = Number(await alive.ask('CLUSTER', 'KEYSLOT', `{${prefix}}`))
      const i = slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2

      return [servers[i] as Server, servers[i + 3] as Server]
    },

    async destroy () {
      await Promise.all(servers.map(async server => server.destroy()))
    }
  }
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')

  return port
}
