/** How long a program may take to end after it has been asked to; supervisors kill after ten seconds or so. */
const PATIENCE = 4_500

const NUMBERS = { SIGINT: 2, SIGTERM: 15 }

/** The message by which a process that started this one asks it to end. */
export const END = 'end'

/** Why a signal from `endSignal` is aborted. */
export class EndRequest extends Error {
  static override name = 'EndRequest'
  override name = 'EndRequest'

  /** @param exitCode - of a program that could not finish because of it */
  constructor (readonly exitCode: number) {
    super('The program was asked to end')
  }
}

/**
 * Aborts, for an `EndRequest`, when the process is asked to end. It is ended then in any case after a
 * while, and at once when a second signal comes.
 */
export function endSignal (): AbortSignal {
  const controller = new AbortController()
  let signals = 0

  const end = (number: number): void => {
    if (!controller.signal.aborted) {
      setTimeout(() => { process.exit(0) }, PATIENCE).unref()
      controller.abort(new EndRequest(128 + number))
    }
  }

  for (const [name, number] of Object.entries(NUMBERS)) {
    process.on(name, () => {
      if (++signals > 1) {
        process.exit(128 + number)
      }

      end(number)
    })
  }

  // a terminal and a supervisor send their signal to all processes, so this may come before or after one: it is none
  process.on('message', message => {
    if (message === END) {
      end(NUMBERS.SIGTERM)
    }
  })

  return controller.signal
}

export async function aborted (signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise<void>(resolve => { signal.addEventListener('abort', () => { resolve() }, { once: true }) })
  }
}
