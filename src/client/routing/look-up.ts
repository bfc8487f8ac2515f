import { anySignal } from 'any-signal'
import { setMaxListeners } from 'main-event'
import { raceSignal } from 'race-signal'
import { throwIfAborted } from '../deadline.ts'

/** Somebody who may know: what they know comes one by one. */
export type Source<T> = (signal: AbortSignal) => AsyncGenerator<T>

export interface Step<T> {
  /** Who is asked, for the log. */
  name: string
  /** How long nothing may come before the next step begins beside this one, in milliseconds. */
  patience: number
  /** Asked side by side. */
  sources: Array<Source<T>>
}

export interface LookUpListeners {
  onBegin: (step: string) => void
  onFailed: (step: string, error: Error) => void
}

/** What came of waiting for the next thing that somebody knows. */
type Outcome<T> = { iterator: AsyncGenerator<T> } & ({ result: IteratorResult<T> } | { error: Error })

/**
 * What somebody knows, as it comes: those of the first step are asked, and those of the next when these know no more,
 * or when nothing has come for as long as the step has patience. A step that is slow goes on all the same: it may
 * be the one that knows. Nobody is asked before the caller wants something that has not come yet, and nobody any more
 * once the caller has enough.
 *
 * @throws {AbortError}
 */
export async function * lookUp <T> (steps: Array<Step<T>>, signal: AbortSignal, { onBegin, onFailed }: LookUpListeners): AsyncGenerator<T> {
  const enough = new AbortController()
  const either = anySignal([signal, enough.signal])
  setMaxListeners(Infinity, either)
  const left = steps.filter(({ sources }) => sources.length > 0)
  const begun = new Map<AsyncGenerator<T>, Step<T>>()
  const waiting = new Map<AsyncGenerator<T>, Promise<Outcome<T>>>()
  let patience = 0

  const wait = (iterator: AsyncGenerator<T>): void => {
    waiting.set(iterator, iterator.next().then(result => ({ iterator, result }), error => ({ iterator, error })))
  }

  const begin = (step: Step<T>): void => {
    patience = step.patience
    onBegin(step.name)

    for (const source of step.sources) {
      const iterator = source(either)
      begun.set(iterator, step)
      wait(iterator)
    }
  }

  try {
    throwIfAborted(signal)

    while (waiting.size > 0 || left.length > 0) {
      const outcome = waiting.size === 0 ? undefined : await firstOf(waiting.values(), left.length === 0 ? undefined : patience, either)

      if (outcome == null) {
        begin(left.shift()!)
        continue
      }

      const { iterator } = outcome
      waiting.delete(iterator)

      if ('error' in outcome) {
        onFailed(begun.get(iterator)!.name, outcome.error)
      } else if (outcome.result.done !== true) {
        yield outcome.result.value
        wait(iterator)
      }
    }
  } finally {
    enough.abort()
    either.clear()
    // one that waits for its own next is pending until it has noticed that it is aborted
    begun.forEach((_, iterator) => { iterator.return(undefined).catch(() => {}) })
  }
}

/**
 * @param patience - milliseconds; absent for any time
 * @returns the first outcome; undefined when there was none in time
 * @throws {AbortError}
 */
async function firstOf <T> (outcomes: Iterable<Promise<Outcome<T>>>, patience: number | undefined, signal: AbortSignal): Promise<Outcome<T> | undefined> {
  const all: Array<Promise<Outcome<T> | undefined>> = [...outcomes]
  let timer: ReturnType<typeof setTimeout> | undefined

  if (patience != null) {
    all.push(new Promise(resolve => { timer = setTimeout(() => { resolve(undefined) }, patience) }))
  }

  try {
    return await raceSignal(Promise.race(all), signal)
  } finally {
    clearTimeout(timer)
  }
}
