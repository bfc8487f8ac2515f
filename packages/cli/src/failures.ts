/** What ends the program early, and how it is put into one line. */

import { getSystemErrorMap } from 'node:util'

/** The command line cannot be understood: exit code 2. */
export class UsageError extends Error {
  static override name = 'UsageError'
  override name = 'UsageError'
}

/** Something outside the program is in the way; the message says what to do about it: exit code 1. */
export class Failure extends Error {
  static override name = 'Failure'
  override name = 'Failure'
}

/** Another process has it. */
export class InUseFailure extends Failure {}

/** How system errors read to somebody who does not know their codes. */
const SYSTEM_ERRORS = new Map(getSystemErrorMap().values())

/**
 * One line for an error. Libraries wrap the reason, so the innermost one that says something is taken.
 */
export function describe (error: unknown): string {
  const reason = innermost(error)
  const code = reason.code ?? /\b(E[A-Z]{4,})\b/.exec(reason.message)?.[1]

  return SYSTEM_ERRORS.get(code ?? '') ?? oneLine(reason.message === '' ? reason.name : reason.message)
}

/** What the program says of an error: its own are written for whoever reads them. */
export function lineFor (error: unknown): string {
  return error instanceof UsageError || error instanceof Failure ? oneLine(error.message) : describe(error)
}

export function oneLine (text: string): string {
  return text.split('\n').map(line => line.trim()).filter(line => line !== '').join(' ')
}

/** An error, each that it was made from, and each that it is made up of. */
export function errorsIn (error: unknown): Array<Error & { code?: string }> {
  if (!(error instanceof Error)) {
    return []
  }

  return [error, ...errorsIn(error.cause), ...(error instanceof AggregateError ? error.errors.flatMap(errorsIn) : [])]
}

function innermost (error: any): Error & { code?: string } {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return innermost(error.errors[0])
  }

  if (error?.cause instanceof Error) {
    return innermost(error.cause)
  }

  if (error instanceof Error) {
    return error
  }

  // what a WebSocket fails with is an event, and not every Node puts words into it
  return error instanceof Event ? reasonOf(error) : new Error(String(error))
}

function reasonOf ({ error, message }: Event & { error?: unknown, message?: string }): Error {
  const reason = error instanceof Error ? innermost(error) : new Error(message)

  return reason.message === '' ? new Error('the connection failed') : reason
}
