import { existsSync } from 'node:fs'
import { Driver, implementations } from '../../interop/drivers.ts'
import { interleave } from '../measure.ts'
import { startClient } from '../nodes.ts'
import { remotePoint } from '../remote-point.ts'
import { row } from '../row.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'
import type { RendezvousClientInit } from 'libp2p-rendezvous'

/** The second is the most that the server takes unless it is told otherwise. */
const SIZES = [1_000, 10_000]

/** Each registers in every namespace, so each namespace has as many peers. */
const CLIENTS = 100

const SECONDS_EACH = 12

/** The form of signed peer records that rust-libp2p reads; the point reads it as well. */
const READABLE: RendezvousClientInit = { recordDomain: 'libp2p-routing-state' }

/** Registrations that a client makes at a time while the points are filled. */
const TOGETHER = 10

export async function part ({ progress, row: emit, note }: Report): Promise<void> {
  const { rust } = implementations

  if (!existsSync(rust.command[0] as string)) {
    note('Left out: the rust-libp2p server has not been built (`npm run interop -- --build --only rust`).')
    return
  }

  progress('starting both servers and the clients')
  note(`Against ${rust.title}, with \`--max-per-peer\` raised and all other limits its own.`)
  const theirs = await Driver.start(rust, 'server', '--max-per-peer', String(SIZES.at(-1)))
  const ours = await remotePoint({ store: 'memory', held: 0, listings: [] })
  const ourClients = await clientsOf(ours.address)
  const theirClients = await clientsOf(theirs.address)
  let namespaces = 0

  for (const size of SIZES) {
    progress(`registering up to ${size.toLocaleString('en')}`)

    while (namespaces * CLIENTS < size) {
      const names = Array.from({ length: TOGETHER }, () => namespaceOf(namespaces++))
      await Promise.all([...ourClients, ...theirClients].map(async ({ rendezvous }) => {
        for (const name of names) {
          await rendezvous.register(name)
        }
      }))
    }

    progress(`measuring at ${size.toLocaleString('en')}`)
    const samples = await interleave({
      register: { run: async () => register(ourClients, namespaces), runs: 10 },
      registerTheirs: { run: async () => register(theirClients, namespaces), runs: 10 },
      discover: { run: async () => discover(ourClients, namespaces), runs: 5 },
      discoverTheirs: { run: async () => discover(theirClients, namespaces), runs: 5 }
    }, { seconds: SECONDS_EACH, warmUp: 20, maxRounds: 300 })

    const about = { size, unit: 'µs' } as const
    emit(row({ name: 'register again', ...about, samples: samples.register, against: { name: 'rust-libp2p', samples: samples.registerTheirs, counts: 'rate' } }))
    emit(row({ name: 'discover the 100 of a namespace, seen before', ...about, samples: samples.discover, against: { name: 'rust-libp2p', samples: samples.discoverTheirs, counts: 'rate' } }))
  }

  await ours.stop()
  await theirs.stop()
}

async function clientsOf (address: string): Promise<Client[]> {
  const clients: Client[] = []

  while (clients.length < CLIENTS) {
    clients.push(await startClient([address], READABLE))
  }

  return clients
}

async function register (clients: Client[], namespaces: number): Promise<void> {
  await one(clients).rendezvous.register(oneNamespace(namespaces))
}

/** Always by the same client, which has seen all of them soon. */
async function discover ([client]: Client[], namespaces: number): Promise<void> {
  let found = 0

  for await (const peer of (client as Client).rendezvous.discover(oneNamespace(namespaces), { limit: CLIENTS - 1 })) {
    found += peer.multiaddrs.length
  }

  if (found !== CLIENTS - 1) {
    throw new Error(`${found} of ${CLIENTS - 1} peers were found`)
  }
}

function one (clients: Client[]): Client {
  return clients[Math.floor(Math.random() * clients.length)] as Client
}

function oneNamespace (namespaces: number): string {
  return namespaceOf(Math.floor(Math.random() * namespaces))
}

function namespaceOf (index: number): string {
  return `namespace-${index}`
}
