import { setTimeout as delay } from 'node:timers/promises'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { listInOnePass } from '../../dist/point/patches/connections.js'
import { Output } from '../../packages/cli/dist/output.js'
import { runPoint } from '../../packages/cli/dist/point.js'
import { ECHO_PROTOCOL } from '../nodes.ts'
import type { ConnectionManager } from '@libp2p/interface-internal'

/**
 * `point` is the program as it is run; `shedding` and `relay` the same, with that flag; `bare` is a node of libp2p that has what the program
 * has of libp2p, and an echo in place of the point.
 */
export type Kind = 'point' | 'shedding' | 'relay' | 'bare'

export type HeldQuestion =
  /** The processor time that the process has used, in microseconds. */
  | 'processorTime'
  /** Bytes that are in use, after a collection. */
  | 'memory'
  /** Bytes that the process has of the machine, after a collection. */
  | 'resident'
  /** Has a bare node list its connections as a point does: with more than some thousands nobody can wait for it otherwise. */
  | 'mend'

/** None of the limits of the program is to be in the way: all come from this machine. */
const MAX_CONNECTIONS = 100_000
const MAX_CONNECTION_RATE = 100_000

const LISTEN = '/ip4/127.0.0.1/tcp/0'

let mend = (): void => {}

process.on('disconnect', () => { process.exit() })
process.on('message', (question: HeldQuestion) => {
  answer(question).then(answer => { process.send?.(answer) }, fail)
})

process.send?.(process.argv[2] === 'bare' ? await startBare() : await startProgram())

/** @returns its address */
async function startProgram (): Promise<string> {
  const ready = Promise.withResolvers<string>()
  const output = new Output({
    write: text => {
      const { event, addresses } = JSON.parse(text)

      if (event === 'ready') {
        ready.resolve(addresses[0])
      }
    }
  }, process.stderr)

  runPoint({
    memory: true,
    json: true,
    quiet: true,
    shedding: process.argv[2] === 'shedding',
    ...(process.argv[2] === 'relay' ? { relay: true } : {}),
    listen: [multiaddr(LISTEN)],
    maxConnections: MAX_CONNECTIONS,
    maxConnectionRate: MAX_CONNECTION_RATE
  }, { output, json: true, signal: new AbortController().signal }).catch(fail)

  return ready.promise
}

/** @returns its address */
async function startBare (): Promise<string> {
  const node = await createLibp2p({
    addresses: { listen: [LISTEN] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { maxConnections: MAX_CONNECTIONS, inboundConnectionThreshold: MAX_CONNECTION_RATE, maxIncomingPendingConnections: 1_000 },
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      mended: ({ connectionManager }: { connectionManager: ConnectionManager }) => {
        mend = () => { listInOnePass(connectionManager) }

        return {}
      }
    }
  })

  await node.handle(ECHO_PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => { stream.send(data) })
    stream.addEventListener('remoteCloseWrite', () => { stream.close().catch(() => {}) })
  }, { maxInboundStreams: Infinity })

  return String(node.getMultiaddrs()[0])
}

async function answer (question: HeldQuestion): Promise<number> {
  if (question === 'mend') {
    mend()

    return 0
  }

  if (question === 'processorTime') {
    const { user, system } = process.cpuUsage()

    return user + system
  }

  // buffers are let go some time after their objects
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await delay(100)
  }

  const { heapUsed, external, rss } = process.memoryUsage()

  return question === 'memory' ? heapUsed + external : rss
}

function fail (err: unknown): void {
  console.error(err)
  process.exit(1)
}
