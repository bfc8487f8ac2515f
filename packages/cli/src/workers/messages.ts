import type { Introduction } from '../introduction.ts'
import type { Metrics } from './metrics.ts'
import type { Fullness, Reading } from '../http/page/status.ts'

/** What a worker is told when it asks. */
export interface Start {
  /** In libp2p's own encoding. */
  privateKey: Uint8Array
  listen: string[]
  /** Namespaces in which nobody may register. */
  closed: string[]
}

/** What a worker can be asked about, or for, and what it answers. */
export interface Answers {
  isServing: boolean
  metrics: Metrics
  reading: Reading
  fullest: Fullness[]
  /** How many registrations it has ended: of a peer that is connected to it, of any peer, in a namespace. */
  evict: number
  evictAll: number
  close: number
  open: boolean
}

/** `END` is told to a worker, too. */
export type ToWorker =
  | { type: 'start', start: Start }
  | { type: 'ask', id: number, about: keyof Answers, what: string }

export type ToParent =
  // it listens from now on
  | { type: 'up' }
  | { type: 'ready', point: Introduction }
  | { type: 'failed', message: string, isUsage: boolean, stack: string }
  | { type: 'answer', id: number, answer: Answers[keyof Answers] }
