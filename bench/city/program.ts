import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import type { Driver } from '../../interop/drivers.ts'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { AddressInfo } from 'node:net'

/** Between the requests of an honest probe, in milliseconds. */
const PROBE_INTERVAL = 20

const bin = fileURLToPath(new URL('../../packages/cli/bin/libp2p-rendezvous.js', import.meta.url))

/** The program as it is run, and killed. */
export interface Program {
  address: string
  kill: () => Promise<void>
}

export async function startProgram (data: string, port: number, env: NodeJS.ProcessEnv = {}): Promise<Program> {
  const child = spawn(process.execPath, [
    bin, 'point', '--json', '--quiet', '--listen', `/ip4/127.0.0.1/tcp/${port}`, '--data', data,
    '--max-connections', '100000', '--max-connection-rate', '100000'
  ], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  const ended = new Promise<void>(resolve => { child.once('close', () => { resolve() }) })
  process.once('exit', () => { child.kill('SIGKILL') })

  for await (const line of createInterface({ input: child.stdout })) {
    const { event, addresses } = JSON.parse(line)

    if (event === 'ready') {
      // what is not read would hold it up
      child.stdout.resume()

      return {
        address: addresses[0],
        kill: async () => {
          child.kill('SIGKILL')
          await ended
        }
      }
    }
  }

  throw new Error('the point did not start')
}

export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })

  return port
}

export async function dial (peer: Libp2p, address: string): Promise<Connection> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await peer.dial(multiaddr(address))
    } catch (err) {
      // among ten thousand others
      if (attempt === 20) {
        throw err
      }

      await delay(200)
    }
  }
}

export async function tell (crowd: Driver, command: string, args: Record<string, unknown>, patience: number): Promise<any> {
  const answer = await crowd.do(command, args, patience)

  if (!answer.ok) {
    throw new Error(answer.error)
  }

  return answer
}

/** Milliseconds that requests take, one every now and then. */
export async function probe (request: () => Promise<void>, signal: AbortSignal): Promise<number[]> {
  const took: number[] = []

  while (!signal.aborted) {
    const begin = performance.now()
    await request()
    took.push(performance.now() - begin)
    await delay(PROBE_INTERVAL)
  }

  return took
}
