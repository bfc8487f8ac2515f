import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { casesOf, directions } from './cases.ts'
import { Context, Measured, Nodes } from './context.ts'
import { implementations } from './drivers.ts'
import { everybody, members, needed } from './everybody.ts'
import type { Case, Direction } from './cases.ts'
import type { Implementation, Name } from './drivers.ts'

/** Longer than any case takes on a slow machine. */
const CASE_TIMEOUT = 180_000

const README = new URL('README.md', import.meta.url)

/** The part of the README that this program writes and reads. */
const BEGIN = '<!-- measured: written by `npm run interop -- --update` -->'
const END = '<!-- /measured -->'

const HELP = `usage: npm run interop -- [options]

  --only rust,everybody  these of rust, go, python and canvas, and everybody at one point
  --case TEXT            the cases with this text in their name
  --build                build the drivers, run nothing, print the commands that start them
  --json                 print the rows as JSON
  --update               record what is measured in interop/README.md (of a complete run that did not fail)
`

/** A table of the README; its first column is what a row is about. */
interface Table {
  title: string
  corner: string
  columns: readonly string[]
}

const EVERYBODY: Table = { title: 'Everybody in one namespace at our point', corner: 'looks ↓, is registered →', columns: members }

const tables: Table[] = [
  ...Object.values(implementations).map(({ title }) => ({ title, corner: 'case', columns: directions })),
  EVERYBODY
]

/** A cell of a table. */
interface Row {
  table: string
  column: string
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
  const wanted = options.only?.split(',') ?? [...Object.keys(implementations), 'everybody']
  const missing = new Set<Name>()

  for (const name of wanted) {
    if (!(name in implementations) && name !== 'everybody') {
      throw new Error(`There is no driver for ${name}`)
    }
  }

  const meeting = wanted.includes('everybody')

  for (const [name, theirs] of Object.entries(implementations) as Array<[Name, Implementation]>) {
    if (!wanted.includes(name) && !(meeting && needed.includes(name))) {
      continue
    }

    const start = Date.now()

    try {
      await theirs.build()
      process.stderr.write(`${theirs.title}: ready after ${Math.round((Date.now() - start) / 1_000)} s\n`)
    } catch (err: any) {
      missing.add(name)
      process.stderr.write(`${theirs.title}: NOT TESTED: ${err.message}\n`)
      continue
    }

    if (options.build) {
      process.stdout.write(`${theirs.command.join(' ')}\n`)
      continue
    }

    if (!wanted.includes(name)) {
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

  if (meeting && !options.build && 'everybody'.includes(options.case) && !needed.some(name => missing.has(name))) {
    rows.push(...await meet(recorded))
  }

  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
  }

  const failed = rows.filter(row => !row.passed).length

  // a part of the tables, or a failure, is nothing to be held to
  if (options.update && failed + missing.size === 0 && options.only == null && options.case === '') {
    await writeFile(README, writeTables(readme, rows))
  }

  process.stderr.write(`${rows.length - failed} passed, ${failed} failed${missing.size === 0 ? '' : `; ${missing.size} implementations could not be built`}\n`)

  return failed + missing.size === 0 && (options.build || rows.length > 0) ? 0 : 1
}

async function measure (theirs: Implementation, direction: Direction, title: string, run: Case, recorded: Map<string, string>): Promise<Row> {
  const start = Date.now()

  return report({ table: theirs.title, column: direction, case: title, ...await play(theirs, run), ms: Date.now() - start }, recorded)
}

async function meet (recorded: Map<string, string>): Promise<Row[]> {
  const start = Date.now()
  const nodes = new Nodes()

  try {
    const meetings = await everybody(nodes)
    // all of them at once
    const ms = Math.round((Date.now() - start) / meetings.length)

    return meetings.map(({ reader, registered, ...rest }) => report({ table: EVERYBODY.title, column: registered, case: reader, ...rest, ms }, recorded))
  } catch (err: any) {
    return [report({ table: EVERYBODY.title, column: '', case: '', result: `FAILED: ${String(err.stack ?? err)}`, threw: true, ms: Date.now() - start }, recorded)]
  } finally {
    await nodes.end()
  }
}

/** Compares with what is recorded. */
function report ({ threw, ...measured }: Omit<Row, 'recorded' | 'passed'> & { threw: boolean }, recorded: Map<string, string>): Row {
  const before = recorded.get(keyOf(measured))
  const row: Row = { ...measured, recorded: before, passed: !threw && (measured.result === before || options.update) }

  if (!options.json) {
    const change = threw || row.passed ? '' : ` (recorded: ${before ?? 'nothing'})`
    process.stdout.write(`${row.passed ? '✔' : '✘'} ${keyOf(row)} | ${row.result}${change} | ${row.ms} ms\n`)
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

function keyOf (cell: Pick<Row, 'table' | 'column' | 'case'>): string {
  return [cell.table, cell.column, cell.case].join(' | ')
}

/** What the README says happens. */
function readTables (readme: string): Map<string, string> {
  const results = new Map<string, string>()
  let table: Table | undefined

  for (const line of readme.slice(readme.indexOf(BEGIN), readme.indexOf(END)).split('\n')) {
    if (line.startsWith('### ')) {
      table = tables.find(({ title }) => title === line.slice(4))
    } else if (table != null && line.startsWith('| ')) {
      const { title, columns } = table
      const [name = '', ...cells] = line.slice(2, -2).split(' | ')
      columns.forEach((column, i) => results.set(keyOf({ table: title, column, case: name }), cells[i] ?? ''))
    }
  }

  return results
}

function writeTables (readme: string, rows: Row[]): string {
  const results = new Map(rows.map(row => [keyOf(row), row.result]))
  const written = tables.map(({ title, corner, columns }) => {
    const cases = new Set(rows.filter(row => row.table === title).map(row => row.case))
    const lines = [...cases].map(name => `| ${[name, ...columns.map(column => results.get(keyOf({ table: title, column, case: name })) ?? '')].join(' | ')} |`)

    return [`### ${title}`, '', `| ${[corner, ...columns].join(' | ')} |`, `|${'---|'.repeat(columns.length + 1)}`, ...lines, ''].join('\n')
  })

  return [
    readme.slice(0, readme.indexOf(BEGIN)),
    `${BEGIN}\nMeasured ${new Date().toISOString().slice(0, 10)}.\n\n`,
    written.join('\n'),
    readme.slice(readme.indexOf(END))
  ].join('')
}
