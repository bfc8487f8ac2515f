import { availableParallelism, totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'

/** What a machine, or the part of it that this process may use, has. Bytes. */
export interface Machine {
  memory: number
  /** What V8 lets the heap grow to. */
  heap: number
  cores: number
}

/** What a point takes in where it is not told. */
export interface Room {
  maxConnections: number
  /** New connections in a second from one address. */
  maxConnectionRate: number
}

/** Resident memory of a client that is connected and registered, in bytes: 71 to 80 KB were measured. */
const CLIENT = 80_000

/** The most for which it was measured, of one process. */
const MOST_CLIENTS = 15_000
const FEWEST_CLIENTS = 100

/**
 * A newcomer takes about 5 ms of a core: so many in a second are an eighth of it, and no address can take more than that of
 * each core in use: one for each process, and one for their collectors and what is read and written.
 */
const RATE_PER_CORE = 25

/** What whoever starts a point has said. */
type Said = Partial<Room> & {
  /** Processes that share the work. */
  workers?: number
}

/** What a point takes in, all its processes together: what is said, and what this machine has room for where it is not. */
export function roomFor ({ maxConnections, maxConnectionRate, workers }: Said): Room {
  const room = roomOn(thisMachine(), workers)

  return { maxConnections: maxConnections ?? room.maxConnections, maxConnectionRate: maxConnectionRate ?? room.maxConnectionRate }
}

/**
 * A quarter of the memory is for connections, as far as half of the heap of each process goes: the rest is for registrations
 * and what requests take while they are answered.
 */
export function roomOn ({ memory, heap, cores }: Machine, processes = 1): Room {
  const clients = Math.floor(Math.min(memory / 4, processes * heap / 2) / CLIENT)

  return {
    maxConnections: Math.min(Math.max(clients, FEWEST_CLIENTS), processes * MOST_CLIENTS),
    maxConnectionRate: RATE_PER_CORE * Math.min(cores, processes + 1)
  }
}

/** What this process has: of a container or a service, what its control group leaves it. */
export function thisMachine (): Machine {
  // 0 where there is none, and a number beyond all memory where a control group has no limit
  const limit = process.constrainedMemory()

  return {
    memory: limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
    heap: getHeapStatistics().heap_size_limit,
    cores: availableParallelism()
  }
}
