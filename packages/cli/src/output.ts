import { styleText } from 'node:util'
import { oneLine } from './failures.ts'

/** A stream of text that may be a terminal. */
export interface Sink {
  write: (text: string) => unknown
  isTTY?: boolean
  columns?: number
}

/** Characters that mean something to a terminal; names and texts of peers may have any. */
const CONTROLS = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * What the program says: results on one stream, and how things are going on another.
 */
export class Output {
  readonly #results: Sink
  readonly #status: Sink
  #hasProgress = false

  constructor (results: Sink, status: Sink) {
    this.#results = results
    this.#status = status
  }

  /** Whether a person reads the results. */
  get isTerminal (): boolean {
    return this.#results.isTTY === true
  }

  get columns (): number {
    return this.#results.columns ?? 80
  }

  print (line: string = ''): void {
    this.#clearProgress()
    this.#results.write(`${line}\n`)
  }

  json (value: unknown): void {
    // JSON leaves some control characters as they are
    this.print(JSON.stringify(value).replace(CONTROLS, escape))
  }

  /** How things are going: on a terminal, each takes the place of the one before. */
  progress (line: string): void {
    if (this.#status.isTTY === true) {
      this.#clearProgress()
      this.#status.write(style('dim', line.slice(0, (this.#status.columns ?? 80) - 1), this.#status))
      this.#hasProgress = true
    } else {
      this.#status.write(`${line}\n`)
    }
  }

  /** Something that is no result and should stay to be read. */
  note (line: string): void {
    this.#clearProgress()
    this.#status.write(`${line}\n`)
  }

  /** Takes the last progress away. */
  done (): void {
    this.#clearProgress()
  }

  bold (text: string): string {
    return style('bold', text, this.#results)
  }

  dim (text: string): string {
    return style('dim', text, this.#results)
  }

  #clearProgress (): void {
    if (this.#hasProgress) {
      this.#status.write('\r\u001b[K')
      this.#hasProgress = false
    }
  }
}

/** Somebody else's words, safe to show. */
export function clean (text: string): string {
  return oneLine(text.replace(CONTROLS, ' '))
}

/** A number of things, such as `1 line` and `2 lines`. */
export function counted (number: number, thing: string, things: string = `${thing}s`): string {
  return `${number} ${number === 1 ? thing : things}`
}

/** Columns as wide as their widest cell, two spaces apart; the last may be of any width. */
export function table (rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))

  return rows.map(row => row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

function style (format: 'bold' | 'dim', text: string, { isTTY }: Sink): string {
  // https://no-color.org
  return isTTY === true && (process.env.NO_COLOR ?? '') === '' ? styleText(format, text, { validateStream: false }) : text
}

function escape (character: string): string {
  return character.split('').map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
}
