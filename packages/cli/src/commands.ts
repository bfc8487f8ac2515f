import { Command } from 'commander'
import { addFlags, adminAction, networkAction, parseNamespace, parseValue, pointAddress } from './flags.ts'
import { PROGRAM } from './invocation.ts'
import { adminFlags, discoverFlags, idFlags, networkFlags, pointFlags, registerFlags, salvageFlags, watchFlags } from './options.ts'
import { placeOf } from './workers/place.ts'
import type { CommandContext } from './context.ts'
import type { Flags } from './flags.ts'

/** A command, as help shows it and as it is run. */
export interface CommandInit {
  summary: string
  /** More of it, for its own help. */
  details?: string
  /** Its arguments, as help shows them: those in angle brackets are needed. */
  arguments?: Record<string, { help: string, parse: (text: string) => unknown }>
  flags: Flags
  /** Lines after the program's name, each with what it does. */
  examples: Array<[line: string, what: string]>
  run: (args: any[], values: any, context: CommandContext) => Promise<number>
}

const POINT = {
  '<POINT>': {
    help: "the point's address, as it shows it when it starts: it ends in /p2p/ and a peer id",
    parse: (text: string) => parseValue('POINT', pointAddress, text)
  }
}

const NAMESPACE = {
  '<NAMESPACE>': {
    help: 'what peers register under',
    parse: (text: string) => parseNamespace(text, 'a name is needed')
  }
}

/**
 * All there is to the program. What a command does is loaded when it is run: that takes libp2p, and
 * help should not wait for it.
 */
export const commands: Record<string, CommandInit> = {
  point: {
    summary: 'run a rendezvous point until Ctrl-C',
    flags: pointFlags,
    examples: [
      ['point', 'on TCP port 62649 and WebSocket port 62650'],
      ['point --listen /ip4/0.0.0.0/tcp/4001 --data /var/lib/rendezvous', 'elsewhere'],
      ['point --listen /ip4/127.0.0.1/tcp/62650/ws --announce /dns4/rendezvous.example.com/tcp/443/wss --max-connection-rate 500 --trusted-proxy 127.0.0.1', 'behind a proxy that speaks TLS'],
      ['point --json --http 127.0.0.1:9464', 'for machines to read and to watch'],
      ['point --store valkey://127.0.0.1 --workers 4', 'in four processes, over one store'],
      ['point --memory --min-ttl 30s', 'to try things out']
    ],
    run: async (args, values, context) => {
      const place = placeOf()

      if (place != null) {
        return (await import('./workers/worker.ts')).runWorker(values, context, place)
      }

      return values.workers == null
        ? (await import('./point.ts')).runPoint(values, context)
        : (await import('./workers/parent.ts')).runWorkers(values, context)
    }
  },
  discover: {
    summary: 'show who is registered at a point, under one namespace or under all',
    arguments: {
      ...POINT,
      '[NAMESPACE]': { help: 'what they are registered under (all of them)', parse: text => parseNamespace(text, 'leave it out for all of them') }
    },
    flags: discoverFlags,
    examples: [
      ['discover POINT my-app', 'under one namespace'],
      ['discover POINT', 'under all of them'],
      ["discover POINT my-app --json | jq -r '.addresses[0]'", 'for a program: an address of each, which can be dialled as it is']
    ],
    run: async ([point, namespace], values, context) => (await import('./discover.ts')).runDiscover(point, namespace, values, context)
  },
  watch: {
    summary: 'show the peers of a namespace as they come and go, until Ctrl-C',
    details: 'A point that speaks the watch protocol tells of both as it happens. Any other is asked again at each interval, and a peer that has left is shown as expired when the lifetime ends that its registration had when it was last listed.',
    arguments: { ...POINT, ...NAMESPACE },
    flags: watchFlags,
    examples: [
      ['watch POINT my-app', ''],
      ['watch POINT my-app --interval 2s', 'sooner, where the point does not tell']
    ],
    run: async ([point, namespace], values, context) => (await import('./watch.ts')).runWatch(point, namespace, values, context)
  },
  register: {
    summary: 'register under a namespace and stay registered until Ctrl-C',
    details: 'If it ends without a word, a point that speaks the watch protocol ends the registration soon after the connection is gone; at any other it stays until its lifetime ends.',
    arguments: { ...POINT, ...NAMESPACE },
    flags: registerFlags,
    examples: [
      ['register POINT my-app', 'a node made for it'],
      ['register POINT my-app --ttl 24h --listen /ip4/0.0.0.0/tcp/4001', 'at a port of its own'],
      ['register POINT my-app --identity ./node.key --announce /dns4/node.example.com/tcp/4001', 'for a node that runs elsewhere with that key']
    ],
    run: async ([point, namespace], values, context) => (await import('./register.ts')).runRegister(point, namespace, values, context)
  },
  id: {
    summary: "show the peer id of this machine's point, and make it when there is none",
    flags: idFlags,
    examples: [
      ['id', ''],
      ['id --data /var/lib/rendezvous', "another point's"],
      ['id --identity ./node.key', "a file's"]
    ],
    run: async (args, values, context) => (await import('./id.ts')).runId(values, context)
  },
  network: {
    summary: 'make a network that is not open to everybody, and tokens for its members',
    details: 'A point that is started with the file or the public key of a network lets in only who shows a token of it. With the file, it knows what is revoked, too; it needs no key.',
    arguments: {
      '<ACTION>': { help: 'create, invite, inspect or revoke', parse: text => parseValue('ACTION', networkAction, text) },
      '[SUBJECT]': { help: 'whom to invite (a peer id), what to inspect (a token, or @ and its file), or what to revoke (a peer id, a token, or its id)', parse: text => text }
    },
    flags: networkFlags,
    examples: [
      ['network create', 'network.json for points, and network.key for whoever invites'],
      ['network invite 12D3Koo… --namespace my-app --lifetime 7d > alice.token', ''],
      ['network inspect @alice.token', ''],
      ['network revoke @alice.token', ''],
      ['point --network network.json', ''],
      ['discover POINT my-app --identity alice.key --token @alice.token', '']
    ],
    run: async ([action, subject], values, context) => (await import('./network.ts')).runNetwork(action, subject, values, context)
  },
  admin: {
    summary: 'look after a point that runs with --admin',
    details: 'An evicted peer is told so, and may register again: to keep it out, close the namespace, or have a network of members. A closed namespace stays closed when the point is started again, unless it keeps nothing.',
    arguments: {
      '<ACTION>': { help: 'status, evict, close or open', parse: text => parseValue('ACTION', adminAction, text) },
      '[SUBJECT]': { help: 'whom to evict (a peer id), or which namespace to close or to open', parse: text => text }
    },
    flags: adminFlags,
    examples: [
      ['admin status', 'how it goes'],
      ['admin evict 12D3Koo…', 'end all registrations of a peer'],
      ['admin close spam', 'end all registrations in a namespace, and let nobody register there'],
      ['admin open spam', 'let peers register there again'],
      ['admin status --admin 127.0.0.1:9465', "another machine's, through a tunnel"]
    ],
    run: async ([action, subject], values, context) => (await import('./admin.ts')).runAdmin(action, subject, values, context)
  },
  salvage: {
    summary: 'keep what can be read of a damaged database',
    details: 'Run it while the point is stopped. The damaged database is kept under another name.',
    flags: salvageFlags,
    examples: [
      ['salvage', ''],
      ['salvage --data /var/lib/rendezvous', "another point's"]
    ],
    run: async (args, values, context) => (await import('./salvage.ts')).runSalvage(values, context)
  }
}

export interface CommandLineInit {
  version: string
  /** Shows a text that was asked for. */
  show: (text: string) => void
  /** Runs the command that was asked for. */
  run: (command: CommandInit, args: unknown[], values: Record<string, unknown>) => Promise<void>
}

/** The program, for a command line to be understood by. It throws a CommanderError or a UsageError. */
export function commandLine ({ version, show, run }: CommandLineInit): Command {
  const program = new Command(PROGRAM)
    .description('A rendezvous point for libp2p, and a look into any.')
    .version(version, '-v, --version', 'show the version')
    .helpOption('-h, --help', 'show this')
    .helpCommand('help [COMMAND]', 'show what a command takes')
    .configureHelp({ minWidthToWrap: 20 })
    .exitOverride()
    // what is wrong is told by who catches it
    .configureOutput({ writeOut: text => { show(text.trimEnd()) }, writeErr: () => {} })

  for (const [name, init] of Object.entries(commands)) {
    const { summary, details, arguments: args = {}, flags, examples } = init
    const command = program.command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.${details == null ? '' : ` ${details}`}`)
      .helpOption('-h, --help', 'show this')
      .addHelpText('after', `\nExamples:\n${examples.map(([line, what]) => `${what === '' ? '' : `  # ${what}\n`}  ${PROGRAM} ${line}\n`).join('')}`)

    Object.entries(args).forEach(([name, { help, parse }]) => command.argument(name, help, parse))
    addFlags(command, flags)
    command.action(async (...given) => run(init, given.slice(0, Object.keys(args).length), command.opts()))
  }

  return program.addHelpText('after', `\nExamples:\n  ${PROGRAM} point\n  ${PROGRAM} discover POINT my-app\n\nPOINT is an address that ends in /p2p/ and a peer id, as a point shows it when it starts.`)
}
