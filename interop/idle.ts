/**
 * Counts what our client sends to a point of rust-libp2p that closes connections without a stream after ten
 * seconds, as points of rust-libp2p do unless they are told otherwise.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from 'libp2p-rendezvous'
import * as varint from 'uint8-varint'
import { Driver, implementations } from './drivers.ts'
import type { Connection, Stream } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import type { RendezvousClient, RendezvousClientComponents } from 'libp2p-rendezvous'

const HELP = `usage: node interop/idle.ts [options]

  --minutes N     how long (10)
  --driver PATH   the built driver, for want of the one in the cache
`

const NAMESPACES = ['one', 'two', 'three']

interface What {
  registers: boolean
  watches: boolean
}

const CLIENTS: Record<string, What> = {
  'registers three namespaces': { registers: true, watches: false },
  'watches three namespaces': { registers: false, watches: true },
  both: { registers: true, watches: true }
}

/** The messages of a client, by the values of `Message.MessageType`. */
const REQUESTS = new Map([[0, 'REGISTER'], [2, 'UNREGISTER'], [3, 'DISCOVER']])

const { values: { minutes, driver, help } } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    driver: { type: 'string' },
    help: { type: 'boolean', default: false }
  }
})

if (help) {
  process.stdout.write(HELP)
} else {
  await main(Number(minutes), driver == null ? implementations.rust.command : [driver])
}

async function main (minutes: number, command: string[]): Promise<void> {
  const point = await Driver.start({ ...implementations.rust, command }, 'server', '--idle', '10')
  const rows = await Promise.all(Object.entries(CLIENTS).map(async ([name, what]) => [name, await count(point.address, what, minutes)] as const))

  for (const [name, counts] of rows) {
    process.stdout.write(`${name}: ${[...counts].map(([what, times]) => `${what} ${times}`).join(', ')}\n`)
  }

  await point.stop()
}

async function count (point: string, { registers, watches }: What, minutes: number): Promise<Map<string, number>> {
  const counts = new Map([...REQUESTS.values(), 'connections', 'reported as failed', 'reported as expired'].map(what => [what, 0]))
  const add = (what: string): void => { counts.set(what, (counts.get(what) ?? 0) + 1) }
  const node = await createLibp2p({
    addresses: { listen: [], announce: ['/ip4/127.0.0.1/tcp/4001'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      rendezvous: (components: RendezvousClientComponents): RendezvousClient => rendezvousClient({ points: [point] })(
        replaced(components, 'connectionManager', listened(components.connectionManager, bytes => { add(typeOf(bytes)) }))
      )
    }
  })
  const { rendezvous } = node.services
  node.addEventListener('connection:open', () => { add('connections') })
  rendezvous.addEventListener('registration:failed', () => { add('reported as failed') })
  rendezvous.addEventListener('registration:expired', () => { add('reported as expired') })
  await Promise.all(NAMESPACES.map(async namespace => registers ? rendezvous.register(namespace) : []))
  const watching = NAMESPACES.map(async namespace => watches ? watch(rendezvous, namespace) : undefined)
  await sleep(minutes * 60_000)
  const result = new Map(counts)
  await node.stop()
  await Promise.all(watching)

  return result
}

async function watch (rendezvous: RendezvousClient, namespace: string): Promise<void> {
  const peers = rendezvous.watch(namespace)

  // until the node stops
  while ((await peers.next()).done !== true);
}

function typeOf (bytes: Uint8Array): string {
  // after the length, the type is the first field of each message
  const [tag, type] = bytes.subarray(varint.encodingLength(varint.decode(bytes)))

  return tag === 8 ? REQUESTS.get(Number(type)) ?? 'others' : 'others'
}

/** The connection manager, with an ear at each stream that is opened on its connections. */
function listened (connectionManager: ConnectionManager, onSend: (bytes: Uint8Array) => void): ConnectionManager {
  return replaced(connectionManager, 'openConnection', async (...args) => {
    const connection: Connection = await connectionManager.openConnection(...args)

    return replaced(connection, 'newStream', async (...args) => {
      const stream: Stream = await connection.newStream(...args)

      return replaced(stream, 'send', bytes => {
        onSend(bytes.subarray())

        return stream.send(bytes)
      })
    })
  })
}

/** An object of which one part is another. */
function replaced <T extends object, K extends keyof T> (object: T, part: K, by: T[K]): T {
  return new Proxy(object, {
    get: (target, key) => {
      if (key === part) {
        return by
      }

      const value = Reflect.get(target, key)

      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
