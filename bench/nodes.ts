import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { Key } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import { rendezvousClient, rendezvousPoint } from 'libp2p-rendezvous'
import { openRecord } from './floors.ts'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import type { Libp2pOptions } from 'libp2p'
import type { RegistrationStore, RendezvousClient, RendezvousClientInit, RendezvousPoint } from 'libp2p-rendezvous'

/** Sends back what it gets: the least that a request over a stream can cost. */
export const ECHO_PROTOCOL = '/bench/echo/1.0.0'

/** Verifies the signed peer record that it gets, keeps it if the point keeps what it gets, and sends it back. */
export const CERTIFY_PROTOCOL = '/bench/certify/1.0.0'

/** Whoever opens a stream is told whatever somebody sends to `PASS_ON_PROTOCOL`, and what it sends itself. */
export const TELL_PROTOCOL = '/bench/tell/1.0.0'

/** Passes what it gets on to everybody who is to be told: the least that telling them can cost. */
export const PASS_ON_PROTOCOL = '/bench/pass-on/1.0.0'

/** Bytes of a request to register, or of an answer that lists one peer. */
export const ECHO_SIZE = 300

/** What clients publish; nobody dials them. */
const OWN_ADDRESS = '/ip4/192.0.2.1/tcp/4001'

export type Point = Libp2p<{ identify: Identify, point: RendezvousPoint }>

export interface Client {
  node: Libp2p
  rendezvous: RendezvousClient
}

const BASE: Libp2pOptions = {
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // its pings would fall into the measuring
  connectionMonitor: { enabled: false }
}

/**
 * A point whose limits are in the way of nothing that is measured.
 *
 * @param datastore - where records are kept that were sent to be certified; undefined for nowhere
 * @param watch - whether it tells of changes by itself
 */
export async function startPoint (store: RegistrationStore, datastore?: Datastore, watch = true): Promise<Point> {
  const node = await createLibp2p({
    ...BASE,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    // hundreds of peers of one machine
    connectionManager: { inboundConnectionThreshold: Infinity, maxIncomingPendingConnections: 1_000, maxConnections: 10_000 },
    services: {
      identify: identify(),
      point: rendezvousPoint({
        store,
        watch,
        rateLimit: false,
        maxRegistrationsPerPeer: 1_000_000,
        maxRegistrationsPerNamespace: 1_000_000,
        maxNamespaces: 1_000_000
      })
    }
  })

  await node.handle(ECHO_PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => { stream.send(data) })
    stream.addEventListener('remoteCloseWrite', () => { stream.close().catch(() => {}) })
  }, { maxInboundStreams: Infinity })

  let certified = 0
  await node.handle(CERTIFY_PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => {
      const record = data.subarray()
      openRecord(record)
        .then(async () => datastore?.put(new Key(`/certified/${++certified}`), record))
        .then(() => { stream.send(data) }, err => { stream.abort(err) })
    })
  })

  const told = new Set<Stream>()
  await node.handle(TELL_PROTOCOL, stream => {
    told.add(stream)
    stream.addEventListener('message', ({ data }) => { stream.send(data) })
    stream.addEventListener('close', () => { told.delete(stream) })
  })
  await node.handle(PASS_ON_PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => {
      const bytes = data.subarray()
      told.forEach(other => { other.send(bytes) })
    })
  })

  return node as unknown as Point
}

export async function startClient (points: string[], init: RendezvousClientInit = {}): Promise<Client> {
  const node = await createLibp2p({
    ...BASE,
    addresses: { listen: [], announce: [OWN_ADDRESS] },
    services: {
      identify: identify(),
      // one record, as what it is compared with has
      rendezvous: rendezvousClient({ bothForms: false, ...init, points })
    }
  })

  return { node: node as unknown as Libp2p, rendezvous: node.services.rendezvous }
}

/** Sends bytes on an open stream and waits until as many have come back. */
export async function echo (stream: Stream, bytes: Uint8Array = new Uint8Array(ECHO_SIZE)): Promise<void> {
  let received = 0
  const whole = Promise.withResolvers<void>()
  const onMessage = ({ data }: { data: { byteLength: number } }): void => {
    received += data.byteLength

    if (received >= bytes.byteLength) {
      whole.resolve()
    }
  }

  stream.addEventListener('message', onMessage)
  stream.send(bytes)
  await whole.promise
  stream.removeEventListener('message', onMessage)
}

/** The same with a stream of its own. */
export async function echoOnNewStream (node: Libp2p, address: Multiaddr): Promise<void> {
  const stream = await node.dialProtocol(address, ECHO_PROTOCOL)
  await echo(stream)
  await stream.close()
}
