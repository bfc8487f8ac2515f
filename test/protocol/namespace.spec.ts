import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkNamespace, namespaceLength, namespaceProblem } from '../../src/protocol/namespace.ts'

describe('a namespace', () => {
  it.each([
    ['a', 1],
    ['my-app', 6],
    ['x'.repeat(255), 255],
    ['é'.repeat(127), 254],
    ['漢'.repeat(85), 255],
    ['😀'.repeat(63), 252],
    ['\u0000', 1],
    [' ', 1],
    ['\ufeffmy-app', 9],
    ['\u{10ffff}', 4]
  ])('may be %j', (namespace, length) => {
    expect(namespaceLength(namespace)).toBe(length)
    expect(namespaceProblem(namespace)).toBeUndefined()
    expect(() => { checkNamespace(namespace) }).not.toThrow()
  })

  it.each([
    [undefined, /required/],
    ['', /required/],
    ['x'.repeat(256), /256 bytes, the most allowed is 255/],
    ['é'.repeat(128), /256 bytes/],
    ['漢'.repeat(85) + 'x', /256 bytes/],
    ['😀'.repeat(64), /256 bytes/],
    ['x'.repeat(1_000_000), /1000000 bytes/],
    ['\ud800', /well-formed/],
    ['a\udc00b', /well-formed/]
  ])('may not be %j', (namespace, problem) => {
    expect(namespaceProblem(namespace)).toMatch(problem)
    expect(() => { checkNamespace(namespace as string) }).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })

  it.each([null, 7, {}, new Uint8Array(3)])('is a string, not %j', value => {
    expect(() => { checkNamespace(value as any) }).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })

  it('may be kept shorter', () => {
    expect(namespaceProblem('four', 4)).toBeUndefined()
    expect(namespaceProblem('five!', 4)).toMatch(/5 bytes, the most allowed is 4/)
    expect(namespaceProblem('éé', 4)).toBeUndefined()
    expect(namespaceProblem('ééé', 4)).toMatch(/6 bytes/)
  })

  it('is measured as it is written', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', '\u0000', 'é', '漢', '😀'), minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 255 }), (namespace, limit) => {
      const length = new TextEncoder().encode(namespace).byteLength

      expect(namespaceLength(namespace)).toBe(length)
      expect(namespaceProblem(namespace, limit) == null).toBe(length <= limit)
    }))
  })
})
