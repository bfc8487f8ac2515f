import { multiaddr } from '@multiformats/multiaddr'
import { UsageError } from './failures.ts'
import { flagName, wayIn } from './flags.ts'
import type { WayIn } from './flags.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Where a point listens by default. Those in which browsers need nothing else have a number in common: of TCP, and of UDP. */
const USUAL: Record<WayIn, string> = {
  tcp: '/ip4/0.0.0.0/tcp/62649',
  ws: '/ip4/0.0.0.0/tcp/62650/ws',
  'tls/ws': '/ip4/0.0.0.0/tcp/62651/tls/ws',
  'webrtc-direct': '/ip4/0.0.0.0/udp/62651/webrtc-direct'
}

/** The flags that say where a point listens, and what it needs there. */
export interface ListeningFlags {
  listen?: Multiaddr[]
  tlsCert?: string
  tlsKey?: string
  workers?: number
}

/**
 * What was said of where a point listens.
 *
 * @throws {UsageError} when it makes no sense together
 */
export function checkListening ({ listen = [], tlsCert, tlsKey, workers }: ListeningFlags): void {
  if ((tlsCert == null) !== (tlsKey == null)) {
    const [given, other] = tlsCert == null ? ['tlsKey', 'tlsCert'] : ['tlsCert', 'tlsKey']

    throw new UsageError(`${flagName(given)} is one half of a pair: give ${flagName(other)}, too`)
  }

  const [secure, direct] = (['tls/ws', 'webrtc-direct'] as const).map(way => listen.find(address => wayIn(address) === way))

  if (secure != null && tlsCert == null) {
    throw new UsageError(`--listen ${secure} needs a certificate: give --tls-cert and --tls-key, too`)
  }

  if (tlsCert != null && listen.length > 0 && secure == null) {
    throw new UsageError(`--tls-cert is for addresses that end in /tls/ws, and there is none: give --listen ${USUAL['tls/ws']}, too`)
  }

  if (direct != null && workers != null) {
    throw new UsageError(`--listen ${direct} is for one process, and --workers are several: give one of them`)
  }
}

/** Whether it matters that WebRTC-direct is there: it takes a while to load. */
export function asksForWebRtc ({ listen, workers }: ListeningFlags): 'no' | 'if it is there' | 'yes' {
  if (listen == null) {
    return workers == null ? 'if it is there' : 'no'
  }

  return listen.some(address => wayIn(address) === 'webrtc-direct') ? 'yes' : 'no'
}

/** Where a point listens: where it is told, or wherever it can. */
export function listenOn ({ listen, tlsCert }: ListeningFlags, hasWebRtc: boolean): Multiaddr[] {
  const ways: WayIn[] = ['tcp', 'ws', ...(tlsCert == null ? [] : ['tls/ws'] as const), ...(hasWebRtc ? ['webrtc-direct'] as const : [])]

  return listen ?? ways.map(way => multiaddr(USUAL[way]))
}
