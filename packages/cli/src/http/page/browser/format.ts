/** Numbers and times as people read them. */

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const ONE_DIGIT = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const TWO_DIGITS = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })

export function count (value: number): string {
  return NUMBER.format(value)
}

/** So many in a second. */
export function rate (value: number): string {
  return `${(value >= 100 ? NUMBER : value >= 1 ? ONE_DIGIT : TWO_DIGITS).format(value)}/s`
}

export function bytes (value: number): string {
  const [size, unit] = value >= 1e9 ? [value / 1e9, 'GB'] : value >= 1e6 ? [value / 1e6, 'MB'] : [value / 1e3, 'kB']

  return `${(size >= 100 ? NUMBER : ONE_DIGIT).format(size)} ${unit}`
}

export function milliseconds (value: number): string {
  return value >= 1_000 ? `${ONE_DIGIT.format(value / 1_000)} s` : `${NUMBER.format(value)} ms`
}

/** Of a limit; what is not nothing does not look like it. */
export function percent (used: number, max: number): string {
  const value = used / max * 100

  return `${value > 0 && value < 1 ? '<1' : NUMBER.format(value)} %`
}

/** Its two largest units. */
export function duration (ms: number): string {
  const units: Array<[number, string]> = [[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min'], [1_000, 's']]
  const from = Math.max(units.findIndex(([size]) => ms >= size), 0)
  let rest = Math.max(ms, 0)

  return units.slice(from, from + 2).map(([size, unit]) => {
    const amount = Math.floor(rest / size)
    rest -= amount * size

    return amount === 0 ? '' : `${amount} ${unit}`
  }).filter(text => text !== '').join(' ') || '0 s'
}

/** Where the reader is, unless a zone is named, and then with its name. */
export function clock (at: number, timeZone: string | undefined): string {
  return new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', ...zone(timeZone) })
}

export function dayAndClock (at: number, timeZone: string | undefined): string {
  return new Date(at).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', ...zone(timeZone) })
}

function zone (timeZone: string | undefined): Intl.DateTimeFormatOptions {
  return timeZone == null ? {} : { timeZone, timeZoneName: 'short' }
}
