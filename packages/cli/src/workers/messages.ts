import type { Introduction } from '../introduction.ts'
import type { Metrics } from './metrics.ts'

/** What a worker is told when it asks. */
export interface Start {
  /** In libp2p's own encoding. */
  privateKey: Uint8Array
  listen: string[]
}

/** What a worker can be asked about, and what it answers. */
export interface Answers {
  isServing: boolean
  metrics: Metrics
}

/** `END` is told to a worker, too. */
export type ToWorker =
  | { type: 'start', start: Start }
  | { type: 'ask', id: number, about: keyof Answers }

export type ToParent =
  // it listens from now on
  | { type: 'up' }
  | { type: 'ready', point: Introduction }
  | { type: 'failed', message: string, isUsage: boolean, stack: string }
  | { type: 'answer', id: number, answer: Answers[keyof Answers] }
