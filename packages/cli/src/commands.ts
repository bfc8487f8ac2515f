import { address, count, duration, flag, hostPort, listenAddress, parseNamespace, parseValue, path, pointAddress, text } from './flags.ts'
import { limitFlags } from './point-init.ts'
import type { Flags, FlagValues } from './flags.ts'
import type { CommandContext } from './main.ts'

/** A command, as help shows it and as it is run. */
export interface Command {
  summary: string
  /** Its arguments; one in brackets may be left out. */
  positionals: string[]
  flags: Flags
  /** Lines after the program's name, each with what it does. */
  examples: Array<[line: string, what: string]>
  run: (positionals: string[], values: any, context: CommandContext) => Promise<number>
}

const POINT = '/ip4/127.0.0.1/tcp/62649/p2p/12D3KooW…'

const NEEDED = 'a name is needed'

const commonFlags = {
  json: { type: flag, help: 'one JSON object a line; the default when the output is no terminal' },
  debug: { type: flag, help: 'show where an error comes from' },
  help: { type: flag, help: 'show this' }
} as const

const pointFlags = {
  listen: { type: listenAddress, multiple: true, help: 'address to listen on, as often as needed', default: '/ip4/0.0.0.0/tcp/62649 and /ip4/0.0.0.0/tcp/62650/ws' },
  announce: { type: address, multiple: true, help: 'address to give to clients, as often as needed', default: 'those it listens on' },
  data: { type: path, help: 'directory for identity and registrations', default: 'libp2p-rendezvous in $XDG_DATA_HOME, or in ~/.local/share' },
  memory: { type: flag, help: 'keep nothing: a new identity and no registrations at each start' },
  http: { type: hostPort, help: 'serve /healthz and /metrics (Prometheus) there', default: 'off' },
  ...limitFlags,
  maxConnections: { type: count, help: 'connections, all together', default: '5000' },
  maxConnectionRate: { type: count, help: 'new connections in a second from one address; to be raised behind a proxy', default: '20' },
  verbose: { type: flag, help: 'show each renewal and each discovery, too' },
  quiet: { type: flag, help: 'show no registrations' },
  ...commonFlags,
  json: { type: flag, help: 'one JSON object a line; the first has the event "ready", the peerId and the addresses' }
} as const

const clientFlags = {
  timeout: { type: duration, help: 'for connecting, and for each request', default: '10s' },
  identity: { type: path, help: 'file with a private key to use, made when it is missing', default: 'a new one each time' },
  protocol: { type: text, help: 'protocol to speak, for private networks', default: '/rendezvous/1.0.0' },
  ...commonFlags
} as const

const discoverFlags = {
  limit: { type: count, help: 'show that many at the most', default: 'all, of one namespace 100000' },
  ...clientFlags
} as const

const watchFlags = {
  interval: { type: duration, help: 'how often to ask', default: '10s' },
  ...clientFlags
} as const

const registerFlags = {
  ttl: { type: duration, help: 'lifetime to ask for; it is renewed in time', default: '2h' },
  listen: { type: listenAddress, multiple: true, help: 'address to listen on, as often as needed', default: '/ip4/0.0.0.0/tcp/0' },
  announce: { type: address, multiple: true, help: 'address to publish, as often as needed', default: 'those it listens on' },
  ...clientFlags
} as const

const idFlags = {
  data: { type: path, help: "a point's data directory", default: pointFlags.data.default },
  identity: { type: path, help: 'file with a private key, made when it is missing' },
  ...commonFlags
} as const

export type PointFlags = typeof pointFlags
export type ClientFlags = typeof clientFlags
export type DiscoverFlags = typeof discoverFlags
export type WatchFlags = typeof watchFlags
export type RegisterFlags = typeof registerFlags
export type IdFlags = typeof idFlags

/**
 * All there is to the program. What a command does is loaded when it is run: that takes libp2p, and
 * help should not wait for it.
 */
export const commands: Record<string, Command> = {
  point: {
    summary: 'run a rendezvous point until Ctrl-C',
    positionals: [],
    flags: pointFlags,
    examples: [
      ['point', 'on TCP port 62649 and WebSocket port 62650'],
      ['point --listen /ip4/0.0.0.0/tcp/4001 --data /var/lib/rendezvous', 'elsewhere'],
      ['point --listen /ip4/127.0.0.1/tcp/62650/ws --announce /dns4/rendezvous.example.com/tcp/443/wss --max-connection-rate 500', 'behind a proxy that speaks TLS'],
      ['point --json --http 127.0.0.1:9464', 'for machines to read and to watch'],
      ['point --memory --min-ttl 30s', 'to try things out']
    ],
    run: async (positionals, values: FlagValues<PointFlags>, context) => (await import('./point.ts')).runPoint(values, { ...context, json: values.json === true })
  },
  discover: {
    summary: 'show who is registered at a point, under one namespace or under all',
    positionals: ['POINT', '[NAMESPACE]'],
    flags: discoverFlags,
    examples: [
      [`discover ${POINT} my-app`, 'under one namespace'],
      [`discover ${POINT}`, 'under all of them'],
      [`discover ${POINT} my-app --json | jq -r '.addresses[0]'`, 'for a program: an address of each, which can be dialled as it is']
    ],
    run: async ([point = '', namespace], values: FlagValues<DiscoverFlags>, context) => (await import('./discover.ts')).runDiscover(parseValue('POINT', pointAddress, point), namespace == null ? undefined : parseNamespace(namespace, 'leave it out for all of them'), values, context)
  },
  watch: {
    summary: 'show the peers of a namespace as they come and go, until Ctrl-C',
    positionals: ['POINT', 'NAMESPACE'],
    flags: watchFlags,
    examples: [
      [`watch ${POINT} my-app`, ''],
      [`watch ${POINT} my-app --interval 2s`, 'sooner']
    ],
    run: async ([point = '', namespace = ''], values: FlagValues<WatchFlags>, context) => (await import('./watch.ts')).runWatch(parseValue('POINT', pointAddress, point), parseNamespace(namespace, NEEDED), values, context)
  },
  register: {
    summary: 'register under a namespace and stay registered until Ctrl-C',
    positionals: ['POINT', 'NAMESPACE'],
    flags: registerFlags,
    examples: [
      [`register ${POINT} my-app`, 'a node made for it'],
      [`register ${POINT} my-app --ttl 24h --listen /ip4/0.0.0.0/tcp/4001`, 'at a port of its own'],
      [`register ${POINT} my-app --identity ./node.key --announce /dns4/node.example.com/tcp/4001`, 'for a node that runs elsewhere with that key']
    ],
    run: async ([point = '', namespace = ''], values: FlagValues<RegisterFlags>, context) => (await import('./register.ts')).runRegister(parseValue('POINT', pointAddress, point), parseNamespace(namespace, NEEDED), values, context)
  },
  id: {
    summary: "show the peer id of this machine's point, and make it when there is none",
    positionals: [],
    flags: idFlags,
    examples: [
      ['id', ''],
      ['id --data /var/lib/rendezvous', "another point's"],
      ['id --identity ./node.key', "a file's"]
    ],
    run: async (positionals, values: FlagValues<IdFlags>, context) => (await import('./id.ts')).runId(values, context)
  }
}
