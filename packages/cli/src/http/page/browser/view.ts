import { chart, topOf } from './chart.ts'
import { bytes, clock, count, dayAndClock, duration, milliseconds, percent, rate } from './format.ts'
import { html } from './html.ts'
import { RANGES, SERIES_NAMES } from './series.ts'
import type { Html } from './html.ts'
import type { Columns, Range, Series } from './series.ts'
import type { Limit, RefusedRequest, Status } from '../status.ts'

/** How each is called, and written. */
export const LABELS: Record<Series, { label: string, about: string, write: (value: number) => string }> = {
  registrations: { label: 'Registrations', about: 'held', write: count },
  namespaces: { label: 'Namespaces', about: 'in use', write: count },
  connections: { label: 'Connections', about: 'open', write: count },
  subscriptions: { label: 'Watching', about: 'namespaces watched', write: count },
  requests: { label: 'Requests', about: 'answered', write: rate },
  refusals: { label: 'Refusals', about: 'of requests', write: rate },
  memory: { label: 'Memory', about: 'resident', write: bytes },
  delay: { label: 'Event loop delay', about: 'longest wait', write: milliseconds }
}

/** From here on a limit is near, as for the point itself. */
const NEAR = 0.9

/** Refusals that are shown. */
const SHOWN = 20

/** Rows of the table that says what the charts show. */
const ROWS = 10

export interface View {
  status: Status
  columns: Columns
  range: Range
  /** The index of the time that is looked at; undefined for now. */
  chosen?: number | undefined
  /** Undefined where the reader is. */
  timeZone?: string | undefined
}

/** What the page shows that changes, by the id of the element that it is in. */
export function fragments (view: View): Record<string, Html> {
  const { status, columns, range, chosen, timeZone } = view
  const { width } = RANGES[range]
  const write = width < 60_000 ? clock : dayAndClock
  const time = chosen == null ? undefined : columns.at[chosen]

  return {
    state: status.isServing
      ? html`Serving for ${duration(status.at - status.since)}`
      : html`<strong>Not serving</strong>: it is ending, or its store is behind`,
    time: time == null ? html`now` : html`${write(time, timeZone)}`,
    ...Object.fromEntries(SERIES_NAMES.flatMap(name => {
      const { write } = LABELS[name]
      const values = columns.values[name]
      const highest = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
      const value = (chosen == null ? values.findLast(value => value != null) : values[chosen]) ?? undefined

      return [
        [`value-${name}`, html`${value == null ? '–' : write(value)}`],
        [`chart-${name}`, chart(columns, values, topOf(highest), time == null ? undefined : chosen)],
        [`highest-${name}`, html`highest ${write(highest)}`]
      ]
    })),
    numbers: html`${rowsOf(columns).map(index => html`<tr><th scope="row">${write(columns.at[index] as number, timeZone)}</th>${SERIES_NAMES.map(name => {
      const value = columns.values[name][index]

      return html`<td>${value == null ? '–' : LABELS[name].write(value)}</td>`
    })}</tr>`)}`,
    limits: html`${status.limits.map(limitRow)}`,
    fullest: fullestRows(status),
    refusals: refusalRows(status, timeZone),
    refused: refusedInAll(status),
    closed: closedNamespaces(status)
  }
}

/** Indexes spread over what there is, the newest first. */
function rowsOf ({ at }: Columns): number[] {
  const rows = Math.min(ROWS, at.length)

  return Array.from({ length: rows }, (_, row) => at.length - 1 - Math.round(row * (at.length - 1) / Math.max(rows - 1, 1)))
}

/** How much of a limit is used: for eyes alone, the numbers are beside it. */
function bar (used: number, max: number): Html {
  const width = Math.min(used / max, 1) * 100

  return html`<svg class="bar${used >= NEAR * max ? ' near' : ''}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="whole" width="100" height="6"/><rect class="part" width="${Math.round(width * 10) / 10}" height="6"/></svg>`
}

function limitRow ({ flag, what, used, max, unit }: Limit): Html {
  const write = unit === 'bytes' ? bytes : count

  return html`<tr><th scope="row">${what}${used >= NEAR * max ? html` <strong>near</strong>` : ''} <code>${flag}</code></th><td>${write(used)}</td><td>${write(max)}</td><td class="share">${bar(used, max)}<span>${percent(used, max)}</span></td></tr>`
}

function fullestRows ({ fullest, limits }: Status): Html {
  if (fullest == null) {
    return html`<tr><td colspan="3" class="none">They are being counted.</td></tr>`
  }

  if (fullest.length === 0) {
    return html`<tr><td colspan="3" class="none">Nobody is registered.</td></tr>`
  }

  const max = limits.find(({ flag }) => flag === '--max-registrations-per-namespace')?.max ?? Infinity

  return html`${fullest.map(({ namespace, registrations }) => html`<tr><th scope="row" class="name">${namespace}</th><td>${count(registrations)}</td><td class="share">${bar(registrations, max)}<span>${percent(registrations, max)}</span></td></tr>`)}`
}

function refusalRows ({ reading: { refused }, at }: Status, timeZone: string | undefined): Html {
  if (refused.length === 0) {
    return html`<tr><td colspan="3" class="none">Nobody was refused anything.</td></tr>`
  }

  return html`${refused.slice(0, SHOWN).map(refusal => html`<tr><td class="when">${(at - refusal.at > 86_400_000 ? dayAndClock : clock)(refusal.at, timeZone)}</td><td>${askedFor(refusal)}</td><td><code>${refusal.status}</code> ${refusal.text}${refusal.peer == null ? '' : html`<span class="peer">${refusal.peer}</span>`}</td></tr>`)}`
}

function askedFor (refusal: RefusedRequest): Html {
  const what = refusal.action === 'register' ? 'register' : 'discover'

  if (refusal.namespace === undefined) {
    return html`${what}`
  }

  return refusal.namespace === null || refusal.namespace === ''
    ? html`${what} ${refusal.action === 'register' ? 'without a namespace' : 'all namespaces'}`
    : html`${what} <span class="name">${refusal.namespace}</span>`
}

function refusedInAll ({ reading: { refusals } }: Status): Html {
  const counts = Object.entries(refusals).filter(([, number]) => number > 0).sort(([, a], [, b]) => b - a)

  return counts.length === 0
    ? html`None since the start.`
    : html`Since the start: ${counts.map(([status, number], index) => html`${index === 0 ? '' : ', '}${count(number)} <code>${status}</code>`)}.`
}

function closedNamespaces ({ closed = [] }: Status): Html {
  return closed.length === 0
    ? html``
    : html`Closed by the operator: ${closed.map((namespace, index) => html`${index === 0 ? '' : ', '}<span class="name">${namespace}</span>`)}.`
}
