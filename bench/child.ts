import { fork } from 'node:child_process'
import { once } from 'node:events'

/** A process of the benchmark that answers each message with one. It ends with this one. */
export interface Child<Ready> {
  /** What it said when it was ready. */
  ready: Ready
  ask: <Answer>(question: unknown) => Promise<Answer>
  stop: () => Promise<void>
}

/**
 * @param file - beside this one
 */
export async function startChild<Ready> (file: string, args: string[] = [], execArgv: string[] = []): Promise<Child<Ready>> {
  const child = fork(new URL(file, import.meta.url), args, { execArgv, serialization: 'advanced' })
  const failed = once(child, 'exit').then(([code]) => { throw new Error(`${file} ended with code ${code}`) })
  // it is for those who wait
  failed.catch(() => {})

  const next = async <T> (): Promise<T> => {
    const [message] = await Promise.race([once(child, 'message'), failed])

    return message
  }

  return {
    ready: await next<Ready>(),
    ask: async question => {
      const answer = next<any>()
      child.send(question as any)

      return answer
    },
    stop: async () => {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    }
  }
}
