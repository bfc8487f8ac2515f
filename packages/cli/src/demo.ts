/**
 * A rendezvous point and its peers in one program, over TCP on this machine: every step of the
 * protocol, readable at a glance.
 */

import { styleText } from 'node:util'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import type { DiscoveredPeer, RendezvousClient } from 'libp2p-rendezvous'
import type { Libp2p, PeerId } from '@libp2p/interface'

const SECOND = 1_000
const HOUR = 60 * 60 * SECOND

const names = new Map<string, string>()
let steps = 0

function step (title: string): void {
  console.log(`\n${styleText('bold', `${++steps}. ${title}`)}`)
}

function say (who: string, what: string): void {
  console.log(`   ${styleText('cyan', who.padEnd(6))} ${what}`)
}

function nameOf (peer: PeerId): string {
  return names.get(peer.toString()) ?? peer.toString()
}

function namesOf (peers: DiscoveredPeer[]): string {
  return peers.length === 0 ? 'nobody' : peers.map(({ id }) => nameOf(id)).join(', ')
}

/** What every node of this demo has. */
function node (): Parameters<typeof createLibp2p>[0] {
  return {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  }
}

const point = await createLibp2p({
  ...node(),
  services: { identify: identify(), point: rendezvousPoint({ minTtl: SECOND }) }
})
const [address] = point.getMultiaddrs().map(String) as [string]
const nodes: Libp2p[] = []

async function join (name: string): Promise<RendezvousClient> {
  const peer = await createLibp2p({
    ...node(),
    services: { identify: identify(), rendezvous: rendezvousClient({ points: [address], autoRefresh: false }) }
  })
  names.set(peer.peerId.toString(), name)
  nodes.push(peer)

  return peer.services.rendezvous
}

async function everyone (client: RendezvousClient, namespace: string): Promise<DiscoveredPeer[]> {
  return Array.fromAsync(client.discover(namespace))
}

step('A rendezvous point listens')
say('point', address)

step('Peers register under two namespaces')
const [alice, bob, carol, dave, zoe] = await Promise.all(['Alice', 'Bob', 'Carol', 'Dave', 'Zoe'].map(join)) as [RendezvousClient, RendezvousClient, RendezvousClient, RendezvousClient, RendezvousClient]

for (const [name, client, namespace] of [['Alice', alice, 'chess'], ['Bob', bob, 'chess'], ['Carol', carol, 'chess'], ['Carol', carol, 'go']] as const) {
  const [registration] = await client.register(namespace)
  say(name, `is registered under "${namespace}" for ${(registration?.ttl ?? 0) / HOUR} hours`)
}

step('Zoe discovers them, two to a page')
let cookie: Uint8Array | undefined

for (let page = 1; page <= 2; page++) {
  const { peers, cookie: next } = await zoe.discoverPage('chess', { point: address, limit: 2, cookie })
  say('Zoe', `page ${page} of "chess": ${namesOf(peers)}`)
  cookie = next
}

say('Zoe', `all of "go": ${namesOf(await everyone(zoe, 'go'))}`)

step('Dave registers, and with her cookie Zoe is told only what is new')
await dave.register('chess')
say('Dave', 'is registered under "chess"')
say('Zoe', `new in "chess": ${namesOf((await zoe.discoverPage('chess', { point: address, cookie })).peers)}`)

step('Bob unregisters')
await bob.unregister('chess')
say('Zoe', `all of "chess": ${namesOf(await everyone(zoe, 'chess'))}`)

step('Alice registers for two seconds, and lets it expire')
const expired = new Promise(resolve => { point.services.point.addEventListener('registration:expired', resolve, { once: true }) })
await alice.register('chess', { ttl: 2 * SECOND })
say('Zoe', `all of "chess": ${namesOf(await everyone(zoe, 'chess'))}`)
await expired
say('Zoe', `and after that: ${namesOf(await everyone(zoe, 'chess'))}`)

step('The point refuses a registration for a year')
await alice.register('chess', { ttl: 365 * 24 * HOUR }).catch(err => {
  const { name, statusText } = err.errors?.[0] ?? err
  say('Alice', `${name}: ${statusText}`)
})

await Promise.all([...nodes, point].map(async node => node.stop()))
console.log()
