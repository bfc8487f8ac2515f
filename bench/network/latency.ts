import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { openRecord, sealRecord } from '../floors.ts'
import { interleave, scale, summarize } from '../measure.ts'
import { echo, ECHO_PROTOCOL, echoOnNewStream, startClient } from '../nodes.ts'
import { row } from '../row.ts'
import { discover } from './discover.ts'
import { Newcomers } from './newcomers.ts'
import type { Points } from './points.ts'
import type { Subject } from '../measure.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'
import type { Against, RowInit } from '../row.ts'

const SECONDS = 35

/** What one client waits for, one request at a time, on connections that are open. */
export async function measureLatency (points: Points, { progress, row: emit }: Report): Promise<void> {
  progress('one client, one request at a time')
  const { memory, persistent, full, held } = points
  const [client, ofPersistent, ofFull] = await Promise.all([memory, persistent, full].map(async ({ address }) => startClient([address]))) as [Client, Client, Client]
  const address = multiaddr(memory.address)
  const stream = await client.node.dialProtocol(address, ECHO_PROTOCOL)

  const newcomers = new Newcomers(memory)
  const newcomersOfPersistent = new Newcomers(persistent)
  await Promise.all([newcomers.start(), newcomersOfPersistent.start()])

  const samples = await interleave({
    echo: { run: async () => echo(stream), runs: 10 },
    newStream: { run: async () => echoOnNewStream(client.node, address), runs: 5 },
    ...await records(newcomers),
    first: newcomers.first,
    firstPersistent: newcomersOfPersistent.first,
    refresh: { ...refresh(client), runs: 10 },
    refreshPersistent: { ...refresh(ofPersistent), runs: 10 },
    refreshFull: { ...refresh(ofFull), runs: 10 },
    unregister: { ...unregister(client), runs: 3 },
    one: { run: async () => discover(client, 1, 1), runs: 10 },
    oneFull: { run: async () => discover(ofFull, 1, 1), runs: 10 },
    all100: { run: async () => discover(client, 100), runs: 3 },
    all1000: { run: async () => discover(client, 1_000) }
  }, { seconds: SECONDS, warmUp: 20, minRounds: 20, maxRounds: 500 })

  await newcomers.check(client)
  await newcomersOfPersistent.check(ofPersistent)

  const median = (name: keyof typeof samples): number => summarize(samples[name]).median
  const least = median('seal') + median('open') + median('echo')
  const toEcho: Against = { name: 'echo', samples: samples.echo, counts: 'rate' }
  const rows: RowInit[] = [
    { name: 'floor: echo of 300 bytes on an open stream', size: 1, unit: 'µs', samples: samples.echo },
    { name: 'floor: echo of 300 bytes on a new stream', size: 1, unit: 'µs', samples: samples.newStream },
    { name: 'floor: seal a peer record', size: 1, unit: 'µs', samples: samples.seal },
    { name: 'floor: open and certify a peer record', size: 1, unit: 'µs', samples: samples.open },
    {
      name: 'floor: the exchange (seal, send, open, echo)',
      size: 1,
      unit: 'µs',
      samples: samples.exchange,
      against: { name: 'seal + open + echo', samples: [least], counts: 'rate' }
    },
    {
      name: 'first registration',
      size: 1,
      unit: 'µs',
      samples: samples.first,
      against: { name: 'seal + open + echo', samples: [least], counts: 'rate' },
      target: { ratio: 0.85 }
    },
    {
      name: 'first registration, compared with the exchange',
      size: 1,
      unit: 'µs',
      samples: samples.first,
      against: { name: 'the exchange', samples: samples.exchange, counts: 'rate' }
    },
    { name: 'refresh, unchanged record', size: 1, unit: 'µs', samples: samples.refresh, against: toEcho, target: { ratio: 0.7 } },
    { name: 'refresh, unchanged record, so many held', size: held, unit: 'µs', samples: samples.refreshFull, against: { name: 'few held', samples: samples.refresh, counts: 'rate' } },
    { name: 'unregister', size: 1, unit: 'µs', samples: samples.unregister, against: { name: 'echo on a new stream', samples: samples.newStream, counts: 'rate' } },
    { name: 'discover, limit 1', size: 1, unit: 'µs', samples: samples.one, against: toEcho, target: { ratio: 0.75 } },
    { name: 'discover, limit 1, so many held', size: held, unit: 'µs', samples: samples.oneFull, against: { name: 'few held', samples: samples.one, counts: 'rate' } },
    { name: 'discover all, seen before', size: 100, unit: 'ms', samples: scale(samples.all100, 1 / 1_000) },
    { name: 'discover all, seen before', size: 1_000, unit: 'ms', samples: scale(samples.all1000, 1 / 1_000), target: { atMost: 15 } },
    { name: 'first registration, persistent store', size: 1, unit: 'µs', samples: samples.firstPersistent, against: { name: 'memory store', samples: samples.first, counts: 'cost' }, target: { ratio: 1.3 } },
    { name: 'refresh, persistent store', size: 1, unit: 'µs', samples: samples.refreshPersistent, against: { name: 'memory store', samples: samples.refresh, counts: 'cost' }, target: { ratio: 1.3 } }
  ]

  rows.forEach(init => { emit(row(init)) })
}

/**
 * Sealing a record and opening one, here and again and again; and the two with an echo in between, as
 * a registration needs them, with the point opening the record.
 */
async function records (newcomers: Newcomers): Promise<Record<'seal' | 'open' | 'exchange', Subject>> {
  const privateKey = await generateKeyPair('Ed25519')
  const peerId = peerIdFromPrivateKey(privateKey)
  const multiaddrs = [multiaddr('/ip4/192.0.2.1/tcp/4001')]
  let sequence = 0n
  const seal = async (): Promise<Uint8Array> => sealRecord(peerId, privateKey, multiaddrs, ++sequence)
  let sealed = await seal()

  return {
    seal: { run: async () => { sealed = await seal() }, runs: 5 },
    open: { run: async () => openRecord(sealed), runs: 5 },
    exchange: newcomers.exchange(seal)
  }
}

function refresh ({ rendezvous }: Client): Subject {
  return { run: async () => rendezvous.register('refreshed') }
}

function unregister ({ rendezvous }: Client): Subject {
  return {
    before: async () => rendezvous.register('unregistered'),
    run: async () => rendezvous.unregister('unregistered')
  }
}
