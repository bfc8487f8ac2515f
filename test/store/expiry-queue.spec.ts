import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ExpiryQueue } from '../../src/store/expiry-queue.ts'
import type { Expiring } from '../../src/store/expiry-queue.ts'

interface Entry extends Expiring {
  name: string
}

function entry (name: string, expires: number): Entry {
  return { name, expires }
}

/** Takes out all that is due. */
function drain (queue: ExpiryQueue<Entry>, now: number): string[] {
  const names: string[] = []

  for (let due = queue.peek(now); due != null; due = queue.peek(now)) {
    names.push(due.name)
    queue.remove(due)
  }

  return names
}

describe('ExpiryQueue', () => {
  it('has nothing due at first', () => {
    const queue = new ExpiryQueue<Entry>()

    expect(queue.nextExpiry()).to.equal(undefined)
    expect(queue.peek(Infinity)).to.equal(undefined)
  })

  it('has an entry due at the end of the second in which it expires, never before it has expired', () => {
    const queue = new ExpiryQueue<Entry>()
    queue.add(entry('a', 1_001))
    queue.add(entry('b', 2_000))

    expect(queue.nextExpiry()).to.equal(2_000)
    expect(drain(queue, 1_999)).to.deep.equal([])
    expect(drain(queue, 2_000).sort()).to.deep.equal(['a', 'b'])
  })

  it('has the earliest second due first, in whatever order entries were added', () => {
    const queue = new ExpiryQueue<Entry>()

    for (const second of [5, 2, 9, 1, 7]) {
      queue.add(entry(`${second}`, second * 1_000))
    }

    expect(queue.nextExpiry()).to.equal(1_000)
    expect(drain(queue, 6_000)).to.deep.equal(['1', '2', '5'])
    expect(queue.nextExpiry()).to.equal(7_000)
  })

  it('forgets an entry removed from the beginning, the middle or the end of its second', () => {
    for (const removed of [0, 1, 2]) {
      const queue = new ExpiryQueue<Entry>()
      const entries = ['a', 'b', 'c'].map(name => entry(name, 1_000))
      entries.forEach(entry => { queue.add(entry) })
      queue.remove(entries[removed] as Entry)

      expect(drain(queue, 1_000).sort()).to.deep.equal(['a', 'b', 'c'].filter((_, i) => i !== removed))
    }
  })

  it('lets go of the neighbours of a removed entry, and them of it', () => {
    const queue = new ExpiryQueue<Entry>()
    const [a, b, c] = ['a', 'b', 'c'].map(name => entry(name, 1_000)) as [Entry, Entry, Entry]
    queue.add(a)
    queue.add(b)
    queue.add(c)
    queue.remove(b)

    expect([b.earlier, b.later]).to.deep.equal([undefined, undefined])
    expect(a.later).to.equal(c)
    expect(c.earlier).to.equal(a)
  })

  it('takes entries again for a second that was emptied', () => {
    const queue = new ExpiryQueue<Entry>()
    const first = entry('first', 1_000)
    queue.add(first)
    queue.remove(first)
    queue.add(entry('second', 1_000))
    expect(queue.nextExpiry()).to.equal(1_000)
    expect(drain(queue, 1_000)).to.deep.equal(['second'])

    expect(queue.nextExpiry()).to.equal(undefined)
    queue.add(entry('third', 1_000))
    expect(drain(queue, 1_000)).to.deep.equal(['third'])
  })

  it('answers as an array does', () => {
    const operation = fc.oneof(
      fc.record({ add: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({ remove: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) }),
      fc.record({ pass: fc.integer({ min: 0, max: 3_000 }) })
    )

    fc.assert(fc.property(fc.array(operation, { maxLength: 100 }), operations => {
      const queue = new ExpiryQueue<Entry>()
      const model: Entry[] = []
      const dueAt = ({ expires }: Entry): number => Math.ceil(expires / 1_000) * 1_000
      let now = 0

      for (const [i, operation] of operations.entries()) {
        if ('add' in operation) {
          const added = entry(`${i}`, now + operation.add)
          model.push(added)
          queue.add(added)
        } else if ('remove' in operation) {
          for (const removed of model.splice(Math.floor(operation.remove * model.length), 1)) {
            queue.remove(removed)
          }
        } else {
          now += operation.pass
          const due = model.filter(entry => dueAt(entry) <= now)
          model.splice(0, model.length, ...model.filter(entry => dueAt(entry) > now))
          expect(drain(queue, now).sort()).to.deep.equal(due.map(({ name }) => name).sort())
        }

        expect(queue.nextExpiry()).to.equal(model.length === 0 ? undefined : Math.min(...model.map(dueAt)))
      }
    }), { seed: 1, numRuns: 500 })
  })
})
