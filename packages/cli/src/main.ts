import { CommanderError } from 'commander'
import { commandLine, commands } from './commands.ts'
import { lineFor, oneLine, UsageError } from './failures.ts'
import { flagName } from './flags.ts'
import { NAME, PROGRAM } from './invocation.ts'
import { Output } from './output.ts'
import { EndRequest, endSignal } from './signals.ts'
import { ownVersion } from './version.ts'
import { placeOf } from './workers/place.ts'
import type { CommandInit } from './commands.ts'

/**
 * The program.
 *
 * @returns its exit code: 0 for success, 2 for a command line that makes no sense, 1 for the rest
 */
export async function main (args: string[]): Promise<number> {
  const output = new Output(process.stdout, process.stderr)
  const worker = placeOf()

  // whoever read the output has gone: a command ends with it, a point goes on
  process.stdout.on('error', () => {
    if (args[0] !== 'point') {
      process.exit(0)
    }
  })
  process.stderr.on('error', () => {})

  const complain = (err: unknown): void => {
    output.note(`${worker == null ? NAME : `${NAME} worker ${worker.number}`}: ${explanationOf(err)}`)

    if (args.includes('--debug')) {
      output.note(stacks(err))
    }
  }

  // a promise that nobody waited for is a fault to report, and none to end a point for
  process.on('unhandledRejection', complain)
  process.on('uncaughtException', err => {
    complain(err)
    process.exit(1)
  })

  let code = 0

  try {
    const program = commandLine({
      version: await ownVersion(),
      show: text => { output.print(text) },
      run: async (command, given, values) => { code = await run(command, given, values, output) }
    })

    if (args.length === 0) {
      program.outputHelp()

      return 2
    }

    // both are in use for it
    await program.parseAsync(args[0] === '-V' ? ['-v'] : args, { from: 'user' })

    return code
  } catch (err: any) {
    // help or the version was shown
    if (err instanceof CommanderError && err.exitCode === 0) {
      return 0
    }

    const problem = err instanceof CommanderError ? new UsageError(explain(err, args), { cause: err }) : err
    complain(problem)

    // the library has looked at an argument before anything else
    return problem instanceof UsageError || problem?.name === 'InvalidParametersError' ? 2 : 1
  }
}

async function run (command: CommandInit, args: unknown[], values: Record<string, unknown>, output: Output): Promise<number> {
  const signal = endSignal()

  try {
    return await command.run(args, values, { output, signal, json: values.json === true || !output.isTerminal })
  } catch (err) {
    if (signal.aborted && isAbort(err)) {
      return (signal.reason as EndRequest).exitCode
    }

    throw err
  }
}

/** What is wrong with a command line, from what the parser throws. */
function explain ({ code, message }: CommanderError, args: string[]): string {
  const problem = oneLine(message.replace('error: ', '')).replace(/\.$/, '')
  const name = args.find(arg => Object.hasOwn(commands, arg))

  // the latter after `help`
  if (code === 'commander.unknownCommand' || code === 'commander.help') {
    return `unknown command '${args.find(arg => arg !== 'help')}': there are ${Object.keys(commands).join(', ')}`
  }

  return `${problem}${code === 'commander.unknownOption' ? alike(message, name) : ''}; see ${[PROGRAM, name, '--help'].filter(word => word != null).join(' ')}`
}

/** The parser knows of typing errors, and this of flags that are longer than they were thought to be. */
function alike (message: string, name: string = ''): string {
  const [, part = ''] = /'(--\w[\w-]{2,})'$/.exec(message) ?? []
  const longer = Object.keys(commands[name]?.flags ?? {}).map(flagName).find(known => known.startsWith(part) || known.endsWith(part.slice(2)))

  return part === '' || longer == null ? '' : ` (Did you mean ${longer}?)`
}

function isAbort (err: any): boolean {
  return err instanceof EndRequest || err?.name === 'AbortError'
}

function explanationOf (err: any): string {
  // refused by a point, or by the library: both say what and why
  return err?.name === 'UnsupportedProtocolError' || err?.errors?.[0]?.name === 'UnsupportedProtocolError'
    ? `that peer is no rendezvous point, or speaks another protocol than ${flagName('protocol')} says`
    : lineFor(err)
}

function stacks (err: any): string {
  return err?.cause == null ? String(err?.stack ?? err) : `${err.stack}\ncaused by: ${stacks(err.cause)}`
}
