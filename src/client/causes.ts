import { CODE_P2P_CIRCUIT } from '@multiformats/multiaddr'
import { isPlainWebSocket } from './addresses.ts'
import type { Unreachable, UnreachableCause } from './types.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A point that was not reached when it was last tried. */
export interface Unreached {
  addresses: Multiaddr[]
  /** Why it could not be dialled, as libp2p says; absent while it is being dialled for the first time. */
  error?: Error | undefined
}

/** What there is to say of this node's own addresses. */
export interface OwnAddresses {
  /** Where it listens, or asks a relay to. */
  listens: Multiaddr[]
  /** Under which it could be reached, whatever the `addressFilter` says. */
  addresses: Multiaddr[]
  /** Whether a connected peer is a relay. */
  hasRelay: boolean
}

/** Where this node runs. */
export interface Surroundings {
  isBrowser: boolean
  /** Whether it is in a page that was served over https, by another host than this. */
  isSecurePage: boolean
}

const REASONS: Record<UnreachableCause, string> = {
  'no-points': 'No point was given, and no connected peer is one',
  gater: "This node's connection gater refuses all addresses of the points",
  'insecure-address': 'A page that was served over https may not open ws:// addresses: the point needs one with /wss or /webrtc-direct',
  transport: 'No transport of this node dials the addresses of the points',
  dial: 'No point answers',
  'not-listening': 'This node has no address: it listens nowhere. In a page, "/p2p-circuit" among the listen addresses has a relay listen for it',
  unconfirmed: 'This node listens, but no address is known to be reachable: addresses.announce names one',
  'no-relay': 'This node has no address, and no connected peer is a relay that would give it one. A point is one with --relay',
  'relay-full': 'This node has no address, though a connected peer is a relay: it may have no room, or refuse this node',
  'address-filter': "The addressFilter leaves none of this node's addresses"
}

/** In a page it is nearly always this. */
const GATER_IN_PAGES = ': in a page, libp2p refuses private addresses and ws:// unless connectionGater.denyDialMultiaddr says otherwise'

/** Why no point can be reached, as far as can be told: what most of them have in common. */
export function causeOfNoPoint (points: Unreached[], surroundings: Surroundings): Unreachable {
  const errors = points.flatMap(({ error }) => error ?? [])
  const causes = points.map(point => causeOf(point, surroundings))
  const cause = mostFrequent(causes) ?? 'no-points'
  // the library's own words may be of use where there is nothing else to say
  const [said] = cause === 'dial' ? errors.map(({ message }) => `: ${message}`) : []
  const more = cause === 'gater' && surroundings.isBrowser ? GATER_IN_PAGES : said ?? ''

  return { what: 'points', cause, reason: REASONS[cause] + more, errors }
}

/** Why this node has no address to register, as far as can be told. */
export function causeOfNoAddress ({ listens, addresses, hasRelay }: OwnAddresses): Unreachable {
  const cause = ((): UnreachableCause => {
    if (addresses.length > 0) {
      return 'address-filter'
    }

    if (!listens.some(address => address.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT))) {
      return listens.length === 0 ? 'not-listening' : 'unconfirmed'
    }

    return hasRelay ? 'relay-full' : 'no-relay'
  })()

  return { what: 'self', cause, reason: REASONS[cause], errors: [] }
}

function causeOf ({ addresses, error }: Unreached, { isSecurePage }: Surroundings): UnreachableCause {
  switch (error?.name) {
    case 'DialDeniedError':
      return 'gater'
    case 'NoValidAddressesError':
      return 'transport'
    default:
      return isSecurePage && addresses.length > 0 && addresses.every(isPlainWebSocket) ? 'insecure-address' : 'dial'
  }
}

function mostFrequent <T> (all: T[]): T | undefined {
  const count = (one: T): number => all.filter(other => other === one).length

  return all.toSorted((one, other) => count(other) - count(one))[0]
}
