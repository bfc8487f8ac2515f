import type { Row, TableRow } from './row.ts'

const HEADINGS = ['what', 'size', 'median', 'p05 … p95', 'against', 'ratio', 'target', 'met']

/** Columns of numbers, which are aligned to the right. */
const NUMBERS = new Set([1, 2, 3])

/** Rows as a Markdown table whose columns line up when it is read as it stands. */
export function table (rows: TableRow[]): string {
  const cells = [HEADINGS, ...rows.map(cellsOf)]
  const widths = HEADINGS.map((_, column) => Math.max(3, ...cells.map(row => row[column]?.length ?? 0)))
  const lines = cells.map(row => `| ${row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(' | ')} |`)
  const rule = `|${widths.map((width, column) => NUMBERS.has(column) ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2)).join('|')}|`

  return [lines[0], rule, ...lines.slice(1)].join('\n')
}

/** A row as others read it: the fields that `--json` promises, and no more. */
export function json ({ name, size, unit, median, p05, p95, floor, ratio, target, ok }: Row): string {
  return JSON.stringify({ name, size, unit, median, p05, p95, floor, ratio, target, ok })
}

/** Three digits that matter, and separated thousands. */
export function figure (value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))

  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function cellsOf ({ name, size, unit, median, p05, p95, floor, ratio, target, ok, against, counts }: TableRow): string[] {
  return [
    name,
    size.toLocaleString('en'),
    `${figure(median)} ${unit}`,
    `${figure(p05)} … ${figure(p95)}`,
    floor == null ? '' : `${against}: ${figure(floor)}`,
    ratio == null ? '' : `${ratio.toFixed(2)} × the ${counts}`,
    target ?? '',
    ok == null ? '' : ok ? 'yes' : '**no**'
  ]
}

function pad (cell: string, width: number, column: number): string {
  return NUMBERS.has(column) ? cell.padStart(width) : cell.padEnd(width)
}
