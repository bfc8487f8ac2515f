import { flagName } from './flags.ts'
import { NAME } from './invocation.ts'
import { table, wrap } from './output.ts'
import type { Command } from './commands.ts'
import type { Flag } from './flags.ts'

/** What the program says of itself. */
export function programHelp (commands: Record<string, Command>, columns: number): string {
  return [
    'A rendezvous point for libp2p, and a look into any.',
    '',
    `Usage: ${NAME} COMMAND`,
    '',
    'Commands:',
    '',
    ...list(Object.entries(commands).map(([name, { positionals, summary }]) => [[name, ...positionals].join(' '), summary]), columns),
    '',
    'Flags:',
    '',
    ...list([['--help, -h', 'show this, or after a command what it takes'], ['--version, -v, -V', 'show the version']], columns),
    '',
    'Examples:',
    '',
    ...examples(Object.values(commands).slice(0, 2).flatMap(({ examples }) => examples.slice(0, 1))),
    '',
    'POINT is an address that ends in /p2p/ and a peer id, as a point shows it when it starts.'
  ].join('\n')
}

/** What a command says of itself. */
export function commandHelp (name: string, { positionals, flags, summary, examples: lines }: Command, columns: number): string {
  return [
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    '',
    `Usage: ${[NAME, name, ...positionals, '[FLAGS]'].join(' ')}`,
    '',
    'Flags:',
    '',
    ...list(Object.entries(flags).map(([key, flag]) => [usage(key, flag), explanation(flag)]), columns),
    '',
    'Examples:',
    '',
    ...examples(lines)
  ].join('\n')
}

function usage (key: string, { type }: Flag): string {
  return type.placeholder == null ? flagName(key) : `${flagName(key)} ${type.placeholder}`
}

function explanation ({ help, default: usual }: Flag): string {
  return usual == null ? help : `${help} (${usual})`
}

function examples (lines: Command['examples']): string[] {
  return indent(lines.flatMap(([line, what]) => what === '' ? [`${NAME} ${line}`] : [`# ${what}`, `${NAME} ${line}`]))
}

/** Names and what they mean, which goes on below itself where the line ends. */
function list (entries: Array<[name: string, meaning: string]>, columns: number): string[] {
  const width = columns - 4 - Math.max(...entries.map(([name]) => name.length))

  return indent(table(entries.flatMap(([name, meaning]) => {
    return wrap(meaning, Math.max(width, 30)).map((line, index) => [index === 0 ? name : '', line])
  })))
}

function indent (lines: string[]): string[] {
  return lines.map(line => `  ${line}`)
}
