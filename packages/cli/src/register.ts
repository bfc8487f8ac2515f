import { multiaddr } from '@multiformats/multiaddr'
import { withPoint } from './client-node.ts'
import { formatDuration } from './durations.ts'
import { describe, Failure } from './failures.ts'
import { clean } from './output.ts'
import { checkPorts } from './ports.ts'
import { aborted } from './signals.ts'
import type { RegisterFlags } from './commands.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './main.ts'
import type { Registration } from 'libp2p-rendezvous'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_LISTEN = '/ip4/0.0.0.0/tcp/0'

/**
 * Registers a node of its own under a namespace, and keeps it registered until it is asked to end.
 */
export async function runRegister (point: Multiaddr, namespace: string, values: FlagValues<RegisterFlags>, context: CommandContext): Promise<number> {
  const { output, signal } = context
  const { announce, ttl } = values
  // with addresses to announce it speaks for a node elsewhere, unless it is told to listen
  const listen = values.listen ?? (announce == null ? [multiaddr(DEFAULT_LISTEN)] : [])
  await checkPorts(listen)

  return withPoint({ point, values, listen, ...(announce == null ? {} : { announce }) }, context, async ({ node, client, pointId }) => {
    const refused = Promise.withResolvers<never>()
    let times = 0
    let latest: Registration | undefined

    client.addEventListener('registration:granted', ({ detail }) => {
      latest = detail
      show(detail, times++ === 0)
    })
    client.addEventListener('registration:failed', ({ detail: { error, willRetry } }) => {
      if (times === 0) {
        return
      }

      if (willRetry) {
        output.note(`The registration could not be renewed (${describe(error)}); it is tried again`)
      } else {
        refused.reject(new Failure(`the registration could not be renewed: ${describe(error)}`, { cause: error }))
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
    await client.register(namespace, { signal, ...(ttl == null ? {} : { ttl }) })
    await Promise.race([aborted(signal), refused.promise])

    try {
      await client.unregister(namespace)

      if (context.json) {
        output.json({ event: 'unregistered', namespace })
      } else {
        output.print('Unregistered')
      }
    } catch {
      output.note(`The point could not be told; the registration ends by itself in ${formatDuration(Math.max(0, Number(latest?.expires) - Date.now()))}`)
    }

    return 0
  })
}
