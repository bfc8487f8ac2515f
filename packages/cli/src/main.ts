import { readFile } from 'node:fs/promises'
import { commands } from './commands.ts'
import { describe, Failure, oneLine, UsageError } from './failures.ts'
import { flagName, parseFlags } from './flags.ts'
import { commandHelp, programHelp } from './help.ts'
import { NAME } from './invocation.ts'
import { Output } from './output.ts'
import { EndRequest, endSignal } from './signals.ts'
import type { Command } from './commands.ts'

/** What every command gets besides its flags. */
export interface CommandContext {
  output: Output
  /** Aborts when the program is to end. */
  signal: AbortSignal
  /** Whether results are for machines. */
  json: boolean
  debug: boolean
}

/**
 * The program.
 *
 * @returns its exit code: 0 for success, 2 for a command line that makes no sense, 1 for the rest
 */
export async function main (args: string[]): Promise<number> {
  const output = new Output(process.stdout, process.stderr)

  // whoever read the output has gone: a command ends with it, a point goes on
  process.stdout.on('error', () => {
    if (args[0] !== 'point') {
      process.exit(0)
    }
  })
  process.stderr.on('error', () => {})

  const complain = (err: unknown): void => {
    output.note(`${NAME}: ${lineFor(err)}`)

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

  try {
    return await run(args, output)
  } catch (err: any) {
    complain(err)

    // the library has looked at an argument before anything else
    return err instanceof UsageError || err?.name === 'InvalidParametersError' ? 2 : 1
  }
}

async function run (args: string[], output: Output): Promise<number> {
  const [name, ...rest] = args

  if (name == null || name === '--help' || name === '-h' || name === 'help') {
    const asked = commands[rest[0] ?? '']
    output.print(asked == null ? programHelp(commands, output.columns) : commandHelp(rest[0] as string, asked, output.columns))

    return name == null ? 2 : 0
  }

  if (name === '--version' || name === '-v' || name === '-V') {
    output.print(await version())

    return 0
  }

  const command = Object.hasOwn(commands, name) ? commands[name] : undefined

  if (command == null) {
    throw new UsageError(`there is no command "${name}": it is one of ${Object.keys(commands).join(', ')}`)
  }

  if (rest.includes('--help') || rest.includes('-h')) {
    output.print(commandHelp(name, command, output.columns))

    return 0
  }

  const { values, positionals } = understand(name, command, rest)
  const signal = endSignal()

  try {
    return await command.run(positionals, values, {
      output,
      signal,
      json: values.json === true || !output.isTerminal,
      debug: values.debug === true
    })
  } catch (err) {
    if (signal.aborted && isAbort(err)) {
      return (signal.reason as EndRequest).exitCode
    }

    throw err
  }
}

function understand (name: string, { flags, positionals: known }: Command, args: string[]): ReturnType<typeof parseFlags> {
  const seeHelp = `; see ${NAME} ${name} --help`
  let parsed

  try {
    parsed = parseFlags(flags, args)
  } catch (err: any) {
    throw new UsageError(err.message + seeHelp)
  }

  const missing = known[parsed.positionals.length]
  const surplus = parsed.positionals[known.length]

  if (missing != null && !missing.startsWith('[')) {
    throw new UsageError(`${name} needs ${missing}${seeHelp}`)
  }

  if (surplus != null) {
    throw new UsageError(`${name} does not take "${surplus}"${seeHelp}`)
  }

  return parsed
}

async function version (): Promise<string> {
  return JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')).version
}

function isAbort (err: any): boolean {
  return err instanceof EndRequest || err?.name === 'AbortError'
}

function lineFor (err: any): string {
  if (err instanceof UsageError || err instanceof Failure) {
    return oneLine(err.message)
  }

  // refused by a point, or by the library: both say what and why
  return err?.name === 'UnsupportedProtocolError' || err?.errors?.[0]?.name === 'UnsupportedProtocolError'
    ? `that peer is no rendezvous point, or speaks another protocol than ${flagName('protocol')} says`
    : describe(err)
}

function stacks (err: any): string {
  return err?.cause == null ? String(err?.stack ?? err) : `${err.stack}\ncaused by: ${stacks(err.cause)}`
}
