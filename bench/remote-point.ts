import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { PointReady, PointTask, PointUsage } from './point-process.ts'

/** A point in a process of its own. It ends with this one. */
export interface RemotePoint {
  address: string
  /** The processor time that it has used, in microseconds. */
  processorTime: () => Promise<number>
  stop: () => Promise<void>
}

export async function remotePoint (task: PointTask): Promise<RemotePoint> {
  const child = fork(new URL('point-process.ts', import.meta.url), [JSON.stringify(task)], { execArgv: [] })
  const failed = once(child, 'exit').then(([code]) => { throw new Error(`The point ended with code ${code}`) })
  // it is for those who wait
  failed.catch(() => {})

  const next = async <T> (): Promise<T> => {
    const [message] = await Promise.race([once(child, 'message'), failed])

    return message
  }

  const { address } = await next<PointReady>()

  return {
    address,
    processorTime: async () => {
      const answer = next<PointUsage>()
      child.send('usage')

      return (await answer).processorTime
    },
    stop: async () => {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    }
  }
}
