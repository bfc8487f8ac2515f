import { multiaddr } from '@multiformats/multiaddr'
import { withPoint } from './client-node.ts'
import { formatDuration, writeDuration } from './durations.ts'
import { describe, errorsIn, Failure } from './failures.ts'
import { clean } from './output.ts'
import { checkPorts } from './ports.ts'
import { aborted } from './signals.ts'
import type { RegisterFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'
import type { Registration } from 'libp2p-rendezvous'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_LISTEN = '/ip4/0.0.0.0/tcp/0'
export const DEFAULT_TTL = 2 * 60 * 60_000

/**
 * Registers a node of its own under a namespace, and keeps it registered until it is asked to end.
 */
export async function runRegister (point: Multiaddr, namespace: string, values: FlagValues<RegisterFlags>, context: CommandContext): Promise<number> {
  const { output, signal } = context
  const { announce, recordDomain, ttl = DEFAULT_TTL } = values
  // with addresses to announce it speaks for a node elsewhere, unless it is told to listen
  const listen = values.listen ?? (announce == null ? [multiaddr(DEFAULT_LISTEN)] : [])
  await checkPorts(listen)

  return withPoint({
    point,
    values,
    listen,
    ...(announce == null ? {} : { announce }),
    ...(recordDomain == null ? {} : { client: { recordDomain } })
  }, context, async ({ node, client, pointId }) => {
    const refused = Promise.withResolvers<never>()
    let times = 0
    let latest: Registration | undefined

    client.addEventListener('registration:granted', ({ detail }) => {
      latest = detail
      show(detail, times++ === 0)
    })
    client.addEventListener('registration:failed', ({ detail: { error, willRetry, retryIn } }) => {
      if (times === 0) {
        return
      }

      if (willRetry) {
        output.note(notRenewed(error, retryIn))
      } else {
        refused.reject(new Failure(`the registration could not be renewed: ${refusedTtl(error, ttl) ?? describe(error)}`, { cause: error }))
      }
    })

    function show ({ expires, ttl }: Registration, isFirst: boolean): void {
      if (context.json) {
        output.json({
          event: isFirst ? 'registered' : 'renewed',
          peerId: node.peerId.toString(),
          namespace,
          point: pointId.toString(),
          addresses: node.getMultiaddrs().map(String),
          expires: new Date(expires).toISOString()
        })
      } else if (isFirst) {
        output.print(`Registered under "${clean(namespace)}" for ${formatDuration(ttl)} as ${output.bold(node.peerId.toString())}, with these addresses:`)
        output.print()
        node.getMultiaddrs().forEach(address => { output.print(`  ${address}`) })
        output.print()
        output.print(output.dim('It is renewed for as long as this runs. Ctrl-C unregisters and ends it.'))
      } else {
        output.print(`${new Date().toTimeString().slice(0, 8)}  Renewed for ${formatDuration(ttl)}`)
      }
    }

    output.progress(`Registering at ${point}`)

    try {
      await client.register(namespace, { signal, ttl })
    } catch (err) {
      const reason = refusedTtl(err, ttl)

      throw reason == null ? err : new Failure(reason, { cause: err })
    }

    await Promise.race([aborted(signal), refused.promise])

    try {
      await client.unregister(namespace)

      if (context.json) {
        output.json({ event: 'unregistered', namespace })
      } else {
        output.print('Unregistered')
      }
    } catch {
      output.note(`The point could not be told; the registration ends by itself in ${formatDuration(Math.max(0, Number(latest?.expires) - Date.now()))} at the latest`)
    }

    return 0
  })
}

/**
 * What to say of a renewal that failed and is tried again.
 *
 * @param retryIn - milliseconds, when that is known
 */
export function notRenewed (error: Error, retryIn: number | undefined): string {
  return `The registration could not be renewed (${describe(error)}); it is tried again${retryIn == null ? ' when this node has an address' : ` in ${formatDuration(retryIn)}`}`
}

/** What to say when it was the lifetime that a point refused: the wire has seconds, and flags have units. */
export function refusedTtl (err: unknown, ttl: number): string | undefined {
  const refusal = errorsIn(err).find(({ name }) => name === 'InvalidTtlError') as Error & { statusText?: string } | undefined

  if (refusal == null) {
    return
  }

  const [, min, max] = /\b(\d+) to (\d+) seconds/.exec(refusal.statusText ?? '') ?? []
  const accepted = min == null ? clean(refusal.statusText ?? '') : `it accepts ${writeDuration(Number(min) * 1_000)} to ${writeDuration(Number(max) * 1_000)}`

  return `the point refuses a lifetime of ${writeDuration(ttl)}${accepted === '' ? '' : ` (${accepted})`}: choose another with --ttl`
}
