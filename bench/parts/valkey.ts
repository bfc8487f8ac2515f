import { measureRequests } from '../valkey/requests.ts'
import { info, server as startServer } from '../valkey/server.ts'
import { measureStores } from '../valkey/stores.ts'
import { measureWorkers } from '../valkey/workers.ts'
import type { PartOptions, Report } from '../part.ts'

const SIZES = [1_000, 10_000, 100_000, 1_000_000]

export async function part (report: Report, { sizes = SIZES }: PartOptions = {}): Promise<void> {
  const server = await startServer()

  if (server == null) {
    report.note('There is no server: npm run servers installs it.')
    return
  }

  try {
    const { valkey_version: version, server_name: name } = await info(server, 'server')
    report.note(`The server is ${name} ${version}, on this machine and without persistence.`)
    await measureRequests(server, report)
    await measureWorkers(server, report)

    for (const size of sizes) {
      await measureStores(size, server, report)
      globalThis.gc?.()
    }
  } finally {
    await server.destroy()
  }
}
