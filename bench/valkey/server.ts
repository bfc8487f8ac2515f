import { existsSync } from 'node:fs'
import { startServer } from '../../packages/valkey/test/servers.ts'
import type { Server } from '../../packages/valkey/test/servers.ts'

const KIND = 'Valkey 9'

/** A server for the stores that points share, or undefined where none is installed. */
export async function server (): Promise<Server | undefined> {
  return existsSync(new URL('../../.servers/valkey-9/valkey-server', import.meta.url)) ? startServer(KIND) : undefined
}

/** What the server says of itself, by name. */
export async function info (server: Server, section: string): Promise<Record<string, string>> {
  const text = String(await server.ask('INFO', section))

  return Object.fromEntries(text.split('\r\n').filter(line => line.includes(':')).map(line => line.split(':', 2)))
}

/** Processor time that the server has used, in microseconds. */
export async function serverTime (server: Server): Promise<number> {
  const { used_cpu_user: user, used_cpu_sys: system } = await info(server, 'cpu')

  return (Number(user) + Number(system)) * 1e6
}
