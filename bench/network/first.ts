import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { openRecord, sealRecord } from '../floors.ts'
import { interleave, summarize } from '../measure.ts'
import { echo, ECHO_PROTOCOL, startClient } from '../nodes.ts'
import { row } from '../row.ts'
import { Newcomers } from './newcomers.ts'
import type { Points } from './points.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'
import type { Against } from '../row.ts'

const SECONDS = 25
const WARM_UP = 5
const ROUNDS = 45

/** In each round. */
const REGISTRATIONS = 5
const FLOORS = 10

/** What it takes to register for the first time, on a connection and a stream that are open. */
export async function measureFirstRegistrations ({ memory, persistent }: Points, { progress, row: emit }: Report): Promise<void> {
  progress('starting clients that have never registered')
  const newcomers = [new Newcomers(memory), new Newcomers(persistent), new Newcomers(memory, true)] as const
  const witnesses = await Promise.all([memory, persistent, memory].map(async ({ address }) => startClient([address]))) as [Client, Client, Client]
  const stream = await witnesses[0].node.dialProtocol(multiaddr(memory.address), ECHO_PROTOCOL)
  await Promise.all(newcomers.map(async some => some.start((WARM_UP + ROUNDS) * REGISTRATIONS)))

  const privateKey = await generateKeyPair('Ed25519')
  const peerId = peerIdFromPrivateKey(privateKey)
  const multiaddrs = [multiaddr('/ip4/192.0.2.1/tcp/4001')]
  let sequence = 0n
  const seal = async (): Promise<Uint8Array> => sealRecord(peerId, privateKey, multiaddrs, ++sequence)
  let sealed = await seal()

  progress('first registrations')
  const samples = await interleave({
    echo: { run: async () => echo(stream), runs: FLOORS },
    seal: { run: async () => { sealed = await seal() }, runs: FLOORS },
    open: { run: async () => openRecord(sealed), runs: FLOORS },
    exchange: { ...newcomers[0].exchange(seal), runs: REGISTRATIONS },
    exchangeKept: { ...newcomers[1].exchange(seal), runs: REGISTRATIONS },
    first: { ...newcomers[0].first, runs: REGISTRATIONS },
    firstPersistent: { ...newcomers[1].first, runs: REGISTRATIONS },
    firstLive: { ...newcomers[2].first, runs: REGISTRATIONS }
  }, { seconds: SECONDS, warmUp: WARM_UP, minRounds: 20, maxRounds: ROUNDS })

  await Promise.all(newcomers.map(async (some, index) => some.check(witnesses[index] as Client)))
  await Promise.all(newcomers.map(async some => some.stop()))

  const median = (name: keyof typeof samples): number => summarize(samples[name]).median
  const floor: Against = { name: 'seal + open + echo', samples: [median('seal') + median('open') + median('echo')], counts: 'rate' }
  const about = { size: 1, unit: 'µs' } as const

  emit(row({ name: 'floor: seal a peer record', ...about, samples: samples.seal }))
  emit(row({ name: 'floor: open and certify a peer record', ...about, samples: samples.open }))
  emit(row({ name: 'floor: the exchange (seal, send, open, echo)', ...about, samples: samples.exchange, against: floor }))
  emit(row({ name: 'floor: the exchange, with one entry to the datastore', ...about, samples: samples.exchangeKept, against: { name: 'the exchange', samples: samples.exchange, counts: 'cost' } }))
  emit(row({ name: 'first registration', ...about, samples: samples.first, against: floor, target: { ratio: 0.85 } }))
  emit(row({ name: 'first registration, compared with the exchange', ...about, samples: samples.first, against: { name: 'the exchange', samples: samples.exchange, counts: 'rate' } }))
  emit(row({ name: 'first registration, persistent store', ...about, samples: samples.firstPersistent, against: { name: 'memory store', samples: samples.first, counts: 'cost' }, target: { ratio: 1.3 } }))
  emit(row({ name: 'first registration, persistent store, compared with the exchange', ...about, samples: samples.firstPersistent, against: { name: 'the exchange, with one entry to the datastore', samples: samples.exchangeKept, counts: 'rate' } }))
  emit(row({ name: 'first registration, and the stream that keeps it live', ...about, samples: samples.firstLive, against: { name: 'first registration', samples: samples.first, counts: 'cost' } }))
}
