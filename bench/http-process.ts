import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { createLibp2p } from 'libp2p'
import { memoryStore, rendezvousPoint } from 'libp2p-rendezvous'
import { startHttp } from '../packages/cli/dist/http/server.js'
import { NO_LIMITS, real } from './registrations.ts'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What is asked for, by its name. */
export type HttpPaths = Record<string, string>

/** The first message: where the point is asked, and where the bare framework is, which answers the same bytes. */
export interface HttpReady {
  point: string
  bare: string
  paths: HttpPaths
}

const PEERS = 100

const store = memoryStore()
const node = await createLibp2p({
  addresses: { listen: [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), rendezvousPoint: rendezvousPoint({ store, rateLimit: false }) }
})
const registrations = await real(PEERS, 'my-app')
await Promise.all(registrations.map(registration => store.register(registration, NO_LIMITS, Date.now())))

const { url: point } = await startHttp({ http: { host: '127.0.0.1', port: 0 } }, {
  node,
  isHealthy: () => true,
  metrics: async () => ({ contentType: 'text/plain', text: '' })
} as any)

if (point == null) {
  throw new Error('nothing is served')
}

const paths: HttpPaths = {
  'a peer by its id': `/routing/v1/peers/${registrations[0]?.peer}`,
  'a page of 100 active peers': '/network/my-app/active-peers'
}

const bare = new Hono()

for (const path of Object.values(paths)) {
  const response = await fetch(`${point}${path}`)
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !['connection', 'content-length', 'date', 'keep-alive'].includes(name)))
  const text = await response.text()
  bare.get(path, c => c.body(text, 200, headers))
}

const server = createAdaptorServer(bare) as Server
await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })

// the end of the process that started this one is the end of this one
process.on('disconnect', () => { process.exit() })
process.send?.({ point, bare: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths } satisfies HttpReady)
