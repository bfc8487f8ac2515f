/** What a point says of itself to whoever runs it: plain data, for it may come from another process and go to a page. */

/** A request that was refused. */
export interface RefusedRequest {
  /** When, in milliseconds since the epoch. */
  at: number
  action: 'register' | 'discover'
  /** Null where there was none, or all were meant; absent where it is nobody's business. */
  namespace?: string | null
  status: string
  /** Why, in the words that the peer was told. */
  text: string
  /** Who asked; absent where that is not known, or nobody's business. */
  peer?: string
}

/** What one process, or all of a point together, have at a moment. */
export interface Reading {
  registrations: number
  namespaces: number
  /** Of all registrations. */
  bytes: number
  connections: number
  /** Namespaces watched, counted for each who watches. */
  subscriptions: number
  /** Answered since the start. */
  requests: number
  /** Since the start, by status. */
  refusals: Record<string, number>
  /** Resident, in bytes. */
  memory: number
  /** The longest that something waited for its turn since the reading before, in milliseconds. */
  delay: number
  /** The last ones, the newest first. */
  refused: RefusedRequest[]
}

/** How many are registered in a namespace. */
export interface Fullness {
  namespace: string
  registrations: number
}

/** A limit, and how near it is. */
export interface Limit {
  /** The flag that sets it. */
  flag: string
  /** What it limits. */
  what: string
  used: number
  max: number
  unit: 'count' | 'bytes'
}

export interface Status {
  peerId: string
  version: string
  addresses: string[]
  isServing: boolean
  /** When it started, and when this was so, in milliseconds since the epoch. */
  since: number
  at: number
  reading: Reading
  limits: Limit[]
  /** The fullest first; undefined while they are being counted for the first time, or where they are nobody's business. */
  fullest: Fullness[] | undefined
  /** Namespaces in which nobody may register; undefined where they are nobody's business. */
  closed: string[] | undefined
}
