import { circuitRelayTransport, RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { startChild } from '../child.ts'
import { row } from '../row.ts'
import type { Libp2p } from '@libp2p/interface'
import type { HeldQuestion } from '../city/held-process.ts'
import type { Report } from '../part.ts'

const CLIENTS = 500
/** Of those who come so many at a time, one sample is made. */
const TOGETHER = 50

/** RESERVE, as everybody writes it. */
const RESERVE = Uint8Array.of(8, 0)

/** What a reservation takes of the program beside the connection that it is for, and what a circuit. */
export async function part (report: Report): Promise<void> {
  const { ready: address, ask, stop } = await startChild<string>('city/held-process.ts', ['relay'], ['--expose-gc'])
  const memory = async (): Promise<number> => ask<number>('memory' satisfies HeldQuestion)
  const connected: Libp2p[] = []
  const reserved: Libp2p[] = []
  const nodes = [connected, reserved]

  /** Microseconds of the program for each of some of what is done. */
  const cost = async (done: () => Promise<unknown>): Promise<number> => {
    const before = await ask<number>('processorTime' satisfies HeldQuestion)
    await Promise.all(Array.from({ length: TOGETHER }, done))

    return (await ask<number>('processorTime' satisfies HeldQuestion) - before) / TOGETHER
  }

  const connect = async (): Promise<void> => {
    const node = await client()
    await node.dial(multiaddr(address))
    connected.push(node)
  }
  const connectAndReserve = async (): Promise<void> => { reserved.push(await client(`${address}/p2p-circuit`)) }
  const without: number[] = []
  const having: number[] = []

  report.progress('to be warm')
  await cost(connect)
  await cost(connectAndReserve)

  for (let held = 0; held < CLIENTS; held += TOGETHER) {
    report.progress(`${held} clients`)
    without.push(await cost(connect))
    having.push(await cost(connectAndReserve))
  }

  report.row(row({ name: 'a newcomer that reserves', size: CLIENTS, unit: 'µs', samples: having, against: { name: 'without', samples: without, counts: 'cost' } }))

  report.progress('renewals and circuits')
  let turn = 0
  const renewals: number[] = []
  const circuits: number[] = []
  const before = await memory()

  for (let made = 0; made < CLIENTS; made += TOGETHER) {
    renewals.push(await cost(async () => renew(reserved[turn++ % CLIENTS] as Libp2p, address)))
  }

  const renewed = await memory()

  for (let made = 0; made < CLIENTS; made += TOGETHER) {
    circuits.push(await cost(async () => {
      const [from, to] = [turn, turn + 1].map(at => reserved[at % CLIENTS] as Libp2p) as [Libp2p, Libp2p]
      turn++
      await from.dial(multiaddr(`${address}/p2p-circuit/p2p/${to.peerId}`))
    }))
  }

  const connectedThrough = await memory()
  report.row(row({ name: 'a renewal', size: CLIENTS, unit: 'µs', samples: renewals }))
  report.row(row({ name: 'memory that a renewal leaves behind', size: CLIENTS, unit: 'bytes', samples: [(renewed - before) / CLIENTS] }))
  report.row(row({ name: 'a circuit that is opened, with a handshake through it', size: CLIENTS, unit: 'µs', samples: circuits }))
  report.row(row({ name: 'memory for a circuit', size: CLIENTS, unit: 'bytes', samples: [(connectedThrough - renewed) / CLIENTS] }))

  await Promise.all(nodes.flat().map(async node => node.stop()))
  await stop()
  await memoryOfReservations(report)
}

/** Each kind of clients at a program of its own, or what the others left would be counted. */
async function memoryOfReservations (report: Report): Promise<void> {
  const taken: number[][] = []

  for (const reserves of [false, true]) {
    report.progress(`memory for ${CLIENTS} clients ${reserves ? 'with reservations' : 'without'}`)
    const { ready: address, ask, stop } = await startChild<string>('city/held-process.ts', ['relay'], ['--expose-gc'])
    const come = async (): Promise<Libp2p> => {
      const node = await client(...(reserves ? [`${address}/p2p-circuit`] : []))
      await node.dial(multiaddr(address))

      return node
    }
    const nodes = [await come()]
    const before = await ask<number>('memory' satisfies HeldQuestion)

    while (nodes.length <= CLIENTS) {
      nodes.push(...await Promise.all(Array.from({ length: TOGETHER }, come)))
    }

    taken.push([(await ask<number>('memory' satisfies HeldQuestion) - before) / (nodes.length - 1)])
    await Promise.all(nodes.map(async node => node.stop()))
    await stop()
  }

  const [without = [], having = []] = taken
  report.row(row({ name: 'memory for a client that has a reservation', size: CLIENTS, unit: 'bytes', samples: having, against: { name: 'without', samples: without, counts: 'cost' } }))
}

async function client (...listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify() }
  })
}

async function renew (node: Libp2p, address: string): Promise<void> {
  const stream = await (await node.dial(multiaddr(address))).newStream(RELAY_V2_HOP_CODEC)
  const messages = lpStream(stream)
  await messages.write(RESERVE)
  await messages.read()
  await stream.close()
}
