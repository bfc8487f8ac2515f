import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { persistentStore } from 'libp2p-rendezvous'
import { openDataDirectory } from '../packages/cli/dist/data-directory.js'
import { NO_LIMITS, real } from './registrations.ts'
import type { ChildProcess } from 'node:child_process'

/** What a process has used: microseconds of processor time, and bytes of memory. */
export interface Usage {
  time: number
  memory: number
}

/** The program, as anybody starts it, in a process of its own. */
export interface HostilePoint {
  tcp: string
  ws: string
  usage: () => Promise<Usage>
  stop: () => Promise<void>
}

const PROGRAM = fileURLToPath(new URL('../packages/cli/bin/libp2p-rendezvous.js', import.meta.url))

/**
 * @param sizes - registrations that it holds when it starts, as `of-10` for ten
 */
export async function hostilePoint ({ sizes = [], flags = [] }: { sizes?: number[], flags?: string[] } = {}): Promise<HostilePoint> {
  const path = await mkdtemp(join(tmpdir(), 'hostile-'))
  await fill(path, sizes)
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0', '--listen', '/ip4/127.0.0.1/tcp/0/ws']
  const child = fork(PROGRAM, ['point', '--data', path, '--json', '--quiet', ...listen, ...flags], {
    execArgv: ['--import', new URL('hostile-usage.ts', import.meta.url).href],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc']
  })
  const [line] = await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line') as [string]
  const { addresses } = JSON.parse(line) as { addresses: string[] }

  return {
    tcp: String(addresses.find(address => !address.includes('/ws'))),
    ws: String(addresses.find(address => address.includes('/ws'))),
    usage: async () => usageOf(child),
    stop: async () => {
      const ended = child.exitCode == null ? once(child, 'exit') : undefined
      child.kill()
      await ended
      await rm(path, { recursive: true, force: true })
    }
  }
}

async function fill (path: string, sizes: number[]): Promise<void> {
  const { datastore, close } = await openDataDirectory(path)
  const store = persistentStore({ datastore })
  await store.start?.({ now: Date.now(), maxTtl: Infinity })

  for (const size of sizes) {
    for (const registration of await real(size, `of-${size}`)) {
      await store.register(registration, NO_LIMITS, Date.now())
    }
  }

  await store.stop?.()
  await close()
}

async function usageOf (child: ChildProcess): Promise<Usage> {
  if (child.exitCode != null || child.signalCode != null) {
    throw new Error('The point is gone')
  }

  child.send('usage')
  const [usage] = await once(child, 'message') as [Usage]

  return usage
}
