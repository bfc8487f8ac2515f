import type { HostPort } from '../flags.ts'
import type { Monitor } from './page/monitor.ts'
import type { Shows } from './page/shows.ts'
import type { HttpBindings } from '@hono/node-server'
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Hono } from 'hono'
import type { RendezvousPoint } from 'libp2p-rendezvous'

/** What handlers of requests find beside them: Node's request, and with it the socket. */
export interface HttpEnv {
  Bindings: HttpBindings
}

/** What whoever runs a point may have it do. */
export interface Operator {
  /** @returns how many registrations it has ended */
  evict: (peer: PeerId) => Promise<number>
  /** @returns how many registrations it has ended */
  close: (namespace: string) => Promise<number>
  /** @returns whether it was closed */
  open: (namespace: string) => Promise<boolean>
}

export interface Operation {
  /** What the point has, over time. */
  monitor: Monitor
  /** What everybody may see of that. */
  shows: Shows
  /** What it can be told to do. */
  operator: Operator
}

/** What is served over HTTP comes from here. */
export interface HttpSources {
  /** The node; none before it serves, and in a process that only hands connections on to others. */
  readonly node: Libp2p<{ rendezvousPoint: RendezvousPoint }> | undefined
  /** Whether the point can be given work. */
  isHealthy: () => boolean | Promise<boolean>
  /** In Prometheus' text format. */
  metrics: () => Promise<{ contentType: string, text: string }>
  /** For whoever runs the point; absent where nobody does, as where it is measured. */
  operation?: Operation
}

/** A part of what is served. */
export type Part = (sources: HttpSources, values: HttpValues) => Hono<HttpEnv>

/** What of the command line concerns HTTP. */
export interface HttpValues {
  http?: HostPort
  admin?: HostPort
  httpHost?: string[]
  announce?: Multiaddr[]
  /** That are believed when they say for whom they ask. */
  trustedProxy?: string[]
  /** Whose members alone are served. */
  network?: unknown
  /** Processes that share the work: none of them is this one. */
  workers?: number
  /** Milliseconds for a request to arrive; beyond it Node answers 408. */
  requestTimeout?: number
  /** Of each of the two. Each takes a file descriptor, and what its reader has not read yet. */
  maxHttpConnections?: number
}

export interface HttpServers {
  /** Of what everybody may ask; none without `--http`. */
  url: string | undefined
  /** Of what is only for whoever runs the point; none without `--admin`. */
  adminUrl: string | undefined
  close: () => void
}
