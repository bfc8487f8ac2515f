import type { TableRow } from './row.ts'

/** Where a part reports to while it runs. */
export interface Report {
  /** What is being done now. */
  progress: (what: string) => void
  row: (row: TableRow) => void
  /** Why something was left out. */
  note: (text: string) => void
}

/** What is asked for on the command line. */
export interface PartOptions {
  /** Connections to hold, ascending: of the part city. Registrations to hold: of the part valkey. */
  sizes?: number[]
}

/** One part of the benchmark: it runs in a process of its own. */
export interface Part {
  (report: Report, options?: PartOptions): Promise<void>
}

/** The parts in the order in which they run, with the headings of their tables. */
export const parts = {
  store: 'The store in memory',
  persistent: 'The persistent store',
  heap: 'Memory',
  expiry: 'A million registrations expire',
  growth: 'A map of a million peers grows and shrinks',
  handler: 'The handler: request bytes to response bytes',
  network: 'End to end: TCP, Noise and Yamux on loopback, the point in its own process',
  http: 'Over HTTP: requests in a second, and the slowest hundredth, against the framework that answers the same bytes',
  watch: 'Watching: a thousand in processes of their own',
  city: 'A city: thousands who are connected, registered and watching',
  valkey: 'The store that points share: Valkey',
  storm: 'A storm: ten thousand come back to a point that was killed',
  overload: 'Overload: twice as many newcomers as there is room for',
  relay: 'The relay of the program',
  rust: 'The rust-libp2p server, driven by the same client'
} as const

export type PartName = keyof typeof parts

/** What the process of a part sends to the one that started it. */
export type PartMessage = { [K in keyof Report]: { type: K, value: Parameters<Report[K]>[0] } }[keyof Report]
