import type { PartitionPage } from './partition.ts'
import type { Page, StoredRegistration } from 'libp2p-rendezvous'

/** Lists one of many: up to so many registrations behind a number. */
type Ask = (after: number | undefined, limit: number) => Promise<PartitionPage | undefined>

/** One of many: what it has listed that is not in the merged page yet. */
interface Source {
  readonly ask: Ask
  page: PartitionPage
  /** Whether a cursor is of a life of it that has ended. */
  readonly isOther: boolean
}

/**
 * A page of what many list, in the order of their numbers: up to the least of those up to which each is known, because
 * behind that it may list something later. Undefined where the cursor is one of none of them.
 */
export async function merge (asks: Ask[], limit: number, after: number | undefined): Promise<Page | undefined> {
  const sources = await Promise.all(asks.map(async ask => begin(ask, Math.ceil(limit / asks.length), after)))

  if (!sources.every(source => source != null) || sources.every(({ isOther }) => isOther)) {
    return
  }

  const registrations: StoredRegistration[] = []

  for (;;) {
    const upTo = Math.min(...sources.map(({ page }) => page.upTo))
    registrations.push(...sources
      .flatMap(({ page }) => page.registrations.splice(0, countUpTo(page.registrations, upTo)))
      .sort((a, b) => a.sequence - b.sequence))

    if (registrations.length > limit) {
      return { registrations: registrations.slice(0, limit), cursor: (registrations[limit - 1] as StoredRegistration).sequence }
    }

    // those that keep the others from being listed
    const behind = sources.filter(({ page }) => page.upTo === upTo && !page.isComplete)

    if (registrations.length === limit || behind.length === 0) {
      return { registrations, cursor: upTo }
    }

    for (const [i, page] of (await Promise.all(behind.map(async ({ ask }) => ask(upTo, limit - registrations.length)))).entries()) {
      if (page == null) {
        return
      }

      (behind[i] as Source).page = page
    }
  }
}

/** Undefined where it lists something that a cursor has behind it, and does not know that. */
async function begin (ask: Ask, limit: number, after: number | undefined): Promise<Source | undefined> {
  const page = await ask(after, limit)

  if (page != null || after == null) {
    return page == null ? undefined : { ask, page, isOther: false }
  }

  // it has lost what it had, and begun anew: all that there is came later
  const first = await ask(undefined, limit)

  return first == null || (first.registrations[0]?.sequence ?? first.upTo) <= after
    ? undefined
    : { ask, page: first, isOther: true }
}

function countUpTo (registrations: StoredRegistration[], sequence: number): number {
  const end = registrations.findIndex(registration => registration.sequence > sequence)

  return end < 0 ? registrations.length : end
}

/**
 * Registrations in an order by chance, so that however many are taken from its beginning, all networks have given as
 * many, at each width, but those that have no more.
 */
export function interleave (registrations: StoredRegistration[], random: () => number, depth = 0): StoredRegistration[] {
  const networks = [...Map.groupBy(registrations, ({ network }) => network.split('/').slice(0, depth + 1).join('/')).values()]

  if (networks.length <= 1 && registrations.every(({ network }) => network.split('/').length <= depth + 1)) {
    return shuffled(registrations, random)
  }

  const lists = shuffled(networks.map(within => interleave(within, random, depth + 1)), random)
  const longest = Math.max(...lists.map(({ length }) => length))

  return Array.from({ length: longest }, (_, i) => lists.flatMap(list => list.slice(i, i + 1))).flat()
}

function shuffled <T> (values: T[], random: () => number): T[] {
  return values.map(value => ({ value, place: random() })).sort((a, b) => a.place - b.place).map(({ value }) => value)
}
