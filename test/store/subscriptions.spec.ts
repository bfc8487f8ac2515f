import { describe, expect, it } from 'vitest'
import { Subscriptions } from '../../src/store/subscriptions.ts'

describe('Subscriptions', () => {
  it('tells together what has changed since it last told, and nothing twice', () => {
    const subscriptions = new Subscriptions()
    const told: unknown[] = []
    subscriptions.add('a', gone => { told.push(['a', gone]) })
    subscriptions.add('b', gone => { told.push(['b', gone]) })
    subscriptions.came('a', '1')
    subscriptions.left('b', '1')
    subscriptions.left('b', '2')
    subscriptions.left('elsewhere', '3')
    expect(told).to.deep.equal([])

    subscriptions.tell()
    subscriptions.tell()
    expect(told).to.deep.equal([['a', undefined], ['b', ['1', '2']]])
  })

  it('does not name who left and came back', () => {
    const subscriptions = new Subscriptions()
    const told: unknown[] = []
    subscriptions.add('a', gone => { told.push(gone) })
    subscriptions.left('a', '1')
    subscriptions.came('a', '1')
    subscriptions.tell()

    expect(told).to.deep.equal([undefined])
  })

  it('tells everybody who is there, until each has ended it', () => {
    const subscriptions = new Subscriptions()
    const told: string[] = []
    const same = (): void => { told.push('same') }
    const ends = [subscriptions.add('a', same), subscriptions.add('a', same), subscriptions.add('a', () => { told.push('other') })]
    const change = (): string[] => {
      subscriptions.came('a', '1')
      subscriptions.tell()

      return told.splice(0)
    }

    expect(change()).to.deep.equal(['same', 'same', 'other'])
    ends[0]?.()
    ends[0]?.()
    expect(change()).to.deep.equal(['same', 'other'])
    ends[1]?.()
    ends[2]?.()
    expect(change()).to.deep.equal([])

    subscriptions.add('a', same)
    ends[1]?.()
    expect(change()).to.deep.equal(['same'])
  })

  it('may be changed by who is told', () => {
    const subscriptions = new Subscriptions()
    let calls = 0
    const end = subscriptions.add('a', () => {
      calls++
      end()
      subscriptions.add('a', () => { calls++ })
    })
    subscriptions.came('a', '1')
    subscriptions.tell()
    expect(calls).to.equal(1)

    subscriptions.came('a', '1')
    subscriptions.tell()
    expect(calls).to.equal(2)
  })
})
