import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Driver, implementations } from '../../interop/drivers.ts'
import { startChild } from '../child.ts'
import { tell } from '../city/program.ts'
import { quantile } from '../measure.ts'
import { row } from '../row.ts'
import type { Report } from '../part.ts'

/** Who are registered, and renew, and list what is there. Seconds between two of each. */
const MEMBERS = 1_000
const RENEWS = 5
const LISTS = 2
/** Who are in one namespace, and are listed. */
const CROWD = 50

/** For how many newcomers in a second there is room beside that: who come so many at a time. */
const WARM_UP = 500
const TOGETHER = 30
const COUNTED = 1_000
/** What comes in a second, by what there is room for, for so many seconds. */
const OVERLOAD = 2
const SECONDS = 20
const SETTLE = 3_000

const PATIENCE = 200_000

type Tally = Record<'renewed' | 'listed', number[]> & Record<'renewalsLost' | 'listingsLost', number>

/** Twice as many newcomers as there is room for, at the program with --shedding and at one that holds nothing back. */
export async function part (report: Report): Promise<void> {
  if (!existsSync(implementations.rust.command[0] as string)) {
    report.note('Left out: the crowd is the driver of rust-libp2p, which has not been built (`npm run interop -- --build --only rust`).')
    return
  }

  const held = await overload('shedding', report)
  const open = await overload('point', report, held.rate)

  const emit = (what: string, key: 'renewed' | 'listed' | 'took', target?: number): void => {
    const p99 = ({ tally, passed }: Outcome): number[] => [quantile((key === 'took' ? passed.took : tally[key]).toSorted((a, b) => a - b), 0.99)]
    report.row(row({ name: `${what}, p99`, size: MEMBERS, unit: 'ms', samples: p99(held), against: { name: 'nothing held back', samples: p99(open), counts: 'cost' }, target: target == null ? undefined : { atMost: target } }))
  }
  const count = (what: string, of: (outcome: Outcome) => number, atMost?: number): void => {
    report.row(row({ name: `${what}; nothing held back: ${of(open)}`, size: MEMBERS, unit: 'requests', samples: [of(held)], target: atMost == null ? undefined : { atMost } }))
  }

  report.row(row({ name: 'newcomers in a second that there is room for', size: MEMBERS, unit: '1/s', samples: [held.rate] }))
  emit('twice as many: a renewal', 'renewed')
  count('twice as many: renewals lost', ({ tally }) => tally.renewalsLost, 0)
  emit('twice as many: a listing', 'listed')
  count('twice as many: listings lost', ({ tally }) => tally.listingsLost)
  emit('twice as many: a newcomer', 'took')
  count('twice as many: newcomers sent away', ({ passed }) => passed.failed)
}

interface Outcome {
  rate: number
  tally: Tally
  passed: { took: number[], failed: number }
}

async function overload (kind: 'point' | 'shedding', report: Report, given?: number): Promise<Outcome> {
  const { ready: address, stop } = await startChild<string>('city/held-process.ts', [kind], ['--expose-gc'])
  const members = await Driver.start(implementations.rust, 'load', address, 'register', 'watch', `renew=${RENEWS}`, `list=${LISTS}`)
  const newcomers = await Driver.start(implementations.rust, 'load', address, 'register')
  report.progress(`${kind === 'point' ? 'nothing held back' : 'the program'}: ${MEMBERS} come`)
  await tell(members, 'join', { count: MEMBERS, together: TOGETHER, crowd: CROWD, ns: 'member' }, PATIENCE)
  await tell(newcomers, 'join', { count: WARM_UP, together: TOGETHER, crowd: CROWD, ns: 'newcomer' }, PATIENCE)
  await tell(newcomers, 'leave', { count: WARM_UP }, PATIENCE)
  const begin = performance.now()
  await tell(newcomers, 'join', { count: COUNTED, together: TOGETHER, crowd: CROWD, ns: 'newcomer' }, PATIENCE)
  const rate = given ?? COUNTED / (performance.now() - begin) * 1_000
  await tell(newcomers, 'leave', { count: COUNTED }, PATIENCE)
  await delay(SETTLE)
  report.progress(`${(rate * OVERLOAD).toFixed()} newcomers in a second`)
  await tell(members, 'tally', {}, PATIENCE)
  const passed = await tell(newcomers, 'pass', { count: Math.round(rate * OVERLOAD * SECONDS), rate: rate * OVERLOAD, ns: 'newcomer' }, PATIENCE)
  const tally = await tell(members, 'tally', {}, PATIENCE)
  await members.stop()
  await newcomers.stop()
  await stop()

  return { rate, tally, passed }
}
