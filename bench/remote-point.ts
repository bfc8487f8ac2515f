import { startChild } from './child.ts'
import type { PointReady, PointTask, PointUsage } from './point-process.ts'

/** A point in a process of its own. It ends with this one. */
export interface RemotePoint {
  address: string
  /** The processor time that it has used, in microseconds. */
  processorTime: () => Promise<number>
  stop: () => Promise<void>
}

export async function remotePoint (task: PointTask): Promise<RemotePoint> {
  const { ready: { address }, ask, stop } = await startChild<PointReady>('point-process.ts', [JSON.stringify(task)])

  return {
    address,
    processorTime: async () => (await ask<PointUsage>('usage')).processorTime,
    stop
  }
}
