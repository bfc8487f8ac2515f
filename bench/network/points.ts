import type { RemotePoint } from '../remote-point.ts'

/** The points of the network part. */
export interface Points {
  memory: RemotePoint
  persistent: RemotePoint
  /** With a store in memory that holds `held` registrations. */
  full: RemotePoint
  held: number
  /** Each has a namespace with so many peers in it. */
  listings: number[]
}
