import { memoryStore } from 'libp2p-rendezvous'
import { HOUR, networkName, NO_LIMITS, peerName } from './registrations.ts'
import type { Shape } from './population.ts'

export interface HeapTask {
  shape: Shape
  size: number
}

/** Bytes for a registration beyond those of its envelope. */
export interface Measured {
  /** The JavaScript heap, and the headers of array buffers. */
  heap: number
  /** What the process has of the machine's memory. */
  resident: number
}

/** With two addresses. */
const ENVELOPE_LENGTH = 200

const NAMESPACES = 10_000

const task = JSON.parse(process.argv[2] ?? '') as HeapTask
const envelope = new Uint8Array(ENVELOPE_LENGTH)
const store = memoryStore()

// what the first registration brings into being is no registration's
register(-1)

const before = usage()

for (let index = 0; index < task.size; index++) {
  register(index)
}

const after = usage()

process.send?.({
  heap: (after.heap - before.heap) / task.size - ENVELOPE_LENGTH,
  resident: (after.resident - before.resident) / task.size - ENVELOPE_LENGTH
} satisfies Measured)
process.disconnect?.()

/**
 * With strings and buffers of the kind that the point has: a peer id is cut out of its multibase form,
 * and an envelope is copied out of the request.
 */
function register (index: number): void {
  store.register({
    namespace: task.shape === 'one namespace' ? 'all-in-one' : `namespace-${index % NAMESPACES}`,
    peer: multibasePeerName(index).slice(1),
    signedPeerRecord: envelope.slice(),
    domain: 'libp2p-peer-record',
    network: networkName(index),
    ttl: 2 * HOUR
  }, NO_LIMITS, 0)
}

/** One string, not the two parts that adding them would leave. */
function multibasePeerName (index: number): string {
  return Buffer.from(`z${peerName(index)}`, 'latin1').toString('latin1')
}

function usage (): { heap: number, resident: number } {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()

  // array buffers are a part of what is external
  return { heap: heapUsed + external, resident: rss }
}
