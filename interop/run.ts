import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { casesOf, directions } from './cases.ts'
import { Context, Measured } from './context.ts'
import { implementations } from './drivers.ts'
import type { Case, Direction } from './cases.ts'
import type { Implementation, Name } from './drivers.ts'

/** Longer than any case takes on a slow machine. */
const CASE_TIMEOUT = 180_000

const README = new URL('README.md', import.meta.url)

/** The part of the README that this program writes and reads. */
const BEGIN = '<!-- measured: written by `npm run interop -- --update` -->'
const END = '<!-- /measured -->'

const HELP = `usage: npm run interop -- [options]

  --only rust,go,python  these implementations
  --case TEXT            the cases with this text in their name
  --build                build the drivers, run nothing, print the commands that start them
  --json                 print the rows as JSON
  --update               record what is measured in interop/README.md (of a complete run that did not fail)
`

interface Row {
  implementation: string
  direction: Direction
  case: string
  result: string
  /** As recorded, or nothing when this is new. */
  recorded: string | undefined
  passed: boolean
  ms: number
}

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    case: { type: 'string', default: '' },
    build: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})

if (options.help) {
  process.stdout.write(HELP)
} else {
  process.exitCode = await main()
}

async function main (): Promise<number> {
  const readme = await readFile(README, 'utf8')
  const recorded = readTables(readme)
  const rows: Row[] = []
  let missing = 0

  for (const name of (options.only?.split(',') ?? Object.keys(implementations)) as Name[]) {
    const theirs = implementations[name]

    if (theirs == null) {
      throw new Error(`There is no driver for ${name}`)
    }

    const start = Date.now()

    try {
      await theirs.build()
      process.stderr.write(`${theirs.title}: ready after ${Math.round((Date.now() - start) / 1_000)} s\n`)
    } catch (err: any) {
      missing++
      process.stderr.write(`${theirs.title}: NOT TESTED: ${err.message}\n`)
      continue
    }

    if (options.build) {
      process.stdout.write(`${theirs.command.join(' ')}\n`)
      continue
    }

    for (const direction of directions) {
      for (const [title, run] of Object.entries(casesOf(name, direction))) {
        if (title.includes(options.case)) {
          rows.push(await measure(theirs, direction, title, run, recorded))
        }
      }
    }
  }

  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
  }

  const failed = rows.filter(row => !row.passed).length

  // a part of the tables, or a failure, is nothing to be held to
  if (options.update && failed + missing === 0 && options.only == null && options.case === '') {
    await writeFile(README, writeTables(readme, rows))
  }

  process.stderr.write(`${rows.length - failed} passed, ${failed} failed${missing === 0 ? '' : `; ${missing} implementations could not be built`}\n`)

  return failed + missing === 0 && (options.build || rows.length > 0) ? 0 : 1
}

async function measure (theirs: Implementation, direction: Direction, title: string, run: Case, recorded: Map<string, string>): Promise<Row> {
  const start = Date.now()
  const { result, threw } = await play(theirs, run)
  const before = recorded.get(keyOf(theirs.title, direction, title))
  const row: Row = {
    implementation: theirs.title,
    direction,
    case: title,
    result,
    recorded: before,
    passed: !threw && (result === before || options.update),
    ms: Date.now() - start
  }

  if (!options.json) {
    const change = threw || row.passed ? '' : ` (recorded: ${before ?? 'nothing'})`
    process.stdout.write(`${row.passed ? '✔' : '✘'} ${theirs.title} | ${direction} | ${title} | ${result}${change} | ${row.ms} ms\n`)
  }

  return row
}

async function play (theirs: Implementation, run: Case): Promise<{ result: string, threw: boolean }> {
  const context = new Context(theirs)
  let timer: NodeJS.Timeout | undefined

  try {
    const timeout = new Promise<never>((resolve, reject) => {
      timer = setTimeout(() => { reject(new Error(`not done after ${CASE_TIMEOUT / 1_000} s`)) }, CASE_TIMEOUT)
    })

    return { result: await Promise.race([run(context), timeout]), threw: false }
  } catch (err: any) {
    if (err instanceof Measured) {
      return { result: err.message, threw: false }
    }

    return { result: `FAILED: ${String(err.stack ?? err)}`, threw: true }
  } finally {
    clearTimeout(timer)
    await context.end()
  }
}

function keyOf (implementation: string, direction: Direction, title: string): string {
  return [implementation, direction, title].join(' | ')
}

/** What the README says happens: a table for each implementation, a column for each direction. */
function readTables (readme: string): Map<string, string> {
  const results = new Map<string, string>()
  let implementation = ''

  for (const line of readme.slice(readme.indexOf(BEGIN), readme.indexOf(END)).split('\n')) {
    if (line.startsWith('### ')) {
      implementation = line.slice(4)
    } else if (line.startsWith('| ')) {
      const [title = '', ...cells] = line.slice(2, -2).split(' | ')
      directions.forEach((direction, i) => results.set(keyOf(implementation, direction, title), cells[i] ?? ''))
    }
  }

  return results
}

function writeTables (readme: string, rows: Row[]): string {
  const tables = Object.values(implementations).map(({ title }) => {
    const results = new Map(rows.map(row => [keyOf(row.implementation, row.direction, row.case), row.result]))
    const cases = new Set(rows.filter(row => row.implementation === title).map(row => row.case))
    const lines = [...cases].map(name => `| ${[name, ...directions.map(direction => results.get(keyOf(title, direction, name)) ?? '')].join(' | ')} |`)

    return [`### ${title}`, '', `| case | ${directions.join(' | ')} |`, '|---|---|---|', ...lines, ''].join('\n')
  })

  return [
    readme.slice(0, readme.indexOf(BEGIN)),
    `${BEGIN}\nMeasured ${new Date().toISOString().slice(0, 10)}.\n\n`,
    tables.join('\n'),
    readme.slice(readme.indexOf(END))
  ].join('')
}
