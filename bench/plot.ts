import { SIZES } from './population.ts'
import type { Row } from './row.ts'

/** One line for each of these in each shape, and the name of its class. */
const OPERATIONS = [
  { title: 'register', style: 'a' },
  { title: 'refresh', style: 'b' },
  { title: 'unregister', style: 'c' },
  { title: 'page of 100, middle', style: 'd' },
  { title: 'page of 100, anywhere', style: 'e' }
]

/** How rows name the shapes; the pages of many namespaces are pages of all of them. */
const SHAPES = [
  { title: 'one namespace', endings: ['one namespace'], style: 'solid' },
  { title: '10,000 namespaces', endings: ['10,000 namespaces', 'all of 10,000 namespaces'], style: 'dashed' }
]

const STORES = ['memory store', 'persistent store']

const PANEL = { width: 380, height: 300, gap: 70 }
const MARGIN = { left: 64, top: 48, bottom: 52, right: 40 }
const LEGEND_LINE = 22
const WIDTH = MARGIN.left + STORES.length * PANEL.width + (STORES.length - 1) * PANEL.gap + MARGIN.right
const HEIGHT = MARGIN.top + PANEL.height + MARGIN.bottom + 3 * LEGEND_LINE

/** Readable on white and on black: a viewer's setting chooses. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .dashed { stroke-dasharray: 6 4 }
  .plain { stroke: #57606a }
  .a { stroke: #0969da } .b { stroke: #bc4c00 } .c { stroke: #1a7f37 } .d { stroke: #8250df } .e { stroke: #bf3989 }
  circle { stroke: none }
  circle.a { fill: #0969da } circle.b { fill: #bc4c00 } circle.c { fill: #1a7f37 } circle.d { fill: #8250df } circle.e { fill: #bf3989 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .grid { stroke: #3d444d }
    .plain { stroke: #9198a1 }
    .a { stroke: #58a6ff } .b { stroke: #f0883e } .c { stroke: #56d364 } .d { stroke: #bc8cff } .e { stroke: #f778ba }
    circle.a { fill: #58a6ff } circle.b { fill: #f0883e } circle.c { fill: #56d364 } circle.d { fill: #bc8cff } circle.e { fill: #f778ba }
  }`

/** From one end of an axis to the other, by the logarithm. */
type Scale = (value: number) => number

interface Point {
  size: number
  cost: number
}

interface Line {
  points: Point[]
  operation: string
  shape: string
}

/**
 * Cost against size, both as logarithms, in a panel for each store: a line that is level costs the
 * same whatever the size.
 */
export function plot (rows: Row[]): string {
  const panels = STORES.map(store => linesOf(store, rows))
  const costs = panels.flat().flatMap(({ points }) => points.map(({ cost }) => cost))

  if (costs.length === 0) {
    throw new Error('There is nothing to draw: the parts "store" and "persistent" were not run')
  }

  const decades = between(Math.min(...costs), Math.max(...costs))
  const x = scaleOf(SIZES, 0, PANEL.width)
  const y = scaleOf(decades, PANEL.height, 0)

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Cost of an operation against the number of registrations held, for both stores">
<style>${STYLE}
</style>
${panels.map((lines, index) => panel(STORES[index] as string, lines, MARGIN.left + index * (PANEL.width + PANEL.gap), x, y, decades)).join('\n')}
<text transform="translate(16 ${MARGIN.top + PANEL.height / 2}) rotate(-90)" text-anchor="middle">one operation, µs (median)</text>
${legend(MARGIN.left, MARGIN.top + PANEL.height + MARGIN.bottom + 10)}
</svg>
`
}

function panel (title: string, lines: Line[], left: number, x: Scale, y: Scale, decades: number[]): string {
  return `<g transform="translate(${left} ${MARGIN.top})">
<text class="title" x="0" y="-18">${title}</text>
${decades.map(cost => `<line class="grid" x1="0" x2="${PANEL.width}" y1="${at(y(cost))}" y2="${at(y(cost))}"/><text x="-8" y="${at(y(cost) + 4)}" text-anchor="end">${cost.toLocaleString('en')}</text>`).join('\n')}
${SIZES.map(size => `<line class="grid" x1="${at(x(size))}" x2="${at(x(size))}" y1="0" y2="${PANEL.height}"/><text x="${at(x(size))}" y="${PANEL.height + 18}" text-anchor="middle">${size.toLocaleString('en')}</text>`).join('\n')}
<text x="${PANEL.width / 2}" y="${PANEL.height + 40}" text-anchor="middle">registrations held</text>
${lines.map(({ points, operation, shape }) => `<polyline class="line ${operation} ${shape}" points="${points.map(({ size, cost }) => `${at(x(size))},${at(y(cost))}`).join(' ')}"/>
${points.map(({ size, cost }) => `<circle class="${operation}" cx="${at(x(size))}" cy="${at(y(cost))}" r="3"/>`).join('')}`).join('\n')}
</g>`
}

function legend (left: number, top: number): string {
  const operations = OPERATIONS.map(({ title, style }, index) => sample(left + (index % 3) * 260, top + Math.floor(index / 3) * LEGEND_LINE, style, title))
  const shapes = SHAPES.map(({ title, style }, index) => sample(left + index * 260, top + 2 * LEGEND_LINE, `plain ${style}`, title))

  return [...operations, ...shapes].join('\n')
}

function sample (x: number, y: number, style: string, title: string): string {
  return `<line class="line ${style}" x1="${x}" x2="${x + 32}" y1="${y}" y2="${y}"/><text x="${x + 40}" y="${y + 4}">${title}</text>`
}

function linesOf (store: string, rows: Row[]): Line[] {
  return OPERATIONS.flatMap(({ title, style: operation }) => SHAPES.map(({ endings, style: shape }) => ({
    operation,
    shape,
    points: rows
      .filter(({ name }) => endings.some(ending => name === `${store}: ${title}, ${ending}`))
      .map(({ size, median }) => ({ size, cost: median }))
  }))).filter(({ points }) => points.length > 0)
}

/** The powers of ten that enclose two values. */
function between (least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least))
  const last = Math.max(first + 1, Math.ceil(Math.log10(most)))

  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
}

function scaleOf (values: number[], start: number, end: number): Scale {
  const [least, most] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))]

  return value => start + (Math.log10(value) - least) / (most - least) * (end - start)
}

function at (coordinate: number): string {
  return coordinate.toFixed(1)
}
