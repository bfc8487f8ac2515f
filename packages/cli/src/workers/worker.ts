import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromString } from '@libp2p/peer-id'
import { register } from 'prom-client'
import { lineFor, UsageError } from '../failures.ts'
import { Reporter } from '../http/page/reporter.ts'
import { membersOf } from '../members.ts'
import { pointInit } from '../point-init.ts'
import { PointLog } from '../point-log.ts'
import { introductionOf, isServing, startNode } from '../point-node.ts'
import { sharedStore } from '../shared-store.ts'
import { aborted } from '../signals.ts'
import { shareOf } from './shares.ts'
import type { CommandContext } from '../context.ts'
import type { FlagValues } from '../flags.ts'
import type { PointFlags } from '../options.ts'
import type { PointNode } from '../point-node.ts'
import type { Answers, Start, ToParent, ToWorker } from './messages.ts'
import type { Place } from './place.ts'
import type { RegistrationStore } from 'libp2p-rendezvous'

/**
 * Serves as one of several processes of a point, until the process is asked to end. Where it cannot, the one that
 * started it is told why, and says so.
 */
export async function runWorker (given: FlagValues<PointFlags>, { output, signal }: CommandContext, place: Place): Promise<number> {
  const values = { ...given, ...shareOf(given, place.of) }
  const log = new PointLog(output, { json: values.json === true, verbose: values.verbose === true, place })
  let node: PointNode | undefined
  let store: RegistrationStore | undefined

  let reporter: Reporter | undefined

  const serving = (): PointNode => {
    if (node == null) {
      throw new Error('it is only being started')
    }

    return node
  }

  /** From when it is first asked on. */
  const reporting = (): Reporter => {
    reporter ??= new Reporter(serving(), store as RegistrationStore)

    return reporter
  }

  const answers: { [K in keyof Answers]: (what: string) => Answers[K] | Promise<Answers[K]> } = {
    isServing: () => isServing(node, signal),
    metrics: async () => register.getMetricsAsJSON(),
    reading: async () => reporting().read(),
    fullest: async () => reporting().fullest(),
    evict: async peer => serving().getConnections(peerIdFromString(peer)).length === 0 ? 0 : answers.evictAll(peer),
    evictAll: async peer => serving().services.rendezvousPoint.evict(peerIdFromString(peer)),
    close: async namespace => serving().services.rendezvousPoint.closeNamespace(namespace),
    open: namespace => serving().services.rendezvousPoint.openNamespace(namespace)
  }

  try {
    const { privateKey, listen, closed } = await whenStarted(async (id, about, what) => { await tell({ type: 'answer', id, answer: await answers[about](what) }) })
    const note = (text: string): void => { output.note(`worker ${place.number}: ${text}`) }
    const members = values.network == null ? undefined : await membersOf(values.network, note)
    store = await sharedStore(values, note)

    try {
      const init = { ...pointInit(values), ...(members == null ? {} : { authorize: members.authorize }) }
      node = await startNode({ values, init, listen, privateKey: privateKeyFromProtobuf(privateKey), store, path: undefined, closed, note })
      log.follow(node.services.rendezvousPoint, values.quiet === true)
      await tell({ type: 'ready', point: introductionOf(node, values) })
      await aborted(signal)
      await node.stop()
    } finally {
      members?.close()
      await store.stop?.()
    }

    return 0
  } catch (err: any) {
    await tell({ type: 'failed', message: lineFor(err), isUsage: err instanceof UsageError, stack: String(err.stack) })

    return 1
  }
}

/**
 * What the one that started this process has it do.
 *
 * @param answer - called for each question, then and later
 */
async function whenStarted (answer: (id: number, about: keyof Answers, what: string) => Promise<void>): Promise<Start> {
  return new Promise(resolve => {
    process.on('message', (message: ToWorker) => {
      switch (message.type) {
        case 'start':
          resolve(message.start)
          break
        case 'ask':
          answer(message.id, message.about, message.what).catch(() => {})
      }
    })
    tell({ type: 'up' }).catch(() => {})
  })
}

/** Without the one that started it this process ends, so nobody has to know that it was not told. */
async function tell (message: ToParent): Promise<void> {
  await new Promise<void>(resolve => { process.send?.(message, () => { resolve() }) })
}
