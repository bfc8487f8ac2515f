import { action, announceAddress, count, duration, flag, hostName, hostPort, listenAddress, network, networkOf, path, pointListenAddress, recordDomain, storeUrl, text, token } from './flags.ts'
import { limitFlags } from './point-init.ts'
import { relayFlags } from './relay-limits.ts'

const commonFlags = {
  json: { type: flag, help: 'one JSON object a line; the default when the output is no terminal' },
  debug: { type: flag, help: 'show where an error comes from' }
} as const

export const pointFlags = {
  listen: { type: pointListenAddress, multiple: true, help: 'address to listen on, as often as needed', default: '/ip4/0.0.0.0/tcp/62649 and /ip4/0.0.0.0/tcp/62650/ws; with a certificate also /ip4/0.0.0.0/tcp/62651/tls/ws, and with @libp2p/webrtc beside the program /ip4/0.0.0.0/udp/62651/webrtc-direct' },
  tlsCert: { type: path, help: 'certificate for addresses that end in /tls/ws, with those that vouch for it, in PEM; it is read again when it changes' },
  tlsKey: { type: path, help: 'its private key, in PEM' },
  announce: { type: announceAddress, multiple: true, help: 'address to give to clients, as often as needed', default: 'those it listens on' },
  data: { type: path, help: 'directory for identity and registrations', default: 'libp2p-rendezvous in $XDG_DATA_HOME, or in ~/.local/share' },
  memory: { type: flag, help: 'keep nothing: a new identity and no registrations at each start' },
  store: { type: storeUrl, multiple: true, help: 'keep registrations in a Valkey (8 or newer) or Redis (7 or newer) server, shared with the other points there; as often as needed, for the nodes of a cluster or for those that may be the primary', default: 'the data directory' },
  storePassword: { type: path, help: 'file with the password for it, or with USER:PASSWORD', default: 'that of the URL' },
  partitions: { type: count, help: 'parts that the store is divided into, so that several nodes of a cluster do its work; the same number at each of its points, for good', default: '1' },
  workers: { type: count, help: 'processes that share the work, the addresses and the identity; with --store', default: 'this one alone' },
  network: { type: networkOf, multiple: true, help: 'let in only who shows a token of this network, by its file or its public key, as often as needed; a file is read again when it changes', default: 'everybody' },
  http: { type: hostPort, help: 'serve over HTTP there, for everybody; without a host, for this machine alone', default: 'off' },
  admin: { type: hostPort, help: 'serve over HTTP there what is for you alone, /metrics among it', default: 'off, and /metrics is where --http is' },
  httpHost: { type: hostName, multiple: true, help: 'name by which the point is reached over HTTP, as often as needed; what changes anything is refused under others', default: 'IP addresses, localhost, and names that are announced' },
  maxHttpConnections: { type: count, help: 'connections over HTTP, of --http and of --admin each', default: '1000' },
  showPeers: { type: flag, help: 'show on the status page that is for everybody, too, who was refused; and among members namespaces' },
  ...limitFlags,
  maxConnections: { type: count, help: 'connections, all together', default: 'from memory and cores' },
  maxConnectionRate: { type: count, help: 'new connections in a second from one address; to be raised behind a proxy', default: 'from memory and cores' },
  shedding: { type: flag, help: 'while there is more to do than can be done, let newcomers wait, and then listings' },
  trustedProxy: { type: network, multiple: true, help: 'address or network of a proxy, as often as needed: each connection from there counts as a network of its own', default: 'none' },
  ...relayFlags,
  verbose: { type: flag, help: 'show each renewal and each discovery, too' },
  quiet: { type: flag, help: 'show no registrations' },
  ...commonFlags,
  json: { type: flag, help: 'one JSON object a line; the first has the event "ready", the peerId and the addresses' }
} as const

export const clientFlags = {
  timeout: { type: duration, help: 'for connecting, and for each request', default: '10s' },
  identity: { type: path, help: 'file with a private key to use, made when it is missing', default: 'a new one each time' },
  token: { type: token, help: 'what shows membership of the network of the point, or @ and the file that it is in', default: '$LIBP2P_RENDEZVOUS_TOKEN' },
  protocol: { type: text, help: 'protocol to speak, for private networks', default: '/rendezvous/1.0.0' },
  ...commonFlags
} as const

const filterFlags = {
  allAddresses: { type: flag, help: 'show private addresses, too; they are left out unless the point itself has one' }
} as const

export const discoverFlags = {
  limit: { type: count, help: 'show that many at the most', default: 'all, of one namespace 100000' },
  ...filterFlags,
  ...clientFlags
} as const

export const watchFlags = {
  interval: { type: duration, help: 'how often to ask a point that does not tell by itself', default: '10s' },
  ...filterFlags,
  ...clientFlags
} as const

export const registerFlags = {
  ttl: { type: duration, help: 'lifetime to ask for; it is renewed in time', default: '2h' },
  listen: { type: listenAddress, multiple: true, help: 'address to listen on, as often as needed', default: '/ip4/0.0.0.0/tcp/0' },
  announce: { type: announceAddress, multiple: true, help: 'address to publish, as often as needed', default: 'those it listens on' },
  recordDomain: { type: recordDomain, help: 'form to sign the record in, libp2p-routing-state for peers of rust-libp2p at points that keep one form only', default: 'both, libp2p-peer-record first' },
  ...clientFlags
} as const

export const salvageFlags = {
  data: { type: path, help: "a point's data directory", default: pointFlags.data.default },
  ...commonFlags
} as const

export const adminFlags = {
  data: { type: path, help: "the point's data directory, where it says how to reach it while it runs", default: pointFlags.data.default },
  admin: { type: hostPort, help: "the point's --admin, wherever it has its data", default: 'as its data directory says' },
  ...commonFlags
} as const

export const idFlags = {
  data: { type: path, help: "a point's data directory", default: pointFlags.data.default },
  identity: { type: path, help: 'file with a private key, made when it is missing' },
  ...commonFlags
} as const

export const networkFlags = {
  network: { type: path, help: 'file of the network, with what is revoked; its key is beside it, in a file that ends in .key', default: 'network.json' },
  namespace: { type: text, multiple: true, help: 'namespace that the peer is invited to, or the beginning of several and *; as often as needed', default: '*' },
  action: { type: action, multiple: true, help: 'what it may do there, register or discover', default: 'both' },
  lifetime: { type: duration, help: 'how long the invitation lasts', default: '30d' },
  undo: { type: flag, help: 'take a revocation back' },
  ...commonFlags
} as const

export type NetworkFlags = typeof networkFlags
export type PointFlags = typeof pointFlags
export type ClientFlags = typeof clientFlags
export type DiscoverFlags = typeof discoverFlags
export type WatchFlags = typeof watchFlags
export type RegisterFlags = typeof registerFlags
export type SalvageFlags = typeof salvageFlags
export type AdminFlags = typeof adminFlags
export type IdFlags = typeof idFlags
