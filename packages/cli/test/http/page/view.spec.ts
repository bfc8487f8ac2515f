import { describe, expect, it } from 'vitest'
import { chart, linesOf, topOf } from '../../../src/http/page/browser/chart.ts'
import { bytes, clock, count, duration, milliseconds, percent, rate } from '../../../src/http/page/browser/format.ts'
import { html } from '../../../src/http/page/browser/html.ts'
import { fragments } from '../../../src/http/page/browser/view.ts'
import { status, columns } from './fixtures.ts'

describe('HTML', () => {
  it('takes values for text, unless they are HTML', () => {
    expect(html`<b>${'<i>"&\''}</b>${html`<i>${1}</i>`}${['<', html`<br>`]}`.text).toBe('<b>&lt;i&gt;&quot;&amp;&#39;</b><i>1</i>&lt;<br>')
  })
})

describe('numbers', () => {
  it.each([
    [count(1_234_567), '1,234,567'],
    [rate(0), '0/s'],
    [rate(0.034), '0.03/s'],
    [rate(1.25), '1.3/s'],
    [rate(1_234.5), '1,235/s'],
    [bytes(0), '0 kB'],
    [bytes(12_345), '12.3 kB'],
    [bytes(123_456_789), '123 MB'],
    [bytes(1_500_000_000), '1.5 GB'],
    [milliseconds(3.4), '3 ms'],
    [milliseconds(1_250), '1.3 s'],
    [percent(0, 10), '0 %'],
    [percent(1, 100_000), '<1 %'],
    [percent(5, 10), '50 %'],
    [duration(0), '0 s'],
    [duration(59_999), '59 s'],
    [duration(3_600_000), '1 h'],
    [duration(2 * 86_400_000 + 3 * 3_600_000 + 5 * 60_000), '2 d 3 h'],
    [clock(0, 'UTC'), '00:00:00 UTC']
  ])('are written as %s', (written, expected) => {
    expect(written).toBe(expected)
  })
})

describe('a chart', () => {
  it.each([[0, 1], [0.3, 0.5], [1, 1], [1.1, 2], [7, 10], [42, 50], [100, 100], [101, 200]])('for %d goes up to %d', (highest, top) => {
    expect(topOf(highest)).toBe(top)
  })

  it('ends with now on the right, and is as high as its values', () => {
    expect(linesOf({ width: 10, capacity: 11, at: [950, 1_000] }, [5, 10], 10)).toEqual([[{ x: 150, y: 32 }], [{ x: 300, y: 0 }]])
  })

  it('is in pieces where nothing is known in between, but not where one reading was late', () => {
    const lines = linesOf({ width: 10, capacity: 11, at: [900, 910, 930, 970, 980, 990] }, [1, 1, 1, 1, null, 1], 10)

    expect(lines.map(line => line.length)).toEqual([3, 2])
  })

  it('has no style of its own, which no content security policy would let it have', () => {
    expect(chart(columns(), columns().values.connections, 10, 1).text).not.toContain('style')
  })
})

describe('what the page shows', () => {
  const shown = (view: Partial<Parameters<typeof fragments>[0]> = {}): Record<string, string> =>
    Object.fromEntries(Object.entries(fragments({ status: status(), columns: columns(), range: '15m', timeZone: 'UTC', ...view })).map(([id, { text }]) => [id, text]))

  it('is how it goes now, and how high it was', () => {
    expect(shown()).toMatchObject({
      state: 'Serving for 1 h',
      time: 'now',
      'value-connections': '3',
      'highest-connections': 'highest 7',
      'value-requests': '2/s'
    })
  })

  it('is how it was at a time that was chosen', () => {
    expect(shown({ chosen: 0 })).toMatchObject({ time: '00:00:00 UTC', 'value-connections': '7', 'value-requests': '–' })
    expect(shown({ chosen: 0 })['chart-connections']).toContain('class="mark"')
    expect(shown()['chart-connections']).not.toContain('class="mark"')
  })

  it('has a row for each of some times, the newest first', () => {
    const rows = shown()['numbers']!.split('<tr>').slice(1)

    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatch(/^<th scope="row">00:00:05 UTC<\/th>/)
  })

  it('says that a limit is near in words, too', () => {
    const limits = [{ flag: '--max-connections', what: 'Connections', used: 95, max: 100, unit: 'count' as const }]

    expect(shown({ status: status({ limits }) })['limits']).toMatch(/Connections <strong>near<\/strong>/)
    expect(shown()['limits']).not.toContain('near')
  })

  it('is text, whatever peers have written', () => {
    const script = '<script>alert(1)</script>'
    const all = shown({
      status: status({
        fullest: [{ namespace: script, registrations: 1 }],
        closed: [script],
        reading: { ...status().reading, refused: [{ at: 0, action: 'register', namespace: script, status: 'E_INVALID_TTL', text: script, peer: script }] }
      })
    })

    expect(Object.values(all).join('')).not.toContain('<script')
    expect(all['fullest']).toContain('&lt;script&gt;')
  })

  it('says so where there is nothing', () => {
    const all = shown({ status: status({ fullest: [], reading: { ...status().reading, refusals: {}, refused: [] } }) })

    expect(all['fullest']).toContain('Nobody is registered.')
    expect(all['refusals']).toContain('Nobody was refused anything.')
    expect(all['refused']).toBe('None since the start.')
    expect(shown({ status: status({ fullest: undefined }) })['fullest']).toContain('They are being counted.')
    expect(shown({ status: status({ isServing: false }) })['state']).toContain('Not serving')
  })
})
