import { describe, expect, it } from 'vitest'
import { printable } from '../../src/protocol/printable.ts'

describe('what others wrote', () => {
  it('is printed as it is, when it is text', () => {
    expect(printable('Grüße, 漢字 🙂')).toBe('Grüße, 漢字 🙂')
  })

  it('is printed without what would move a cursor or hide a word', () => {
    expect(printable('a\nb\u001b[31mc\u009bd\u202ee\u200bf\u2028g\u2029h')).toBe('a b [31mc d e f g h')
  })

  it('is cut where it is too long, and no character in half', () => {
    expect(printable('x'.repeat(1_000))).toHaveLength(256)
    expect(printable(`${'x'.repeat(255)}🙂`)).toBe(`${'x'.repeat(255)} `)
  })
})
