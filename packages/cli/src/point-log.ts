import { formatDuration } from './durations.ts'
import { flagName } from './flags.ts'
import { clean, counted } from './output.ts'
import type { Output } from './output.ts'
import type { Place } from './workers/place.ts'
import type { TypedEventTarget } from '@libp2p/interface'
import type { DiscoverRejectedDetail, DiscoverServedDetail, NearLimit, RegistrationDetail, RegistrationRejectedDetail, RendezvousPointEvents } from 'libp2p-rendezvous'

/** Lines in one second, of all processes together; what is more is counted. Peers could fill a disk otherwise. */
const MAX_LINES = 100

type Event = Exclude<keyof RendezvousPointEvents, 'limit:near'>

/** What is of interest by itself; the rest is for who asks for it. */
const USUAL: Event[] = ['registration:added', 'registration:removed', 'registration:expired', 'registration:displaced', 'registration:evicted', 'registration:rejected', 'discover:rejected']
const VERBOSE: Event[] = [...USUAL, 'registration:refreshed', 'discover:served']

export interface PointLogInit {
  json: boolean
  verbose: boolean
  /** Which of several processes this is. */
  place?: Place | undefined
  /** Milliseconds since the epoch. */
  now?: () => number
}

/**
 * Says what happens at a point, one line for each event.
 */
export class PointLog {
  readonly #output: Output
  readonly #json: boolean
  readonly #events: Event[]
  readonly #now: () => number
  readonly #worker: number | undefined
  readonly #maxLines: number
  #second = 0
  #lines = 0
  #leftOut = 0

  constructor (output: Output, { json, verbose, place, now = Date.now }: PointLogInit) {
    this.#output = output
    this.#json = json
    this.#events = verbose ? VERBOSE : USUAL
    this.#now = now
    this.#worker = place?.number
    this.#maxLines = Math.ceil(MAX_LINES / (place?.of ?? 1))
  }

  /**
   * @param isQuiet - whether only what cannot wait is of interest
   */
  follow (point: TypedEventTarget<RendezvousPointEvents>, isQuiet: boolean): void {
    point.addEventListener('limit:near', ({ detail }) => { this.nearLimit(detail) })

    for (const type of isQuiet ? [] : this.#events) {
      point.addEventListener(type, event => { this.event(type, event.detail) })
    }
  }

  event (type: Event, detail: RendezvousPointEvents[Event]['detail']): void {
    const now = this.#now()

    if (this.#mayWrite(now)) {
      this.#write(now, type, toJson(detail), () => toText(type, detail, now))
    }
  }

  /** It is of interest to whoever wants to know of nothing else. */
  nearLimit ({ limit, max, size }: NearLimit): void {
    this.#write(this.#now(), 'limit:near', { limit, max, size }, () => `${flagName(limit)} (${max}) is nearly reached: ${size}. Beyond it, newcomers take the place of others, or are refused`)
  }

  /** Something about the program itself. */
  report (event: 'stopping' | 'stopped' | 'worker:ended' | 'worker:started', message: string, fields: object = {}): void {
    this.#write(this.#now(), event, { ...fields, message }, () => message)
  }

  #write (now: number, event: string, fields: object, text: () => string): void {
    const time = new Date(now)

    if (this.#json) {
      this.#output.json({ event, time: time.toISOString(), ...(this.#worker == null ? {} : { worker: this.#worker }), ...fields })
    } else {
      const worker = this.#worker == null ? '' : `[${this.#worker}] `
      this.#output.print(`${this.#output.dim(time.toTimeString().slice(0, 8))}  ${worker}${text()}`)
    }
  }

  #mayWrite (now: number): boolean {
    const second = Math.floor(now / 1_000)

    if (second !== this.#second) {
      const leftOut = this.#leftOut
      this.#second = second
      this.#lines = 0
      this.#leftOut = 0

      if (leftOut > 0) {
        this.#write(now, 'left-out', { lines: leftOut }, () => `${counted(leftOut, 'line')} ${leftOut === 1 ? 'was' : 'were'} left out, at more than ${this.#maxLines} in a second`)
      }
    }

    if (this.#lines >= this.#maxLines) {
      this.#leftOut++

      return false
    }

    this.#lines++

    return true
  }
}

function toJson (detail: RendezvousPointEvents[Event]['detail']): object {
  const { peer, ...rest } = detail

  return {
    // none where nobody said who asks
    peer: peer?.toString(),
    ...rest,
    ...('expires' in rest ? { expires: new Date(rest.expires).toISOString() } : {})
  }
}

function toText (type: Event, detail: RendezvousPointEvents[Event]['detail'], now: number): string {
  const { peer = 'somebody', namespace } = detail
  const where = namespace == null || namespace === '' ? 'all namespaces' : `"${clean(namespace)}"`

  switch (type) {
    case 'registration:added':
      return `${peer} registered in ${where} for ${formatDuration((detail as RegistrationDetail).expires - now)}`
    case 'registration:refreshed':
      return `${peer} renewed its registration in ${where} for ${formatDuration((detail as RegistrationDetail).expires - now)}`
    case 'registration:removed':
      return `${peer} unregistered from ${where}`
    case 'registration:expired':
      return `${peer} expired in ${where}`
    case 'registration:displaced':
      return `${peer} made room for another in ${where}`
    case 'registration:evicted':
      return `${peer} was evicted from ${where}`
    case 'discover:served':
      return `${peer} discovered ${(detail as DiscoverServedDetail).registrations} in ${where}`
    default: {
      const { status, statusText } = detail as RegistrationRejectedDetail | DiscoverRejectedDetail

      return `${peer} was refused ${type === 'discover:rejected' ? 'a look at' : 'a registration in'} ${where}: ${status}, ${clean(statusText)}`
    }
  }
}
