import { adminAddressIn } from './admin-address.ts'
import { defaultDataDirectory } from './data-directory.ts'
import { formatDuration } from './durations.ts'
import { describe, Failure, UsageError } from './failures.ts'
import { parseNamespace, parseValue, peer } from './flags.ts'
import { bytes, count, percent, rate } from './http/page/browser/format.ts'
import { clean, counted, table } from './output.ts'
import type { CommandContext } from './context.ts'
import type { FlagValues } from './flags.ts'
import type { Limit, Status } from './http/page/status.ts'
import type { AdminFlags } from './options.ts'
import type { Output } from './output.ts'

type Action = 'status' | 'evict' | 'close' | 'open'

/** Longer than the point waits for its store, and for its workers. Milliseconds. */
const PATIENCE = 60_000

/**
 * Asks a point that runs how it goes, or has it do something.
 */
export async function runAdmin (action: Action, subject: string | undefined, values: FlagValues<AdminFlags>, { output, signal, json }: CommandContext): Promise<number> {
  const body = bodyOf(action, subject)
  const url = values.admin == null
    ? await adminAddressIn(values.data ?? defaultDataDirectory())
    : `http://${values.admin.host.includes(':') ? `[${values.admin.host}]` : values.admin.host}:${values.admin.port}`
  const answer = await ask(url, action, body, signal)

  if (json) {
    output.json(answer)
  } else if (action === 'status') {
    showStatus(output, answer as Status)
  } else {
    output.print(sentence(action, String(subject), answer as { ended: number, wasClosed: boolean }))
  }

  return 0
}

/** @throws {UsageError} */
function bodyOf (action: Action, subject: string | undefined): object | undefined {
  if (action === 'status') {
    if (subject != null) {
      throw new UsageError('admin status is of the point: it takes no SUBJECT')
    }

    return
  }

  if (subject == null) {
    throw new UsageError(`admin ${action} takes ${action === 'evict' ? 'the id of a peer' : 'a namespace'}`)
  }

  return action === 'evict' ? { peer: `${parseValue('SUBJECT', peer, subject)}` } : { namespace: parseNamespace(subject, 'a name is needed') }
}

/** @throws {Failure} */
async function ask (url: string, action: Action, body: object | undefined, signal: AbortSignal): Promise<object> {
  const response = await fetch(`${url}/admin/${action}`, {
    ...(body == null ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)])
  }).catch(err => {
    throw signal.aborted ? signal.reason : new Failure(`no point answers at ${url} (${describe(err)}): is it running with --admin?`, { cause: err })
  })
  const answer = await response.json().catch(() => {})

  if (!response.ok || typeof answer !== 'object' || answer == null) {
    throw new Failure(`the point at ${url} did not do it: ${clean(answer?.error ?? `${response.status} ${response.statusText}`)}`)
  }

  return answer
}

function sentence (action: Exclude<Action, 'status'>, subject: string, { ended, wasClosed }: { ended: number, wasClosed: boolean }): string {
  switch (action) {
    case 'evict':
      return `${counted(ended, 'registration')} of ${subject} ended.`
    case 'close':
      return `"${clean(subject)}" is closed; ${counted(ended, 'registration')} in it ended.`
    case 'open':
      return wasClosed ? `"${clean(subject)}" is open again.` : `"${clean(subject)}" was not closed.`
  }
}

function showStatus (output: Output, { peerId, version, addresses, isServing, since, at, reading, limits, closed = [] }: Status): void {
  const refusals = Object.entries(reading.refusals).filter(([, count]) => count > 0).map(([status, number]) => `${count(number)} ${status}`)
  const uptime = Math.max(at - since, 1)

  const rows = [
    ['Peer id', output.bold(peerId)],
    ['State', `${isServing ? 'serving' : 'not serving'} for ${formatDuration(uptime)}, version ${version}`],
    ['Requests', `${count(reading.requests)}, ${rate(reading.requests / uptime * 1_000)} on average`],
    ['Refusals', refusals.length === 0 ? 'none' : refusals.join(', ')],
    ['Memory', bytes(reading.memory)],
    ...(closed.length === 0 ? [] : [['Closed', closed.map(namespace => `"${clean(namespace)}"`).join(', ')]])
  ]

  table(rows).forEach(line => { output.print(line) })
  output.print()
  table(limits.map(limitRow)).forEach(line => { output.print(line) })
  output.print()
  addresses.forEach(address => { output.print(address) })
}

function limitRow ({ what, used, max, unit, flag }: Limit): string[] {
  const write = unit === 'bytes' ? bytes : count

  return [what, `${write(used)} of ${write(max)}`, percent(used, max), flag]
}
