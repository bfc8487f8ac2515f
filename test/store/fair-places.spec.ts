import { describe, expect, it } from 'vitest'
import { FairPlaces } from '../../src/store/fair-places.ts'

function places (): { places: FairPlaces<string>, displaced: string[] } {
  const displaced: string[] = []

  return { places: new FairPlaces(holder => { displaced.push(holder) }), displaced }
}

describe('places', () => {
  it('are given to whoever comes while there are any', () => {
    const { places: few, displaced } = places()

    expect(few.take('a', '10.0/0/1', 2)).to.equal(true)
    expect(few.take('b', '10.0/0/1', 2)).to.equal(true)
    expect(few.take('c', '10.0/0/1', 2)).to.equal(false)
    expect(few.holders).to.deep.equal(['a', 'b'])
    expect(displaced).to.deep.equal([])
  })

  it('are taken from the youngest of the network that has most', () => {
    const { places: few, displaced } = places()
    few.take('a', '10.0/0/1', 3)
    few.take('b', '10.0/0/1', 3)
    few.take('c', '10.1/0/1', 3)

    expect(few.isFull('10.2/0/1', 3)).to.equal(false)
    expect(few.take('d', '10.2/0/1', 3)).to.equal(true)
    expect(displaced).to.deep.equal(['b'])
    expect(few.holders).to.deep.equal(['a', 'c', 'd'])
  })

  it('are refused where all have as little', () => {
    const { places: few, displaced } = places()
    few.take('a', '10.0/0/1', 2)
    few.take('b', '10.1/0/1', 2)

    expect(few.isFull('10.2/0/1', 2)).to.equal(true)
    expect(few.take('c', '10.2/0/1', 2)).to.equal(false)
    expect(few.has('c')).to.equal(false)
    expect(displaced).to.deep.equal([])
  })

  it('are kept by who takes one again, whatever is full', () => {
    const { places: few } = places()
    few.take('a', '10.0/0/1', 1)

    expect(few.take('a', '10.0/0/1', 1)).to.equal(true)
    expect(few.taken).to.equal(1)
  })

  it('are free again when they are released, also twice', () => {
    const { places: few } = places()
    few.take('a', '10.0/0/1', 1)
    few.release('a')
    few.release('a')

    expect(few.taken).to.equal(0)
    expect(few.take('b', '10.0/0/1', 1)).to.equal(true)
  })

  it('are gone for who lost one when that is told', () => {
    const seen: boolean[] = []
    const few = new FairPlaces<string>(holder => { seen.push(few.has(holder)) })
    few.take('a', '10.0/0/1', 2)
    few.take('b', '10.0/0/1', 2)
    few.take('c', '10.1/0/1', 2)

    expect(seen).to.deep.equal([false])
  })

  it('may become fewer, and then several make room', () => {
    const { places: few, displaced } = places()
    ;['a', 'b', 'c', 'd'].forEach(holder => few.take(holder, '10.0/0/1', 4))

    expect(few.take('e', '10.1/0/1', 3)).to.equal(true)
    expect(displaced).to.deep.equal(['d', 'c'])
  })

  it('can be given beyond all that there are', () => {
    const { places: few } = places()
    few.take('a', '10.0/0/1', 1)
    few.add('b', '10.0/0/1')
    few.add('b', '10.0/0/1')

    expect(few.holders).to.deep.equal(['a', 'b'])
  })
})
