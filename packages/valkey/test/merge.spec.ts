import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { interleave, merge } from '../src/merge.ts'
import type { PartitionPage } from '../src/partition.ts'
import type { StoredRegistration } from 'libp2p-rendezvous'

const registration = (sequence: number, network = '192.0/2/1'): StoredRegistration =>
  ({ namespace: 'space', peer: `${sequence}`, signedPeerRecord: new Uint8Array(), domain: 'libp2p-peer-record', network, expires: 0, sequence })

/** One of many, whose life began at a number, and whose next registration will have another. */
function listing (sequences: number[], next: number, origin = 0) {
  let asked = 0

  return {
    get asked () {
      return asked
    },

    async ask (after: number | undefined, limit: number): Promise<PartitionPage | undefined> {
      asked += limit

      if (after != null && (after < origin || after >= next)) {
        return
      }

      const behind = sequences.filter(sequence => sequence > (after ?? -Infinity))
      const registrations = behind.slice(0, limit).map(sequence => registration(sequence))
      const cursor = registrations.at(-1)?.sequence ?? after ?? origin
      const isComplete = behind.length < limit

      return { registrations, cursor, upTo: isComplete ? next - 1 : cursor, isComplete }
    }
  }
}

const merged = async (listings: Array<ReturnType<typeof listing>>, limit: number, after?: number): Promise<{ sequences: number[], cursor: number } | undefined> => {
  const page = await merge(listings.map(({ ask }) => ask), limit, after)

  return page && { sequences: page.registrations.map(({ sequence }) => sequence), cursor: page.cursor }
}

describe('what several list, as one', () => {
  it('ends where one of them may list something later', async () => {
    expect(await merged([listing([1, 4, 9], 12), listing([2, 6], 8)], 10)).toEqual({ sequences: [1, 2, 4, 6], cursor: 7 })
    expect(await merged([listing([], 12), listing([], 8)], 10)).toEqual({ sequences: [], cursor: 7 })
  })

  it('is full where there is enough, however it is divided', async () => {
    const many = listing(Array.from({ length: 100 }, (_, i) => i), 200)
    expect((await merged([many, listing([], 200), listing([3.5], 200), listing([], 200)], 50))?.sequences).toHaveLength(50)
    expect(many.asked).toBeLessThanOrEqual(100)
  })

  it('is of no use where a cursor is of another store, and goes on where one of them has begun anew', async () => {
    expect(await merged([listing([11], 12, 10), listing([15], 17, 14)], 10, 5)).toBe(undefined)
    expect(await merged([listing([11], 12, 10), listing([15], 17, 14)], 10, 18)).toBe(undefined)
    expect(await merged([listing([11, 13], 20, 10), listing([15], 20, 14)], 10, 12)).toEqual({ sequences: [13, 15], cursor: 19 })
    // what it has, it lists in another order than the cursor's
    expect(await merged([listing([11, 13], 14, 10), listing([], 12, 10)], 10, 13)).toBe(undefined)
  })

  it('is in pages what it is at once', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), async (owners, limit) => {
      const listings = [0, 1, 2, 3].map(owner => listing(owners.flatMap((other, i) => other === owner ? [i] : []), 100 + owner))
      const all: number[] = []
      let after: number | undefined

      for (;;) {
        const page = await merged(listings, limit, after)
        expect(page?.sequences.length).toBe(Math.min(limit, owners.length - all.length))
        all.push(...page?.sequences ?? [])
        after = page?.cursor

        if (page?.sequences.length === 0) {
          break
        }
      }

      expect(all).toEqual(owners.map((_, i) => i))
    }))
  })
})

describe('an order that takes networks in turn', () => {
  it('has as many of each at its beginning, at each width', () => {
    const networks = ['1/1/1', '1/1/1', '1/1/2', '1/2/1', '1/2/2', '1/2/3', '2/1/1', '3', '3']
    const drawn = interleave(networks.map((network, i) => registration(i, network)), Math.random).map(({ network }) => network)
    expect(drawn.slice(0, 3).map(network => network[0]).sort()).toEqual(['1', '2', '3'])
    expect(drawn.slice(3, 5).map(network => network[0]).sort()).toEqual(['1', '3'])
    expect(drawn.filter(network => network.startsWith('1')).slice(0, 2).map(network => network.slice(0, 3)).sort()).toEqual(['1/1', '1/2'])
    expect(new Set(drawn.filter(network => network.startsWith('1/2')))).toEqual(new Set(['1/2/1', '1/2/2', '1/2/3']))
    expect(drawn).toHaveLength(networks.length)
  })

  it('is another each time', () => {
    const all = Array.from({ length: 20 }, (_, i) => registration(i, `${i}/0/1`))
    expect(interleave(all, Math.random)).not.toEqual(interleave(all, Math.random))
    expect(interleave([], Math.random)).toEqual([])
  })
})
