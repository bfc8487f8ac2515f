import prettyMilliseconds from 'pretty-ms'

/** Durations as people write them, `2h` or `1h30m`, and as they read them. */

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

type Unit = keyof typeof UNITS

const PART = /(\d+(?:\.\d+)?)(ms|[dhms])/y

/**
 * Milliseconds, or undefined when the text is no duration above zero: numbers, each with its unit, as
 * in `72h`, `1h30m`, `1.5s` or `250ms`.
 */
export function parseDuration (text: string): number | undefined {
  let total = 0
  PART.lastIndex = 0

  do {
    const [, amount, unit] = PART.exec(text) ?? []

    if (amount == null) {
      return
    }

    total += Number(amount) * UNITS[unit as Unit]
  } while (PART.lastIndex < text.length)

  return total > 0 && Number.isSafeInteger(Math.round(total)) ? total : undefined
}

/** Exactly, as `parseDuration` reads it: `1h30m`. */
export function writeDuration (ms: number): string {
  return prettyMilliseconds(ms, { separateMilliseconds: true, hideYear: true }).replaceAll(' ', '')
}

/**
 * Its two largest units, rounded to the smaller: `2h`, `1h 59m`, `4s`.
 */
export function formatDuration (ms: number): string {
  const { d, h, m, s } = UNITS
  const smallest = ms >= d ? h : ms >= h ? m : ms >= s ? s : 1

  return prettyMilliseconds(Math.round(ms / smallest) * smallest, { unitCount: 2, hideYear: true })
}
