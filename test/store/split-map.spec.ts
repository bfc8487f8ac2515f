import { describe, expect, it } from 'vitest'
import { partOf, SplitMap } from '../../src/store/split-map.ts'

describe('SplitMap', () => {
  it('has what was set, and not what was deleted or never set', () => {
    const map = new SplitMap<number>()
    map.set('a', 1)
    map.set('', 0)
    map.set('a', 2)
    map.delete('b')

    expect([map.get('a'), map.get(''), map.get('b'), map.size]).to.deep.equal([2, 0, undefined, 2])

    map.delete('a')
    map.delete('a')
    expect([map.get('a'), map.size]).to.deep.equal([undefined, 1])
  })

  for (const suffix of ['', 'the same end for all']) {
    it(`answers as a map does while it grows large and small again${suffix === '' ? '' : `, with ${suffix}`}`, () => {
      const map = new SplitMap<number>()
      const model = new Map<string, number>()

      for (let i = 0; i < 30_000; i++) {
        const key = `${(i * 7_919) % 10_007}${suffix}`

        if (i % 3 === 2 || i > 20_000) {
          map.delete(key)
          model.delete(key)
        } else {
          map.set(key, i)
          model.set(key, i)
        }

        if (i % 1_000 === 0) {
          expect(map.size).to.equal(model.size)

          const keys = Array.from({ length: 10_007 }, (_, j) => `${j}${suffix}`)
          expect(keys.filter(key => map.get(key) !== model.get(key))).to.deep.equal([])
        }
      }
    })
  }

  it('spreads keys over all parts by their last three characters, and by no others', () => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789']

    for (const keyOf of [(letter: string) => `peer-${letter}xx`, (letter: string) => `peer-x${letter}x`, (letter: string) => `peer-xx${letter}`]) {
      const parts = new Set(letters.map(letter => partOf(keyOf(letter))))
      expect(parts.size).to.be.greaterThan(20)
      expect([...parts].every(part => Number.isInteger(part) && part >= 0 && part < 64)).to.equal(true)
    }

    expect(new Set(letters.map(letter => partOf(`${letter}xyz`))).size).to.equal(1)
    expect(partOf('xyz')).to.equal(partOf('wxyz'))
    expect(new Set(Array.from({ length: 2_000 }, (_, i) => partOf(`peer-${1_000_000 + i * 7_919}`))).size).to.equal(64)
  })
})
