import { SERIES_NAMES } from './browser/series.ts'
import { History } from './history.ts'
import { limitsOf } from './limits.ts'
import { sum } from './readings.ts'
import type { LimitValues } from './limits.ts'
import type { Sample } from './history.ts'
import type { Fullness, Reading, Status } from './status.ts'

/** Between two readings, in milliseconds: each part of the finest range has some. */
const INTERVAL = 2_000

/** Who has looked so long ago has gone, and nothing is counted for nobody. Milliseconds. */
const INTEREST = 30_000

/** Between two counts is so many times as long as one took. */
const REST = 20

export interface MonitorSources {
  version: string
  limits: LimitValues
  /** Who it is and where, as it announces it now. */
  self: () => { peerId: string, addresses: string[] }
  isServing: () => boolean | Promise<boolean>
  /** Undefined where nobody answers. */
  read: () => Promise<Reading | undefined>
  fullest: () => Promise<Fullness[]>
  closed: () => string[]
}

/**
 * Watches a point as long as it runs, for whoever looks. What is dear to find out is found out only while somebody does.
 */
export class Monitor {
  readonly history = new History()

  readonly #sources: MonitorSources
  readonly #now: () => number
  readonly #since: number
  #status: Status | undefined
  #fullest: Fullness[] | undefined
  #lookedAt = -Infinity
  #countAgain = -Infinity
  #isCounting = false
  #isReading = false
  #next = Promise.withResolvers<void>()
  #timer: ReturnType<typeof setInterval> | undefined

  /** @param now - milliseconds since the epoch, by a clock that is not set */
  constructor (sources: MonitorSources, now = (): number => Math.round(performance.timeOrigin + performance.now())) {
    this.#sources = sources
    this.#now = now
    this.#since = now()
  }

  /** Resolves when there is a first reading, or nobody has answered. */
  async start (): Promise<void> {
    this.#timer = setInterval(() => { this.#tick().catch(() => {}) }, INTERVAL)
    await this.#tick()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  /** As of the last reading; undefined before there was one. */
  get status (): Status | undefined {
    return this.#status
  }

  /** Resolves when there is a new one. */
  get next (): Promise<void> {
    return this.#next.promise
  }

  /** Somebody looks. */
  look (): void {
    this.#lookedAt = this.#now()
    this.#count().catch(() => {})
  }

  /** One at a time: who is asked may not answer before it is time to ask again. */
  async #tick (): Promise<void> {
    if (!this.#isReading) {
      this.#isReading = true
      await this.#read().finally(() => { this.#isReading = false })
      await this.#count()
    }
  }

  async #read (): Promise<void> {
    const reading = await this.#sources.read()

    if (reading == null) {
      return
    }

    const { version, limits } = this.#sources
    const at = this.#now()
    this.history.add(at, sampleOf(reading))
    this.#status = {
      ...this.#sources.self(),
      version,
      isServing: await this.#sources.isServing(),
      since: this.#since,
      at,
      reading,
      limits: limitsOf(limits, reading, this.#fullest?.reduce((most, { registrations }) => Math.max(most, registrations), 0)),
      fullest: this.#fullest,
      closed: this.#sources.closed()
    }

    const { resolve } = this.#next
    this.#next = Promise.withResolvers()
    resolve()
  }

  async #count (): Promise<void> {
    const start = this.#now()

    if (this.#isCounting || start < this.#countAgain || start - this.#lookedAt > INTEREST) {
      return
    }

    this.#isCounting = true

    try {
      this.#fullest = await this.#sources.fullest()
    } finally {
      const end = this.#now()
      this.#isCounting = false
      this.#countAgain = end + Math.max((end - start) * REST, INTERVAL)
    }
  }
}

function sampleOf (reading: Reading): Sample {
  return Object.fromEntries(SERIES_NAMES.map(name => [name, name === 'refusals' ? sum(reading.refusals) : reading[name]])) as Sample
}
