import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { machine } from './machine.ts'
import { parts } from './part.ts'
import { plot } from './plot.ts'
import { updateReadme } from './readme.ts'
import { json, table } from './table.ts'
import type { PartMessage, PartName } from './part.ts'
import type { TableRow } from './row.ts'

const PLOT = new URL('cost.svg', import.meta.url)

/** Each takes half as long again as all others, or needs a server. */
const LONG: PartName[] = ['city', 'storm', 'overload', 'valkey']

const HELP = `usage: npm run bench -- [options] [part ...]

parts: ${Object.keys(parts).join(', ')} (all but ${LONG.join(', ')} when none is named)

  --json    print one JSON object for each row instead of the tables
  --plot    draw bench/cost.svg from the rows of the parts store and persistent
  --sizes   connections that the part city holds, such as 100,1000,5000,15000, that storm loses, or registrations that valkey does
  --update  write the tables into bench/README.md
`

/** The rows of a part, and what it left out. */
interface Outcome {
  part: PartName
  rows: TableRow[]
  notes: string[]
  failed: boolean
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    plot: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    sizes: { type: 'string' },
    help: { type: 'boolean', default: false }
  }
})

const started = performance.now()

if (options.help) {
  process.stdout.write(HELP)
} else {
  await main(chosen(positionals))
}

async function main (names: PartName[]): Promise<void> {
  const outcomes: Outcome[] = []

  if (!options.json) {
    process.stdout.write(`${await machine()}\n`)
  }

  for (const name of names) {
    const outcome = await runPart(name)
    outcomes.push(outcome)

    if (!options.json) {
      process.stdout.write(`\n${section(outcome)}\n`)
    }
  }

  const rows = outcomes.flatMap(({ rows }) => rows)

  if (options.plot) {
    await writeFile(PLOT, plot(rows))
  }

  if (options.update && process.exitCode === undefined) {
    await updateReadme([await machine(), ...outcomes.map(section)].join('\n\n'))
  }

  progress(verdict(rows, outcomes.filter(({ failed }) => failed).map(({ part }) => part)))
}

/** Runs a part in a process of its own, so that none inherits another's heap or compiled code. */
async function runPart (part: PartName): Promise<Outcome> {
  const outcome: Outcome = { part, rows: [], notes: [], failed: false }
  const child = fork(new URL('part-process.ts', import.meta.url), [part, ...(options.sizes == null ? [] : [options.sizes])], { execArgv: ['--expose-gc'] })

  child.on('message', (message: PartMessage) => {
    switch (message.type) {
      case 'row':
        outcome.rows.push(message.value)

        if (options.json) {
          process.stdout.write(`${json(message.value)}\n`)
        }
        break
      case 'note':
        outcome.notes.push(message.value)
        progress(`${part}: ${message.value}`)
        break
      case 'progress':
        progress(`${part}: ${message.value}`)
    }
  })

  const [code] = await once(child, 'exit')

  if (code !== 0) {
    // the others are worth having all the same
    process.exitCode = 1
    outcome.failed = true
    outcome.notes.push('This part failed.')
    progress(`${part}: failed`)
  }

  return outcome
}

function section ({ part, rows, notes }: Outcome): string {
  return [`### ${parts[part]}`, ...notes, ...(rows.length > 0 ? [table(rows)] : [])].join('\n\n')
}

function chosen (names: string[]): PartName[] {
  const known = Object.keys(parts) as PartName[]
  const unknown = names.filter(name => !known.includes(name as PartName))

  if (unknown.length > 0) {
    process.stderr.write(`There is no part "${unknown.join('", "')}".\n\n${HELP}`)
    process.exit(2)
  }

  return names.length === 0 ? known.filter(name => !LONG.includes(name)) : known.filter(name => names.includes(name))
}

function verdict (rows: TableRow[], failed: PartName[]): string {
  const judged = rows.filter(({ ok }) => ok != null)
  const missed = judged.filter(({ ok }) => ok === false)

  return `${judged.length - missed.length} of ${judged.length} targets met${missed.map(({ name, size }) => `; missed: ${name} at ${size.toLocaleString('en')}`).join('')}${failed.map(part => `; FAILED, so not judged: ${part}`).join('')}`
}

function progress (text: string): void {
  const seconds = Math.round((performance.now() - started) / 1_000)
  process.stderr.write(`[${String(seconds).padStart(3)} s] ${text}\n`)
}
