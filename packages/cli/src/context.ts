import type { Output } from './output.ts'

/** What every command gets besides its flags. */
export interface CommandContext {
  output: Output
  /** Aborts when the program is to end. */
  signal: AbortSignal
  /** Whether results are for machines. */
  json: boolean
}
