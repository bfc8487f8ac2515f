import { setImmediate } from 'node:timers/promises'
import type { Fullness } from './status.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

/** Registrations that are looked at in one go. */
const PAGE = 500

/**
 * The namespaces in which most are registered, the fullest first. It is counted in the listing of all of them, which every
 * store has, while others have their turn; who registers anew meanwhile may be counted twice.
 *
 * @param now - milliseconds since the epoch
 */
export async function fullestNamespaces (store: Pick<RegistrationStore, 'list'>, count: number, now: () => number = Date.now): Promise<Fullness[]> {
  const registrations = new Map<string, number>()
  let after: number | undefined

  for (;;) {
    const page = await store.list({ after, limit: PAGE }, now())

    for (const { namespace } of page?.registrations ?? []) {
      registrations.set(namespace, (registrations.get(namespace) ?? 0) + 1)
    }

    // a listing that others go on adding to comes to its end where a page is not full
    if (page == null || page.registrations.length < PAGE) {
      break
    }

    after = page.cursor
    await setImmediate()
  }

  return [...registrations]
    .map(([namespace, registrations]) => ({ namespace, registrations }))
    .sort((a, b) => b.registrations - a.registrations || (a.namespace < b.namespace ? -1 : 1))
    .slice(0, count)
}
