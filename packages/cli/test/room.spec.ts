import { describe, expect, it } from 'vitest'
import { roomFor, roomOn, thisMachine } from '../src/room.ts'

const GB = 2 ** 30

describe('the room that a point has where it is not told', () => {
  it('is a quarter of the memory, at 80 kB a connection', () => {
    expect(roomOn({ memory: GB, heap: 2 * GB, cores: 2 }).maxConnections).to.equal(3_355)
  })

  it('is no more than half of the heap has', () => {
    expect(roomOn({ memory: 64 * GB, heap: GB, cores: 2 }).maxConnections).to.equal(6_710)
  })

  it('is between 100 and 15,000, whatever there is', () => {
    expect(roomOn({ memory: 1, heap: 1, cores: 1 }).maxConnections).to.equal(100)
    expect(roomOn({ memory: 64 * GB, heap: 16 * GB, cores: 64 }).maxConnections).to.equal(15_000)
  })

  it('is for 25 newcomers a second from one address on one core, and for 50 on any number of others', () => {
    const rates = [1, 2, 64].map(cores => roomOn({ memory: GB, heap: GB, cores }).maxConnectionRate)

    expect(rates).to.deep.equal([25, 50, 50])
  })

  it('grows with the processes that share the work, as far as memory and cores go', () => {
    expect(roomOn({ memory: 64 * GB, heap: GB, cores: 64 }, 4)).to.deep.equal({ maxConnections: 26_843, maxConnectionRate: 125 })
    expect(roomOn({ memory: GB, heap: GB, cores: 2 }, 4)).to.deep.equal({ maxConnections: 3_355, maxConnectionRate: 50 })
    expect(roomOn({ memory: 640 * GB, heap: 16 * GB, cores: 2 }, 4).maxConnections).to.equal(60_000)
  })

  it('is what whoever starts it says, where that is said', () => {
    const usual = roomFor({})

    expect(roomFor({ maxConnections: 7 })).to.deep.equal({ ...usual, maxConnections: 7 })
    expect(roomFor({ maxConnectionRate: 3 })).to.deep.equal({ ...usual, maxConnectionRate: 3 })
  })

  it('follows from what this process may use', () => {
    const { memory, heap, cores } = thisMachine()

    expect(memory).to.be.within(1, 2 ** 50)
    expect(heap).to.be.above(0)
    expect(cores).to.be.at.least(1)
  })
})
