import { DIRECTORY, PROGRAM } from './invocation.ts'
import { counted } from './output.ts'
import { roomFor } from './room.ts'
import type { Browsers } from './browsers.ts'
import type { DataIdentity } from './data-directory.ts'
import type { FlagValues } from './flags.ts'
import type { HttpServers } from './http/types.ts'
import type { PointFlags } from './options.ts'
import type { Output } from './output.ts'

/** What a point says of itself when it serves. */
export interface Introduction {
  peerId: string
  addresses: string[]
  browsers: Browsers
  /** How many its store has. */
  registrations: number
  /** What to type to use it from this machine. */
  commands: string[]
}

/** What is around a point: nothing where it keeps nothing, and where it is not asked over HTTP. */
export interface Surroundings {
  data: DataIdentity | undefined
  http: HttpServers | undefined
  /** The processes that share the work, when they are several. */
  workers?: Array<number | undefined>
}

/** Says that a point serves, and how to use it. */
export function introduce (output: Output, values: FlagValues<PointFlags>, point: Introduction, { data, http, workers }: Surroundings): void {
  const { peerId, addresses, browsers, commands } = point
  const room = roomFor(values)

  if (values.json === true) {
    output.json({ event: 'ready', peerId, addresses, browsers, ...room, ...(workers == null ? {} : { workers }), ...(http?.url == null ? {} : { http: http.url }), ...(http?.adminUrl == null ? {} : { admin: http.adminUrl }) })
    return
  }

  const registrations = counted(point.registrations, 'registration')
  const kept = data == null
    ? 'in memory: identity and registrations end with this program'
    : `${data.path}${data.isNew ? ' (a new identity)' : values.store == null ? ` (${registrations})` : ''}`

  output.print(output.bold('This is a rendezvous point.'))
  output.print()
  output.print(`  Peer id  ${output.bold(peerId)}`)
  output.print(`  Data     ${kept}`)

  output.print(`  Room     ${counted(room.maxConnections, 'connection')}, ${room.maxConnectionRate} new ones a second from one address`)

  if (values.store != null) {
    output.print(`  Store    ${values.store.map(({ location }) => location).join(', ')} (${registrations})`)
  }

  if (workers != null) {
    output.print(`  Workers  ${workers.length} (${workers.length === 1 ? 'process' : 'processes'} ${workers.join(', ')})`)
  }

  if (http?.url != null) {
    output.print(`  HTTP     ${http.url}`)
  }

  if (http?.adminUrl != null) {
    output.print(`  Admin    ${http.adminUrl}`)
  }

  if (http != null) {
    output.print(`  Health   ${http.url ?? http.adminUrl}/healthz`)
    output.print(`  Metrics  ${http.adminUrl ?? http.url}/metrics`)
  }

  output.print()
  const others = addresses.filter(address => !browsers.addresses.includes(address))
  section(output, 'Its addresses, to give to clients:', others)
  section(output, others.length === 0 ? 'Its addresses, to give to browsers and to all other clients:' : 'And for browsers:', browsers.addresses)

  if (browsers.problems.length > 0) {
    browsers.problems.forEach(problem => { output.print(problem) })
    output.print()
  }

  section(output, `Try it from another terminal${DIRECTORY == null ? '' : `, in ${DIRECTORY}`}:`, commands)
  output.print(output.dim(`Ctrl-C ends it. ${PROGRAM} point --help shows what can be set.`))
  output.print()
}

function section (output: Output, title: string, lines: string[]): void {
  if (lines.length > 0) {
    output.print(title)
    output.print()
    lines.forEach(line => { output.print(`  ${line}`) })
    output.print()
  }
}
