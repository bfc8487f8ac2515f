import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairShares, UNSHARED } from '../../src/store/fair-shares.ts'
import type { Share } from '../../src/store/fair-shares.ts'

interface Named extends Share { name: string }

let names = 0

function share (network: string, weight = 1, name = `${names++}`): Named {
  return { name, network, weight, ...UNSHARED }
}

function sharesOf (...networks: string[]): FairShares<Named> {
  const shares = new FairShares<Named>()
  networks.forEach(network => { shares.add(share(network, 1, network)) })

  return shares
}

/** The networks of those who make room, one after the other, for newcomers of a network. */
function admitAll (shares: FairShares<Named>, newcomers: string[]): Array<string | undefined> {
  return newcomers.map(network => {
    const victim = shares.victim(network, 1)

    if (victim != null) {
      shares.remove(victim)
      shares.add(share(network))
    }

    return victim?.name
  })
}

/** By arrays, and from scratch each time. */
class Model {
  shares: Named[] = []
  /** When the latest share of a network came, by its path. */
  readonly arrivals = new Map<string, number>()

  add (added: Named, born: number): void {
    this.shares.push(added)

    for (const path of pathsOf(added.network)) {
      this.arrivals.set(path, born)
    }
  }

  remove (removed: Named): void {
    this.shares = this.shares.filter(other => other !== removed)
  }

  /** The networks of a width, or the single shares where there is nothing narrower: the one that gives first is first. */
  parts (path: string): Array<{ path: string, weight: number, born: number, only: Named | undefined }> {
    const inside = this.shares.filter(({ network }) => isWithin(network, path))
    const below = new Set(inside.map(({ network }) => pathsOf(network).find(longer => longer.length > path.length)))

    return [...below].filter(path => path != null).map(path => {
      const members = this.shares.filter(({ network }) => isWithin(network, path))

      return {
        path,
        weight: members.reduce((sum, { weight }) => sum + weight, 0),
        // a network that went down to one share is still the network it was
        born: this.arrivals.get(path) as number,
        only: members.length === 1 ? members[0] : undefined
      }
    }).sort((a, b) => b.weight - a.weight || b.born - a.born)
  }

  youngest (path: string): Named | undefined {
    const [first] = this.parts(path)

    return first == null
      ? this.shares.filter(({ network }) => isWithin(network, path)).sort((a, b) => (b.born as number) - (a.born as number))[0]
      : this.youngest(first.path)
  }

  /** Those who may make room: of the widest networks that hold the same, any may. */
  victims (network: string, weight: number): Named[] {
    for (const path of pathsOf(network)) {
      const around = path.slice(0, path.lastIndexOf('/', path.length - 2) + 1)
      const parts = this.parts(around)
      const own = parts.find(part => part.path === path)
      const heaviest = parts.filter(part => part.weight === parts[0]?.weight).slice(0, around === '' ? Infinity : 1)

      if ((heaviest[0]?.weight ?? 0) > (own?.weight ?? 0) + weight) {
        return heaviest.map(({ path }) => this.youngest(path) as Named)
      }
    }

    return []
  }
}

function pathsOf (network: string): string[] {
  return [...network.matchAll(/[^/]+\/?/g)].map(match => network.slice(0, match.index + match[0].length))
}

function isWithin (network: string, path: string): boolean {
  return network === path || (network.startsWith(path) && (path === '' || path.endsWith('/')))
}

describe('FairShares', () => {
  it('has nobody make room when there is nobody', () => {
    const shares = new FairShares<Named>()

    expect(shares.victim('1/1/1', 1)).to.equal(undefined)
    expect(shares.heaviest).to.equal(undefined)
    expect([shares.count, shares.weight]).to.deep.equal([0, 0])
  })

  it('takes the youngest share of the network that holds most, for one that holds less', () => {
    const shares = sharesOf('1/1/1', '2/1/1', '2/1/1', '3/1/1')
    const youngest = share('2/1/1')
    shares.add(youngest)

    expect(shares.victim('4/1/1', 1)).to.equal(youngest)
    expect(shares.victim('1/9/9', 1)).to.equal(youngest)
  })

  it('refuses a newcomer whose network would hold as much as any', () => {
    expect(sharesOf('1/1/1', '2/1/1').victim('3/1/1', 1)).to.equal(undefined)
    expect(sharesOf('1/1/1', '2/1/1', '2/1/1').victim('1/2/2', 1)).to.equal(undefined)
    expect(sharesOf('1/1/1', '1/1/1', '1/1/1').victim('1/1/1', 1)).to.equal(undefined)
    expect(sharesOf('relay', 'relay', 'relay').victim('relay', 1)).to.equal(undefined)
  })

  it('decides within a network by its narrower ones', () => {
    const shares = sharesOf('1/1/1', '1/1/1', '1/1/2', '1/2/1')

    expect(shares.victim('1/3/1', 1)?.name).to.equal('1/1/1')
    expect(shares.victim('1/1/3', 1)?.name).to.equal('1/1/1')
    expect(shares.victim('1/1/2', 1)?.name).to.equal(undefined)
  })

  it('goes into the part that holds most for what has to go', () => {
    const shares = sharesOf('1/1/1', '1/2/1', '1/2/2', '1/2/2', '1/3/1', '2/1/1')

    expect(shares.victim('3/1/1', 1)?.name).to.equal('1/2/2')
  })

  it('takes the youngest of networks that hold the same', () => {
    const shares = sharesOf('1/1/1', '1/2/1', '1/3/1')

    expect(admitAll(shares, ['2/1/1', '3/1/1'])).to.deep.equal(['1/3/1', '1/2/1'])
    expect(admitAll(shares, ['4/1/1'])).to.deep.equal([undefined])
  })

  it('counts what shares weigh', () => {
    const shares = sharesOf('1/1/1', '1/1/1', '1/1/1')
    const heavy = share('2/1/1', 10)
    shares.add(heavy)

    expect(shares.weight).to.equal(13)
    expect(shares.victim('3/1/1', 9)).to.equal(heavy)
    expect(shares.victim('3/1/1', 10)).to.equal(undefined)
    expect(shares.victim('2/1/2', 9)).to.equal(heavy)
    expect(shares.victim('2/1/1', 1)).to.equal(undefined)
    expect(shares.heaviest).to.equal(heavy)
  })

  it('keeps the age of a share that is replaced, also by one of another network', () => {
    for (const network of ['1/1/1', '1/1/2', '5/1/1']) {
      const shares = sharesOf('1/1/1')
      const [old, renewed] = [share('1/1/1'), share(network, 3)]
      shares.add(old)
      shares.add(share('1/1/1', 1, 'youngest'))
      shares.replace(old, renewed)

      expect(renewed.born).to.equal(2)
      expect(old.parent).to.equal(undefined)
      expect([shares.count, shares.weight]).to.deep.equal([3, 5])

      if (network === '1/1/1') {
        expect(shares.victim('2/1/1', 1)?.name).to.equal('youngest')
      }
    }
  })

  it('counts a share that is replaced by one of another network for that one', () => {
    const shares = sharesOf('1/1/1', '1/1/1', '2/1/1')
    const [old, renewed] = [share('1/2/1'), share('2/2/1', 2)]
    shares.add(old)
    shares.replace(old, renewed)

    expect(shares.victim('3/1/1', 1)).to.equal(renewed)
    expect(shares.victim('3/1/1', 3)).to.equal(undefined)
  })

  it('takes a network that went down to one share for as young as it was, also when that is replaced', () => {
    const shares = sharesOf()
    const [first, last, renewed] = [share('1/1/1'), share('1/1/2'), share('1/1/1')]
    shares.add(first)
    shares.add(share('1/2/1', 1, 'between'))
    shares.add(last)
    shares.remove(last)
    expect(shares.victim('2/1/1', 0)).to.equal(first)
    shares.replace(first, renewed)
    expect(shares.victim('2/1/1', 0)).to.equal(renewed)
  })

  it('tells hundreds of networks apart, at each width', () => {
    for (const nameOf of [(i: number) => `${i}/1/1`, (i: number) => `1/${i}/1`, (i: number) => `1/1/${i}`]) {
      const all = Array.from({ length: 300 }, (_, i) => share(nameOf(i)))
      const shares = new FairShares<Named>()
      all.forEach(share => { shares.add(share) })
      const second = share(nameOf(200))
      shares.add(second)

      expect(shares.victim(nameOf(300), 1)).to.equal(second)
      expect(shares.victim(nameOf(200), 1)).to.equal(undefined)
      expect(shares.isLighter(nameOf(199), nameOf(200), 0)).to.equal(true)
      expect(shares.isLighter(nameOf(300), nameOf(10), 0)).to.equal(true)
      shares.replace(second, share(nameOf(200), 3))
      expect(shares.isLighter(nameOf(199), nameOf(200), 2)).to.equal(true)
      all.forEach(share => { shares.remove(share) })
      expect(shares.isLighter(nameOf(199), nameOf(200), 2)).to.equal(true)
      expect(shares.isLighter(nameOf(200), nameOf(199), 0)).to.equal(false)
      expect(shares.victim(nameOf(200), 1)).to.equal(undefined)
      expect(shares.victim(nameOf(199), 1)?.weight).to.equal(3)
    }
  })

  it('tells networks apart that look the same at first', () => {
    // the keys that are made of them are equal
    for (const [one, other] of [['Aa/1/1', 'BB/1/1'], ['1/Aa/1', '1/BB/1'], ['1/1/Aa', '1/1/BB'], ['1', '1axgzclu'], ['1axgzclu', '1']] as const) {
      const shares = sharesOf(one, one, one)

      expect(shares.victim(other, 1)?.name).to.equal(one)
      shares.add(share(other))
      expect(shares.victim(one, 1)).to.equal(undefined)
      expect(shares.victim(other, 1)?.name).to.equal(one)
      expect(shares.isLighter(other, one, 1)).to.equal(true)
      expect(shares.isLighter(one, other, 0)).to.equal(false)
    }
  })

  it('says which of two networks holds less, at the widest width that tells them apart', () => {
    const shares = sharesOf('1/1/1', '1/1/1', '1/1/2', '1/2/1', '2/1/1', '2/1/1')

    expect(shares.isLighter('2/9/9', '1/1/1', 1)).to.equal(true)
    expect(shares.isLighter('1/1/1', '2/1/1', 1)).to.equal(false)
    expect(shares.isLighter('3/1/1', '2/1/1', 1)).to.equal(true)
    expect(shares.isLighter('3/1/1', '4/1/1', 1)).to.equal(false)
    expect(shares.isLighter('1/2/1', '1/1/1', 1)).to.equal(true)
    expect(shares.isLighter('1/1/2', '1/1/1', 1)).to.equal(false)
    expect(shares.isLighter('1/1/3', '1/1/1', 1)).to.equal(true)
    expect(shares.isLighter('1/1/1', '1/1/1', 1)).to.equal(false)
    expect(shares.isLighter('2/1/3', '2/1/1', 1)).to.equal(true)
    expect(shares.isLighter('1/2/2', '1/2/1', 0)).to.equal(true)
    expect(shares.isLighter('1/2/1', '1/2/2', 0)).to.equal(false)
    expect(shares.isLighter('1/3/1', '1/1/1', 2)).to.equal(true)
    expect(shares.isLighter('1/3/1', '1/1/1', 3)).to.equal(false)
    expect(sharesOf('1/1/1').isLighter('2/1/1', '1/1/1', 0)).to.equal(true)
    expect(shares.isLighter('relay', 'relay', -1)).to.equal(true)
  })

  it('decides as arrays do, whatever is added, removed, replaced and displaced', () => {
    const network = fc.oneof(
      fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)).map(segments => segments.join('/')),
      fc.constantFrom('relay', '0')
    )
    const operation = fc.record({ type: fc.constantFrom('add', 'add', 'add', 'remove', 'replace', 'admit'), network, weight: fc.integer({ min: 1, max: 3 }), which: fc.nat() })

    fc.assert(fc.property(fc.array(operation, { maxLength: 60, size: 'max' }), operations => {
      const shares = new FairShares<Named>()
      const model = new Model()

      const add = (added: Named): void => {
        shares.add(added)
        model.add(added, added.born as number)
      }

      for (const { type, network, weight, which } of operations) {
        const chosen = model.shares[which % model.shares.length]
        const victim = shares.victim(network, weight)
        const victims = model.victims(network, weight).map(({ name }) => name)
        expect(victims.length === 0 ? [undefined] : victims).to.include(victim?.name)
        const [first] = model.parts('')
        const heaviest = model.parts('').filter(({ weight }) => weight === first?.weight).map(({ path }) => model.youngest(path)?.name)
        expect(first == null ? [undefined] : heaviest).to.include(shares.heaviest?.name)

        if (type === 'add') {
          add(share(network, weight))
        } else if (type === 'remove' && chosen != null) {
          shares.remove(chosen)
          model.remove(chosen)
        } else if (type === 'replace' && chosen != null) {
          // in another network, an old share does not make that a younger one
          const renewed = share(chosen.network, weight)
          shares.replace(chosen, renewed)
          model.shares[model.shares.indexOf(chosen)] = renewed
        } else if (type === 'admit' && victim != null) {
          shares.remove(victim)
          model.remove(victim)
          add(share(network, weight))
        }

        expect(shares.count).to.equal(model.shares.length)
        expect(shares.weight).to.equal(model.shares.reduce((sum, { weight }) => sum + weight, 0))
      }

      model.shares.forEach(share => { shares.remove(share) })
      expect([shares.count, shares.weight, shares.heaviest]).to.deep.equal([0, 0, undefined])
    }), { seed: 1, numRuns: 150 })
  })
})

describe('a sample of FairShares', () => {
  const even = (): number => Math.random()

  it('has as many as were asked for, each once, and all when there are no more', () => {
    const shares = sharesOf('1/1/1', '1/1/1', '1/2/1', '2/1/1', 'relay')

    for (const limit of [1, 2, 3, 4, 5, 6]) {
      const drawn = shares.sample(limit, even)
      expect(drawn).to.have.lengthOf(Math.min(limit, 5))
      expect(new Set(drawn).size).to.equal(drawn.length)
    }

    expect(new FairShares<Named>().sample(3, even)).to.deep.equal([])
  })

  it('has nothing to do with networks that are gone', () => {
    const shares = new FairShares<Named>()
    const gone = Array.from({ length: 60 }, (_, i) => share(`1/${i % 20}/1`))
    gone.forEach(share => { shares.add(share) })
    gone.slice(6).forEach(share => { shares.remove(share) })
    Array.from({ length: 10 }, () => share('2/1/1')).forEach(share => { shares.add(share) })

    for (let i = 0; i < 20; i++) {
      expect(shares.sample(4, even)).to.have.lengthOf(4)
    }
  })

  it('takes the same of each network, and what one has not from the others', () => {
    const shares = sharesOf(...Array.from({ length: 900 }, (_, i) => `1/${i % 30}/${i}`), '2/1/1', '2/1/2', '2/1/3', '3/1/1')

    for (let i = 0; i < 20; i++) {
      const drawn = shares.sample(24, even).map(({ network }) => network)
      expect(drawn.filter(network => network.startsWith('2/'))).to.have.lengthOf(3)
      expect(drawn.filter(network => network.startsWith('3/'))).to.have.lengthOf(1)
      expect(new Set(drawn.filter(network => network.startsWith('1/')).map(network => network.split('/')[1])).size).to.equal(20)
    }
  })

  it('is another one each time, and gives everybody their turn', () => {
    const shares = sharesOf(...Array.from({ length: 100 }, (_, i) => `${i % 10}/1/${i}`))
    const drawn = new Set(Array.from({ length: 400 }, () => shares.sample(10, even)).flat())

    expect(drawn.size).to.equal(100)
  })

  it('is the same for the same random numbers', () => {
    const shares = sharesOf(...Array.from({ length: 100 }, (_, i) => `${i % 10}/1/${i}`))
    const sequence = (): () => number => {
      let state = 1

      return () => (state = state * 16_807 % 2_147_483_647) / 2_147_483_647
    }

    expect(shares.sample(30, sequence())).to.deep.equal(shares.sample(30, sequence()))
  })
})
