import { beforeEach, describe, expect, it } from 'vitest'
import { Discovered } from '../../src/client/discovered.ts'
import { listedAs, namedPeer } from '../fixtures/listed.ts'
import type { Listed } from '../../src/client/listing.ts'
import type { ListedFields } from '../fixtures/listed.ts'
import type { PeerId } from '@libp2p/interface'

const HOUR = 60 * 60 * 1000
const MIB = 1024 * 1024

/** What a large record counts: itself four times, and a thousand. */
const LARGE = MIB / 4 - 250

describe('Discovered', () => {
  const [peer, other, point, otherPoint] = ['peer', 'other', 'point', 'other point'].map(namedPeer) as [PeerId, PeerId, PeerId, PeerId]
  let news: Listed[]
  let gone: string[]
  let discovered: Discovered

  beforeEach(() => {
    news = []
    gone = []
    discovered = new Discovered({
      onNew: listed => { news.push(listed) },
      onGone: ({ record, namespace }, reason) => { gone.push(`${record.peerId} ${namespace} ${reason}`) }
    })
  })

  function found (fields: Partial<ListedFields> = {}): Listed {
    return listedAs({ id: peer, point, ...fields })
  }

  function add (fields: Partial<ListedFields> = {}): Listed {
    return discovered.add(found(fields), fields.now ?? 0)
  }

  /** Each namespace, peer and sequence that is known. */
  function known (now = 0, namespace?: string): string[] {
    return discovered.peers(now, namespace).map(({ namespace, record }) => `${namespace} ${record.peerId} ${record.sequence}`)
  }

  it('tells of a peer once, however often and wherever it is found', () => {
    add()
    add({ sequence: 2n })
    add({ point: otherPoint })

    expect(news).toEqual([found()])
    expect(known()).toEqual(['ns peer 2'])
    expect(discovered.size).toBe(1)
  })

  it('has one entry for each namespace and peer', () => {
    add()
    add({ namespace: 'second' })
    add({ id: other })

    expect(known()).toEqual(['ns peer 1', 'second peer 1', 'ns other 1'])
    expect(known(0, 'ns')).toEqual(['ns peer 1', 'ns other 1'])
    expect(known(0, 'second')).toEqual(['second peer 1'])
    expect(news).toHaveLength(3)
    expect(discovered.size).toBe(3)
  })

  it('has the newest record of a peer in all namespaces, from whichever and wherever it came', () => {
    add({ sequence: 2n })
    expect(add({ sequence: 1n, namespace: 'second', point: otherPoint }).record.sequence).toBe(2n)
    add({ id: other, sequence: 1n })
    expect(known()).toEqual(['ns peer 2', 'second peer 2', 'ns other 1'])

    add({ sequence: 3n, namespace: 'third' })
    expect(known()).toEqual(['ns peer 3', 'second peer 3', 'third peer 3', 'ns other 1'])
    expect(discovered.recordOf(peer)?.sequence).toBe(3n)
    expect(discovered.recordOf(point)).toBeUndefined()
  })

  it('takes of the same record the one found last', () => {
    add({ addresses: ['/ip4/192.0.2.1/tcp/1'] })

    expect(add({ addresses: ['/ip4/192.0.2.2/tcp/2'] }).record.multiaddrs.map(String)).toEqual(['/ip4/192.0.2.2/tcp/2'])
  })

  it('has the latest end that a point gives, and names that point', () => {
    add({ ttl: HOUR })
    expect(add({ ttl: HOUR - 1, point: otherPoint })).toMatchObject({ ttl: HOUR, point })
    expect(add({ ttl: 2 * HOUR, point: otherPoint })).toMatchObject({ ttl: 2 * HOUR, expires: 2 * HOUR, point: otherPoint })
    expect(add({ ttl: 1 })).toMatchObject({ ttl: 2 * HOUR, point: otherPoint })
    expect(add({ ttl: HOUR, point: otherPoint })).toMatchObject({ ttl: HOUR, point: otherPoint })
  })

  describe('while a listing that was asked for is on its way', () => {
    it('takes nobody for present whom the point has said meanwhile is gone', () => {
      const listing = discovered.begin()
      discovered.withdraw(point, 'ns', 'peer')
      discovered.add(found(), 0, listing)
      discovered.add(found({ id: other }), 0, listing)

      expect(known()).toEqual(['ns other 1'])
    })

    it('takes for present who came back, as the point tells', () => {
      const listing = discovered.begin()
      discovered.withdraw(point, 'ns', 'peer')
      add({ sequence: 2n })
      discovered.add(found(), 0, listing)

      expect(known()).toEqual(['ns peer 2'])
    })

    it('believes of each namespace and point what is said of it', () => {
      const listing = discovered.begin()
      discovered.withdraw(otherPoint, 'ns', 'peer')
      discovered.withdraw(point, 'second', 'peer')
      discovered.add(found(), 0, listing)

      expect(known()).toEqual(['ns peer 1'])
    })

    it('believes the next listing', () => {
      const before = discovered.begin()
      discovered.withdraw(point, 'ns', 'peer')
      discovered.end(before)
      discovered.add(found(), 0, discovered.begin())

      expect(known()).toEqual(['ns peer 1'])
    })

    it('takes nobody for present who was not in one from the beginning that began later', () => {
      const listing = discovered.begin()
      const mark = discovered.mark()
      discovered.add(found(), 0, listing)
      discovered.withdrawUnlisted(point, 'ns', mark)
      expect(known()).toEqual([])

      discovered.add(found(), 0, listing)
      discovered.add(found({ point: otherPoint, id: other }), 0, listing)
      expect(known()).toEqual(['ns other 1'])
    })

    it('remembers ten thousand who are gone, and then takes nobody of the namespace for new', () => {
      const listing = discovered.begin()
      const leave = (from: number, to: number): void => {
        for (let i = from; i < to; i++) {
          discovered.withdraw(point, 'ns', `peer ${i}`)
        }
      }
      leave(0, 10_000)
      discovered.add(found(), 0, listing)
      expect(known()).toEqual(['ns peer 1'])
      leave(10_000, 20_000)
      discovered.add(found({ id: other }), 0, listing)
      discovered.add(found({ id: other, namespace: 'second' }), 0, listing)

      expect(known()).toEqual(['ns peer 1', 'second other 1'])
      expect(listing.outdated.size).toBe(10_001)
    })

    it('keeps who was in one that began later, whatever comes of the one before', () => {
      const listing = discovered.begin()
      const mark = discovered.mark()
      add()
      discovered.add(found(), 0, listing)
      discovered.withdrawUnlisted(point, 'ns', mark)
      discovered.add(found(), 0, listing)

      expect(known()).toEqual(['ns peer 1'])
    })
  })

  describe('when a registration ends', () => {
    it('says when it wants to be woken', () => {
      expect(discovered.wakeAt).toBe(Infinity)
      add({ ttl: 30 * HOUR })
      expect(discovered.wakeAt).toBe(30 * HOUR)
      add({ id: other, ttl: HOUR })
      expect(discovered.wakeAt).toBe(HOUR)
      discovered.sweep(HOUR)
      expect(discovered.wakeAt).toBe(30 * HOUR)
      discovered.clear()
      expect(discovered.wakeAt).toBe(Infinity)
    })

    it('does not look for ends more than once a second', () => {
      add({ ttl: 10 })
      discovered.sweep(10)
      add({ ttl: 10, now: 10 })

      expect(discovered.wakeAt).toBe(1_010)
    })

    it('tells of it, and has the peer no longer', () => {
      add({ ttl: HOUR })
      discovered.sweep(HOUR - 1)
      expect(gone).toEqual([])
      discovered.sweep(HOUR)

      expect(gone).toEqual(['peer ns ended'])
      expect(known()).toEqual([])
      expect(discovered.size).toBe(0)
      expect(discovered.recordOf(peer)).toBeUndefined()
    })

    it('does not show the peer even before it is told', () => {
      add({ ttl: 10 })

      expect(known(9)).toHaveLength(1)
      expect(known(10)).toEqual([])
      expect(discovered.size).toBe(1)
    })

    it('goes by the latest end, and has the peer in its other namespaces', () => {
      add({ ttl: 10 })
      add({ ttl: 20, point: otherPoint })
      add({ ttl: HOUR, namespace: 'second' })
      discovered.sweep(10)
      expect(gone).toEqual([])
      discovered.sweep(20)

      expect(gone).toEqual(['peer ns ended'])
      expect(known()).toEqual(['second peer 1'])
    })

    it('tells of a peer again that comes back, after it has told of the end', () => {
      add({ ttl: 10 })
      add({ sequence: 2n, now: 9, ttl: 1 })
      expect(news).toHaveLength(1)
      add({ sequence: 3n, now: 10 })

      expect(gone).toEqual(['peer ns ended'])
      expect(news).toHaveLength(2)
      expect(known(10)).toEqual(['ns peer 3'])
      expect(discovered.size).toBe(1)
    })
  })

  describe('when a point lists more than is remembered of one', () => {
    function flood (from: PeerId, count: number, name: string): void {
      for (let index = 0; index < count; index++) {
        add({ id: namedPeer(`${name}-${index}`), point: from, size: LARGE })
      }
    }

    it('forgets what that point has listed first, and tells of it', () => {
      flood(point, 64, 'liar')
      expect(gone).toEqual([])
      flood(point, 2, 'more')

      expect(gone).toEqual(['liar-0 ns displaced', 'liar-1 ns displaced'])
      expect(discovered.size).toBe(64)
      expect(discovered.recordOf(namedPeer('liar-0'))).toBeUndefined()
    })

    it('forgets nothing that another point lists', () => {
      add({ point: otherPoint })
      flood(point, 200, 'liar')

      expect(known()).toContain('ns peer 1')
    })

    it('forgets nothing that another point lists as well, whoever listed it first', () => {
      add()
      add({ point: otherPoint, ttl: 2 * HOUR })
      flood(point, 100, 'liar')
      expect(known()).toContain('ns peer 1')

      // and what the liar had said of it counts no longer
      add({ ttl: 9 * HOUR })
      flood(point, 100, 'again')
      expect(discovered.peers(0).find(({ record }) => record.peerId.equals(peer))).toMatchObject({ expires: 2 * HOUR, point: otherPoint })
    })

    it('forgets what was listed last only after what was not listed again', () => {
      flood(point, 64, 'liar')
      add({ id: namedPeer('liar-0'), size: LARGE })
      flood(point, 1, 'more')

      expect(gone).toEqual(['liar-1 ns displaced'])
    })

    it('finds again what it has forgotten', () => {
      flood(point, 65, 'liar')
      news.length = 0
      add({ id: namedPeer('liar-0'), size: LARGE })

      expect(news.map(({ record }) => record.peerId.toString())).toEqual(['liar-0'])
    })

    it('counts a peer in each namespace in which it is listed, and by its newest record', () => {
      add({ size: LARGE })
      add({ size: LARGE, namespace: 'second' })
      flood(point, 62, 'liar')
      expect(gone).toEqual([])
      add({ sequence: 2n, size: 2 * LARGE + 250, namespace: 'second' })

      expect(gone).toEqual(['peer ns displaced'])
      expect(known()).toContain('second peer 2')
      add({ sequence: 3n, namespace: 'second' })
      flood(point, 2, 'more')
      expect(gone).toEqual(['peer ns displaced', 'liar-0 ns displaced'])
    })

    it('counts no longer what has ended', () => {
      flood(point, 64, 'liar')
      discovered.sweep(HOUR)
      gone.length = 0
      flood(point, 64, 'more')

      expect(gone).toEqual([])
    })

    it('counts nothing after it was cleared', () => {
      flood(point, 64, 'liar')
      discovered.sweep(10)
      discovered.clear()
      add({ ttl: 5, size: LARGE })
      expect(discovered.wakeAt).toBe(5)
      discovered.clear()
      flood(point, 64, 'more')

      expect(gone).toEqual([])
      expect(discovered.size).toBe(64)
    })
  })

  it('bounds what many points list together: the one that has most loses, whoever lists', () => {
    const liars = Array.from({ length: 6 }, (_, index) => namedPeer(`point-${index}`))

    for (let index = 0; index < 30; index++) {
      add({ id: namedPeer(`honest-${index}`), size: LARGE })
    }

    for (const liar of liars) {
      for (let index = 0; index < 70; index++) {
        add({ id: namedPeer(`${liar}-${index}`), point: liar, size: LARGE })
      }
    }

    // the last of the points has least, and lists as well
    for (let index = 0; index < 10; index++) {
      add({ id: namedPeer(`honest-last-${index}`), point: otherPoint, size: LARGE })
    }

    add({ id: namedPeer('honest-30'), size: LARGE })

    expect(discovered.size).toBe(256)
    expect(known().filter(name => name.includes('honest'))).toHaveLength(41)
    expect(gone.every(name => !name.includes('honest'))).toBe(true)
  })

  describe('what a point takes back', () => {
    it('is gone when no other lists it', () => {
      add()
      add({ id: other })
      discovered.withdraw(point, 'ns', 'peer')

      expect(gone).toEqual(['peer ns ended'])
      expect(known()).toEqual(['ns other 1'])
    })

    it('stays where another lists it, with the end which that gives it', () => {
      add({ ttl: 2 * HOUR })
      add({ point: otherPoint, ttl: HOUR })
      discovered.withdraw(point, 'ns', 'peer')

      expect(gone).toEqual([])
      expect(discovered.wakeAt).toBe(HOUR)
      expect(discovered.peers(0)).toMatchObject([{ point: otherPoint, expires: HOUR }])
    })

    it('ends when that does which another says, also when it was looked through before', () => {
      add({ ttl: 2 * HOUR })
      add({ point: otherPoint, ttl: HOUR })
      discovered.sweep(0)
      discovered.withdraw(point, 'ns', 'peer')

      expect(discovered.wakeAt).toBe(HOUR)
    })

    it('is nothing that it has not listed', () => {
      add({ point: otherPoint })
      discovered.withdraw(point, 'ns', 'peer')
      discovered.withdraw(otherPoint, 'second', 'peer')
      discovered.withdraw(otherPoint, 'ns', 'other')

      expect(known()).toEqual(['ns peer 1'])
    })

    it('is told to those who want to hear of that point, though others list it', () => {
      const heard: string[] = []
      const hear = (name: string, from?: PeerId): void => {
        discovered.watch({ namespace: 'ns', point: from, onFound: () => {}, onGone: () => { heard.push(name) } }, 0)
      }
      hear('of any')
      hear('of the point', point)
      hear('of the other', otherPoint)
      add()
      add({ point: otherPoint })
      discovered.withdraw(point, 'ns', 'peer')

      expect(heard).toEqual(['of the point'])
      discovered.withdraw(otherPoint, 'ns', 'peer')
      expect(heard).toEqual(['of the point', 'of any', 'of the other'])
    })
  })

  describe('a listing from the beginning', () => {
    it('takes back what it does not have, of this point in this namespace', () => {
      add()
      add({ id: other })
      add({ namespace: 'second' })
      add({ id: namedPeer('third'), point: otherPoint })
      const mark = discovered.mark()
      add({ id: other })
      discovered.withdrawUnlisted(point, 'ns', mark)

      expect(known()).toEqual(['second peer 1', 'ns other 1', 'ns third 1'])
      expect(gone).toEqual(['peer ns ended'])
    })

    it('leaves what it does not have to another point that lists it', () => {
      add()
      add({ point: otherPoint })
      discovered.withdrawUnlisted(point, 'ns', discovered.mark())

      expect(gone).toEqual([])
      expect(discovered.peers(0)).toMatchObject([{ point: otherPoint }])
    })

    it('knows what it has had', () => {
      add()
      const mark = discovered.mark()
      expect(discovered.isListedSince(mark, found())).toBe(false)
      add()

      expect(discovered.isListedSince(mark, found())).toBe(true)
      expect(discovered.isListedSince(mark, found({ point: otherPoint }))).toBe(false)
      expect(discovered.isListedSince(discovered.mark(), found())).toBe(false)
    })

    it('of a point that has listed nothing takes nothing back', () => {
      add()
      discovered.withdrawUnlisted(otherPoint, 'ns', discovered.mark())

      expect(known()).toEqual(['ns peer 1'])
    })
  })

  describe('a watcher', () => {
    function watch (namespace: string, from?: PeerId, now = 0): { seen: string[], end: () => void } {
      const seen: string[] = []
      const end = discovered.watch({
        namespace,
        point: from,
        onFound: ({ record }) => { seen.push(`found ${record.sequence}`) },
        onGone: ({ record }) => { seen.push(`gone ${record.sequence}`) }
      }, now)

      return { seen, end }
    }

    it('hears of what is known and of what comes, in its namespace, until it ends', () => {
      add()
      add({ id: other, namespace: 'second', sequence: 9n })
      const { seen, end } = watch('ns')
      add({ sequence: 2n })
      discovered.sweep(HOUR)
      end()
      add({ sequence: 3n })

      expect(seen).toEqual(['found 1', 'found 2', 'gone 2'])
    })

    it('hears of a newer record that was listed in another namespace, and not of an older one', () => {
      add({ sequence: 2n })
      const { seen } = watch('ns')
      add({ sequence: 3n, namespace: 'second' })
      expect(seen).toEqual(['found 2', 'found 3'])
      add({ sequence: 1n, namespace: 'second' })
      add({ sequence: 3n, namespace: 'second' })

      expect(seen).toEqual(['found 2', 'found 3'])
    })

    it('hears of a peer before everybody does', () => {
      const order: string[] = []
      const ordered = new Discovered({ onNew: () => { order.push('new') }, onGone: () => {} })
      ordered.watch({ namespace: 'ns', onFound: () => { order.push('watcher') }, onGone: () => {} }, 0)
      ordered.add(found(), 0)

      expect(order).toEqual(['watcher', 'new'])
    })

    it('does not hear of what has ended', () => {
      add({ ttl: 10 })

      expect(watch('ns', undefined, 10).seen).toEqual([])
      expect(watch('ns', undefined, 9).seen).toEqual(['found 1'])
    })

    it('of one point hears of what it lists, also when another lists a newer record', () => {
      add({ sequence: 2n, point: otherPoint })
      const { seen } = watch('ns', point)
      expect(seen).toEqual([])
      add({ sequence: 1n, point })
      discovered.sweep(HOUR)

      expect(seen).toEqual(['found 2', 'gone 2'])
    })

    it('of one point hears what was known of that point', () => {
      add({ point: otherPoint })

      expect(watch('ns', point).seen).toEqual([])
      expect(watch('ns', namedPeer('other point')).seen).toEqual(['found 1'])
    })
  })
})
