import { html } from './html.ts'
import type { Html } from './html.ts'
import type { Columns } from './series.ts'

/** Of the drawing, which is stretched to whatever room there is. */
const WIDTH = 300
const HEIGHT = 64

/** Parts of time that may be missing between two that belong together: a reading may come late. */
const MISSING = 2

export interface Point {
  x: number
  y: number
}

/** The next number that is 1, 2 or 5 and zeros: the top of a chart that stays where it is for a while. */
export function topOf (highest: number): number {
  if (highest <= 0) {
    return 1
  }

  const power = 10 ** Math.floor(Math.log10(highest))

  return [1, 2, 5, 10].map(step => step * power).find(top => top >= highest) as number
}

/** The line of some values, in pieces where nothing is known between them. */
export function linesOf ({ width, capacity, at }: Pick<Columns, 'width' | 'capacity' | 'at'>, values: Array<number | null>, top: number): Point[][] {
  const end = at.at(-1) ?? 0
  const lines: Point[][] = []
  let before = -Infinity

  values.forEach((value, index) => {
    const time = at[index] as number

    if (value == null) {
      return
    }

    if (time - before > (MISSING + 1) * width) {
      lines.push([])
    }

    before = time
    lines.at(-1)?.push({
      x: round(WIDTH * (1 - (end - time) / ((capacity - 1) * width))),
      y: round(HEIGHT * (1 - value / top))
    })
  })

  return lines
}

/**
 * A line over time, for eyes alone: what it shows is beside it in words.
 *
 * @param chosen - the index of a time to mark
 */
export function chart (columns: Columns, values: Array<number | null>, top: number, chosen: number | undefined): Html {
  const lines = linesOf(columns, values, top)
  const line = lines.map(points => `M${points.map(({ x, y }) => `${x} ${y}`).join('L')}${points.length === 1 ? 'h0' : ''}`).join('')
  const area = lines.filter(points => points.length > 1).map(points => `M${points[0]?.x} ${HEIGHT}L${points.map(({ x, y }) => `${x} ${y}`).join('L')}L${points.at(-1)?.x} ${HEIGHT}Z`).join('')
  const end = columns.at.at(-1) ?? 0
  const mark = chosen == null ? '' : html`<path class="mark" d="M${round(WIDTH * (1 - (end - (columns.at[chosen] ?? end)) / ((columns.capacity - 1) * columns.width)))} 0V${HEIGHT}"/>`

  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true" focusable="false"><path class="ground" d="M0 ${HEIGHT}H${WIDTH}"/><path class="area" d="${area}"/><path class="line" d="${line}"/>${mark}</svg>`
}

function round (value: number): number {
  return Math.round(value * 10) / 10
}
